"""A device's files held against a set, case by case."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

from refimpl.arrays import Array
from refimpl.bitexact.adders import Adders
from refimpl.io.bounding import Reach
from refimpl.io.device import (
    device_files,
    misnamed_files,
    read_device,
    read_device_files,
    read_words,
)
from refimpl.io.files import UnusableError
from refimpl.io.sets import read_case, read_tensor
from refimpl.io.streams import compare_files
from refimpl.vectors.check import Verdict, verdict_of
from refimpl.vectors.dut import Dut, observable
from refimpl.vectors.explain import Evidence, Suspects, explain, no_suspects
from refimpl.vectors.files.readmem import Dump, UnknownBitsError
from refimpl.vectors.formats import FORMATS, labelled
from refimpl.vectors.manifest import CaseEntry, Manifest, Tensor
from refimpl.vectors.patterns import blocks_of, tiles_of
from refimpl.vectors.report import CaseReport

MOST_EXPLAINED = 2**26  # ours: elements of a case that are held in memory to explain it
Advance = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """What is held against what: a set, a device's directory, and what the device declares.

    ``suspects`` gives bugs to try on a case that failed, beside the known variants.
    """

    golden: Path
    device: Path
    manifest: Manifest
    dut: Dut | None = None
    explain: bool = True
    suspects: Suspects = no_suspects

    @property
    def adders(self) -> Adders | str | None:
        """The device's class of adders; None where it declares none: that of each case's sums."""
        return None if self.dut is None or not self.dut.adders else self.dut.adder_class

    def entry(self, case: str) -> CaseEntry:
        """A case's entry in the manifest."""
        return next(each for each in self.manifest.cases if each.id == case)


def judged_elements(entry: CaseEntry) -> int:
    """Elements that are compared where the device left everything, for a progress bar."""
    return sum(prod(tensor.shape) for tensor in _stages(entry))


def judge_case(court: Court, entry: CaseEntry, advance: Advance = lambda _, __: None) -> CaseReport:
    """The report on one case: a verdict on each file, explained where something is wrong.

    What cannot be used is an error of the report, in one sentence; the rest is judged all the same.
    """
    verdicts, errors = _verdicts(court, entry, advance)
    plain = CaseReport(case=entry.id, verdicts=verdicts, errors=errors)
    if not court.explain or not plain.wrong:
        return plain
    if sum(prod(tensor.shape) for tensor in entry.tensors) > MOST_EXPLAINED:
        note = f"more than {MOST_EXPLAINED:,} elements: too large to be explained in memory"
        return replace(plain, notes=(note,))
    try:
        arrays = read_case(court.golden, entry)
        left = read_device_files(court.device, entry, but=undriven(verdicts))
        others = {f"the golden {name}": arrays[name] for name in arrays if name not in left}
        device = {name: next(iter(files.values())) for name, files in left.items()}
        words = partial(_words, court, entry)
        evidence = Evidence(arrays, {**device, **_inputs(court, entry)}, others, left, words)
        explained = explain(entry, list(verdicts), evidence, court.suspects)
    except ValueError as error:
        return replace(plain, errors=tuple(dict.fromkeys((*errors, str(error)))))
    return replace(explained, errors=errors)


def _words(court: Court, entry: CaseEntry, verdict: Verdict) -> Dump | None:
    """Memory words of the file that a verdict is on; None of a .npy."""
    tensor = next(each for each in entry.tensors if each.name == verdict.tensor)
    files = device_files(court.device, entry.id, verdict.tensor)
    path, kind = next(each for each in files if each[0].name == verdict.file)
    return None if kind == "npy" else read_words(path, kind, tensor)


def undriven(verdicts: Iterable[Verdict]) -> set[tuple[str, str]]:
    """Tensors and names of files that have bits which the device never drove."""
    return {(verdict.tensor, verdict.file) for verdict in verdicts if verdict.unknown}


def _stages(entry: CaseEntry) -> Iterator[Tensor]:
    return (tensor for tensor in entry.tensors if tensor.role in {"stage", "output"})


def _verdicts(
    court: Court, entry: CaseEntry, advance: Advance
) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """A verdict on every file the device left, in the order of computation; what is unusable."""
    verdicts, errors = [], []
    reach = Reach(golden=court.golden, entry=entry, adders=court.adders)
    for tensor in _stages(entry):
        try:
            found = _left(court, entry, tensor)
        except UnusableError as error:
            errors.append(str(error))
            continue
        for file in found:
            try:
                verdicts.append(_verdict(court, reach, tensor, file, advance))
            except ValueError as error:
                errors.append(str(error))
    try:
        errors += misnamed_files(court.device, entry)
    except (OSError, UnusableError) as error:
        errors.append(str(error))
    return tuple(verdicts), tuple(dict.fromkeys(errors))


def _left(court: Court, entry: CaseEntry, tensor: Tensor) -> list[tuple[Path, str]]:
    found = device_files(court.device, entry.id, tensor.name)
    if not found and _must_be_there(court, tensor):
        raise UnusableError(
            f"{court.device} must hold {entry.id}/{tensor.name}.npy, .bin or .hex: no "
            f"{tensor.role} is there"
        )
    return found


def _verdict(
    court: Court, reach: Reach, tensor: Tensor, file: tuple[Path, str], advance: Advance
) -> Verdict:
    case, limits = reach.entry.id, reach.of_output(tensor)
    names = (case, tensor.name, file[0].name)
    compared = compare_files(
        court.golden,
        tensor,
        file,
        bounding=limits.bound,
        advance=lambda count: advance(case, count),
    )
    if compared.wrong and tensor.role == "stage":
        limits = reach.of_stage(tensor)
        if limits.bound is not None:
            compared = compare_files(court.golden, tensor, file, bounding=limits.bound)
    said = ""
    if compared.wrong and reach.floats and reach.entry.inputs_from:
        own = _own_inputs(court, reach)
        if own:
            reach = replace(reach, given=own, kept={})
            limits = reach.of_output(tensor) if tensor.role == "output" else reach.of_stage(tensor)
            compared = compare_files(court.golden, tensor, file, bounding=limits.bound)
            said = f", given the device's own {', '.join(own)}"
    tiles = tiles_of(court.manifest.device, blocks_of(tensor.layout.digits), tensor.name)
    verdict = verdict_of(compared, tensor.physical, names, tiles=tiles, outside=limits.outside)
    return replace(verdict, note=f"{verdict.note}{said}")


def _own_inputs(court: Court, reach: Reach) -> dict[str, Array]:
    """Chained inputs of a case that are not the golden ones, as the device left them."""
    by_name = {each.name: each for each in reach.entry.tensors}
    return {
        name: array
        for name, array in _inputs(court, reach.entry).items()
        if array.tobytes() != read_tensor(court.golden, by_name[name]).tobytes()
    }


def _must_be_there(court: Court, tensor: Tensor) -> bool:
    """Whether a device must leave a tensor: the output, and stages it declares observable."""
    if tensor.role == "output":
        return True
    declared = court.dut is not None and court.dut.observe.stages is not None
    return declared and observable(court.dut, tensor.name)


def _inputs(court: Court, entry: CaseEntry) -> Mapping[str, Array]:
    """What a chained case really read: the output that the device left of the case before."""
    found = {}
    for name, link in entry.inputs_from.items():
        source = court.entry(link.case)
        tensor = next(each for each in source.tensors if each.name == link.tensor)
        for path, kind in device_files(court.device, link.case, link.tensor)[:1]:
            try:
                found[name] = labelled(read_device(path, kind, tensor), FORMATS[tensor.format])
            except UnknownBitsError:  # told of the case before
                continue
    return found
