"""The smallest sub-case that still shows a mismatch: fewer images, outputs, channels and pixels.

Two ways. Where a known variant reproduces the device's bits (``diagnose.py``), it stands for the
device: any smaller case is tried, and kept while the variant still differs from the golden output.
Where none does, only the device's own numbers may be used: what the first bad element reads is kept
(``element.py``), so that the golden and the device's value of that element are the very same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of, without_groups
from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import Case, identified
from refimpl.vectors.convolutions import convolutions_of
from refimpl.vectors.diagnose import MOST_PRODUCTS, diagnose, products
from refimpl.vectors.element import part_of
from refimpl.vectors.files.kinds import encode
from refimpl.vectors.formats import bits_of, from_bits
from refimpl.vectors.onnx_case import onnx_files
from refimpl.vectors.stages import stages
from refimpl.vectors.variants import VARIANTS, Variant, run
from refimpl.vectors.write import About, Coverage, Written, physical, set_files

Index = tuple[int, ...]


class Shrunk(NamedTuple):
    """A smaller case, what the device gives for it, and how that is known."""

    case: Case
    device: Mapping[str, Array]
    how: str


def shrink(
    case: Case,
    golden: Mapping[str, Array],
    device: Mapping[str, Array],
    stage: str,
    index: Index,
    *,
    variants: bool = True,
) -> Shrunk:
    """The smallest case found that shows the mismatch whose first bad element is ``stage[index]``.

    ``golden`` and ``device`` hold arrays by stage; those of ``device`` are what it left. Without
    ``variants`` none of them may stand for the device.

    Raises
    ------
    ValueError
        If nothing is wrong there.
    """
    if stage not in device or np.array_equal(_bits(golden[stage]), _bits(device[stage])):
        raise ValueError(f"stage {stage} of {case.id} must be wrong to be shrunk")
    for finding in diagnose(case, golden, device) if variants else ():
        if finding.reproduces:
            variant = VARIANTS[finding.name]
            smaller = _by_variant(case, variant, tuple(device))
            left = {name: run(variant, smaller)[name] for name in device}
            return Shrunk(_named(smaller), left, f"the device {finding.says} ({finding.name})")
    return _by_values(case, golden, device, stage, index)


def size(case: Case) -> int:
    """Numbers that go into a case: what shrinking makes fewer."""
    return sum(array.size for array in case.tensors.values())


def _by_variant(case: Case, variant: Variant, left: Sequence[str]) -> Case:
    """Greedily smaller cases while the variant still spoils what the device left of it."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _reductions(case):
            if _spoils(variant, candidate, left):
                case, smaller = candidate, True
                break
    return case


def _spoils(variant: Variant, case: Case, left: Sequence[str]) -> bool:
    if products(case) > MOST_PRODUCTS:
        return False
    if variant.change is not None and variant.change(case) is None:
        return False
    golden, device = stages(case), run(variant, case)
    output = list(golden)[-1]
    watched = output if output in left else left[-1]
    return not np.array_equal(_bits(golden[watched]), _bits(device[watched]))


def _reductions(case: Case) -> Iterator[Case]:
    """Smaller cases, the smallest first: along images, outputs, channels, rows, columns.

    Beside the operators that only convolve and shift, forward, along images alone: other tensors
    of a gradient or an attention would have to follow.
    """
    x = case.tensors["x"]
    for kept in _subsets(len(x)):
        yield _images(case, kept)
    if case.operator not in OPERATORS:
        return
    if groups_of(case.attributes) > 1:
        yield from _groups(case)
    else:
        outputs = _outputs(case)
        for kept in _subsets(outputs):
            yield _keep_outputs(case, kept, outputs)
        for kept in _subsets(x.shape[1]):
            yield _keep_channels(case, kept)
    for axis in (2, 3):
        for kept in _runs(x.shape[axis]):
            cropped = np.take(x, kept, axis=axis)
            if _fits(case, cropped.shape):
                yield _with(case, x=cropped)


def _images(case: Case, kept: Array) -> Case:
    """Only these images, of x and of the gradient that comes back."""
    batches = {name: case.tensors[name][kept] for name in ("x", "dy") if name in case.tensors}
    return _with(case, **batches)


def _groups(case: Case) -> Iterator[Case]:
    """Each group of a convolution of x alone, as a convolution of its own."""
    if case.operator != "conv2d":
        return
    groups, outputs = groups_of(case.attributes), _outputs(case)
    channels = np.split(np.arange(case.tensors["x"].shape[1]), groups)
    for kept, own in zip(np.split(np.arange(outputs), groups), channels, strict=True):
        part = _keep_outputs(case, kept, outputs)
        alone = replace(part, attributes=without_groups(case.attributes))
        yield _with(alone, x=case.tensors["x"][:, own])


def _fits(case: Case, shape: Index) -> bool:
    """Whether every kernel still fits, and no shift reaches around the whole image."""
    if case.attributes.get("length", 0) >= min(shape[2:]):
        return False
    for each in convolutions_of(case):
        kernel = case.tensors[each.kernels].shape[2:]
        padding = case.attributes.get("padding") or [(side - 1) // 2 for side in kernel]
        apart = case.attributes.get("dilation", [1, 1])
        for axis in (0, 1):
            if apart[axis] * (kernel[axis] - 1) + 1 > shape[2 + axis] + 2 * padding[axis]:
                return False
    return True


def _subsets(count: int) -> Iterator[Array]:
    """One of them, then halves of them."""
    if count == 1:
        return
    for at in range(count):
        yield np.array([at])
    half = count // 2
    if half > 1:
        yield np.arange(half)
        yield np.arange(half, count)


def _runs(count: int) -> Iterator[Array]:
    """Neighbouring coordinates: one, two, a half, all but the first or the last."""
    if count == 1:
        return
    for length in dict.fromkeys((1, 2, max(1, count // 2), count - 1)):
        if length < count:
            for first in range(count - length + 1):
                yield np.arange(first, first + length)


def _outputs(case: Case) -> int:
    kernels = [case.tensors[each.kernels] for each in convolutions_of(case)]
    return len(kernels[0]) if kernels else 1


def _keep_outputs(case: Case, kept: Array, outputs: int) -> Case:
    """Only these output channels, in every tensor that has them."""
    own = {f"{name}{each.suffix}" for each in convolutions_of(case)
           for name in ("w", "b", "multiplier", "shift", "s", "t")}  # fmt: skip
    changed = {
        name: array[kept]
        for name, array in case.tensors.items()
        if name in own and len(array) == outputs
    }
    return _with(case, **changed)


def _keep_channels(case: Case, kept: Array) -> Case:
    """Only these channels of x, and of the kernels what reads them."""
    x = case.tensors["x"]
    channels = x.shape[1]
    copies = len(case.attributes.get("directions", ()))
    shifted = np.concatenate([d * channels + kept for d in range(copies)]) if copies else kept
    changed = {"x": x[:, kept]}
    for each in convolutions_of(case):
        parts, before = [], 0
        for source in each.sources:
            width = channels if source == "x" else copies * channels
            parts.append(before + (kept if source == "x" else shifted))
            before += width
        changed[each.kernels] = case.tensors[each.kernels][:, np.concatenate(parts)]
    return _with(case, **changed)


def _by_values(
    case: Case, golden: Mapping[str, Array], device: Mapping[str, Array], stage: str, index: Index
) -> Shrunk:
    """What the element reads, where that gives its golden bits again; or else its image."""
    how = "no known variant gives its bits"
    part = part_of(case, golden, stage, index)
    if part is not None:
        small = _named(part.case)
        computed = stages(small)
        shown = {name: own for name, own in part.names.items() if name in device}
        left = {own: _with_one(computed[own], part.at, device[name][index])
                for name, own in shown.items()}  # fmt: skip
        output = list(computed)[-1]
        return Shrunk(small, {output: computed[output], **left}, f"{how}; {part.kept}")
    if not _alone(case):
        return Shrunk(_named(case), device, f"{how}; kept is every image, which it is summed over")
    rank = golden[stage].ndim
    n = 0 if rank == 1 else index[1] if rank == RANK_OF_TILES else index[0]
    small = _images(case, np.array([n]))
    left = {name: _image_of(array, n) for name, array in device.items()}
    return Shrunk(_named(small), left, f"{how}; its image is kept: {_why_whole(case)}")


def _why_whole(case: Case) -> str:
    """Why no less than an image was kept."""
    if case.operator in OPERATORS:
        return "no smaller part has the bits of its element"
    return f"other tensors of {case.operator} would have to follow"


def _with_one(golden: Array, at: Index, value: Array) -> Array:
    """A golden stage in which one element is the device's."""
    left = golden.copy()
    left[at] = value
    return left


def _alone(case: Case) -> bool:
    """Whether an image's stages do not depend on the other images of its batch."""
    batch = case.attributes.get("statistics") == "batch" or case.operator == "xvolution_training"
    return not batch and not case.operator.endswith("_backward")


def _image_of(array: Array, n: int) -> Array:
    """One image of a stage: of partial sums behind the tiles; a vector has none."""
    if array.ndim == 1:
        return array
    return array[:, n : n + 1] if array.ndim == RANK_OF_TILES else array[n : n + 1]


RANK_OF_TILES = 5  # (tiles, n, o, h, w)


def _named(case: Case) -> Case:
    shape = "x".join(str(side) for side in case.tensors["x"].shape)
    named = f"small-{case.id}"[:90] + f"-{shape}"
    return identified(replace(case, id=named, formats={}, inputs_from={}))


def _with(case: Case, **tensors: Array) -> Case:
    return replace(case, tensors={**case.tensors, **tensors}, inputs_from={})


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def shrunk_files(
    small: Shrunk,
    about: About,
    written: Written | None = None,
    coverage: Coverage = lambda _, __: (),
) -> Iterator[tuple[str, bytes]]:
    """Files of the smallest case: a set in ``golden/``, what the device gives in ``device/``.

    Both are written as ``written`` says, but for an ONNX test where there is none of the part.
    """
    how = written or Written()
    if "onnx" in how.kinds and not _has_onnx(small.case):
        how = replace(how, kinds=tuple(kind for kind in how.kinds if kind != "onnx"))
    for path, content in set_files([small.case], about=about, written=how, coverage=coverage):
        yield f"golden/{path}", content
    for name, array in small.device.items():
        of = physical(small.case, name, array, how)
        wired = from_bits(bits_of(array, of.form), of.form)  # a variant's wire is no wider
        for kind in (each for each in ("npy", "bin", "hex") if each in how.kinds):
            yield f"device/{small.case.id}/{name}.{kind}", encode(kind, wired, of, name)


def _has_onnx(case: Case) -> bool:
    try:
        list(onnx_files(case, list(stages(case).values())[-1]))
    except ValueError:
        return False
    return True


def ratio(before: Case, after: Case) -> str:
    """How much smaller, in words."""
    return f"{size(before):,} numbers to {size(after):,} ({prod(after.tensors['x'].shape)} of x)"
