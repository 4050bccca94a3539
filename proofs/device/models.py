"""What a bug leaves on the device, computed by the bit-exact model with the same bug.

Most bugs are mutants of the published catalogue. Two are of this device's own making, because the
bits depend on how it writes: by address, tile by tile.

    ragged_pixels_written   a last tile of R pixels is computed and written whole: results of pixels
                            p ≥ P, which lie below the image, land at o·P + p, in the next channel
    word_lost_on_stall      some words are never written; which, only the pattern of stalls knows
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from hwsim.rtl.registers import Device
from hwsim.rtl.sets import UNWRITTEN
from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, patches, sum_int32
from refimpl.bitexact.operators import geometry_of
from refimpl.score.array import ArrayShape
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.device import requantised
from refimpl.score.models import operator_of, run, run_probed
from refimpl.score.mutant import Mutant
from refimpl.score.sequence import GUARD, Before, image, is_sequential
from refimpl.score.site import HEALTHY, Noting
from refimpl.score.target import Target
from refimpl.vectors.case import Case

Stages = Mapping[str, Array]
LOST = np.uint32(UNWRITTEN).view(np.int32)  # what a 32-bit stage holds where nothing was written


class Candidate(NamedTuple):
    """A model with a bug: its name, and whether it gives what the device left."""

    name: str
    gives: Callable[[Stages], bool]


def candidates(case: Case, before: Before | None, device: Device) -> Iterator[Candidate]:
    """Every model that may explain a device's answer to a case: the catalogue's, then our two."""
    array = tiles_of(device).array
    for mutant in mutants(case):
        if is_sequential(mutant):
            yield Candidate(mutant.id, _memory_of(case, before, mutant, array))
        else:
            yield Candidate(mutant.id, _stages_of(case, mutant, array))
    if "accumulator" in run(case):
        yield Candidate("ragged_pixels_written", _written_whole(case, device))
        yield Candidate("word_lost_on_stall", _lost_words(case))


def tiles_of(device: Device) -> Target:
    """Where the device's tiles end: rows are pixels, columns outputs; inputs come one by one."""
    return Target(array=ArrayShape(c_out=device.cols, pixels=device.rows))


def mutants(case: Case) -> Iterator[Mutant]:
    """The catalogue's bugs of a case's operator that the case does not declare.

    Bugs that it lists for another operator only are taken from there: sites have one name in all
    models; where the site is missing the bug would do nothing, and is left out.
    """
    own = CATALOGUE[operator_of(case)].mutants
    others = (each for entry in CATALOGUE.values() for each in entry.mutants)
    known: dict[str, Mutant] = {}
    for mutant in (*own, *others):
        borrowed = mutant.operator != operator_of(case)
        if borrowed and is_sequential(mutant) and "w" not in case.tensors:
            continue  # state of a convolution, which this operator has none of
        if mutant.operator.endswith(f".{case.arithmetic}"):
            known.setdefault(mutant.id, mutant)
    noting = Noting()
    run_probed(case, noting)
    for mutant in known.values():
        sits = is_sequential(mutant) or mutant.site in noting.met
        if sits and not mutant.equivalent and not mutant.is_declared(case.attributes):
            yield mutant


def same(stages: Stages, left: Stages) -> bool:
    """Whether every stage a device left has these bits, words of 32 bits it never wrote apart."""
    for name, array in left.items():
        agrees = stages[name] == array
        if array.itemsize == 4:
            agrees |= array == LOST
        if not agrees.all():
            return False
    return True


def _stages_of(case: Case, mutant: Mutant, array: ArrayShape) -> Callable[[Stages], bool]:
    return lambda left: same(run(case, mutant, array), left)


def _memory_of(
    case: Case, before: Before | None, mutant: Mutant, array: ArrayShape
) -> Callable[[Stages], bool]:
    def gives(left: Stages) -> bool:
        words = image(case, before, mutant, array=array)[GUARD:-GUARD]
        return np.array_equal(words, list(left.values())[-1].reshape(-1))

    return gives


def _lost_words(case: Case) -> Callable[[Stages], bool]:
    """Every stage is right but for words that were never written, the same ones in all of them."""
    golden = run(case)

    def gives(left: Stages) -> bool:
        lost = left["accumulator"] == LOST
        return bool(lost.any()) and all(
            (np.where(lost, golden[name], array) == golden[name]).all()
            for name, array in left.items()
            if array.shape == lost.shape
        )

    return gives


def _written_whole(case: Case, device: Device) -> Callable[[Stages], bool]:
    def gives(left: Stages) -> bool:
        return same(written_whole(case, device.rows), left)

    return gives


def written_whole(case: Case, tile: int) -> dict[str, Array]:
    """Stages of a convolution whose last tile of pixels is written whole, by address."""
    golden = run(case)
    images, outputs, height, width = golden["accumulator"].shape
    pixels = height * width
    computed = -(-pixels // tile) * tile
    extended = _extended(case, golden, rows=-(-computed // width))
    stages = dict(golden)
    for name in ("accumulator", "biased", "before_clip", "output"):
        words = extended[name].reshape(images, outputs, -1)[:, :, :computed]
        memory = np.zeros(images * outputs * pixels + tile, words.dtype)
        for n, first, o in np.ndindex(images, computed // tile, outputs):
            at = (n * outputs + o) * pixels + first * tile
            memory[at : at + tile] = words[n, o, first * tile : (first + 1) * tile]
        stages[name] = memory[: images * outputs * pixels].reshape(golden[name].shape)
    return stages


def _extended(case: Case, golden: Stages, *, rows: int) -> Stages:
    """The convolution of a case with so many rows of outputs: below the image is real zero."""
    groups = []
    if case.operator != "pssa":
        groups.append(case.tensors["x"].astype(np.int32) - case.attributes["x_zero"])
    if "product" in golden:
        groups.append(golden["product"].astype(np.int32) - case.attributes["t_zero"])
    centred, w = np.concatenate(groups, axis=1), case.tensors["w"]
    stride = case.attributes.get("stride", (1, 1))[0]
    more = (rows - golden["accumulator"].shape[2]) * stride
    taller = np.pad(centred, ((0, 0), (0, 0), (0, more), (0, 0)))
    geometry = geometry_of(taller, w, case.attributes)
    sums = sum_int32(kernel_rows(w, "cuv"), patches(taller, geometry, "cuv"))
    shaped = sums.reshape(len(centred), len(w), *geometry.output)[:, :, :rows]
    return requantised(shaped, case.tensors, case.attributes, HEALTHY)
