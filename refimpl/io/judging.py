"""A device's files held against a set: cases one by one, and sequences step by step."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    read_opposed,
)
from refimpl.io.files import UnusableError
from refimpl.io.memories import device_image, golden_images
from refimpl.io.sets import read_case
from refimpl.io.streams import compare_files
from refimpl.vectors.case import Case
from refimpl.vectors.check import Verdict, unknown_bits, verdict_of
from refimpl.vectors.dut import Dut, observable
from refimpl.vectors.explain import Evidence, Suspects, case_of, explain, no_suspects
from refimpl.vectors.files.readmem import UnknownBitsError
from refimpl.vectors.formats import FORMATS, labelled
from refimpl.vectors.manifest import CaseEntry, Manifest, SequenceEntry, StepEntry, Tensor
from refimpl.vectors.memory import Plan, Step, judge_memory, mask_bytes, steps_of_entry
from refimpl.vectors.patterns import blocks_of, tiles_of
from refimpl.vectors.physical import nans_of, padded
from refimpl.vectors.report import CaseReport
from refimpl.vectors.shrink import Shrunk, shrink
from refimpl.vectors.stages import stages

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
        left = read_device_files(court.device, entry, but=_undriven(verdicts))
        others = {f"the golden {name}": arrays[name] for name in arrays if name not in left}
        device = {name: next(iter(files.values())) for name, files in left.items()}
        evidence = Evidence(arrays, {**device, **_inputs(court, entry)}, others, left)
        explained = explain(entry, list(verdicts), evidence, court.suspects)
    except ValueError as error:
        return replace(plain, errors=tuple(dict.fromkeys((*errors, str(error)))))
    return replace(explained, errors=errors)


def _undriven(verdicts: Iterable[Verdict]) -> set[tuple[str, str]]:
    """Tensors and names of files that have bits which the device never drove."""
    return {(verdict.tensor, verdict.file) for verdict in verdicts if verdict.unknown}


def judge_sequence(
    court: Court, sequence: SequenceEntry, advance: Advance = lambda _, __: None
) -> CaseReport:
    """The report on a sequence: a verdict on the memory after each step, or why there is none."""
    verdicts, errors = [], []
    for step in sequence.steps:
        try:
            verdicts.append(_memory_verdict(court, sequence, step))
        except ValueError as error:
            errors.append(str(error))
        advance(step.id, 1)
    return CaseReport(case=sequence.id, verdicts=tuple(verdicts), errors=tuple(errors))


def _memory_verdict(court: Court, sequence: SequenceEntry, step: StepEntry) -> Verdict:
    try:
        dumped = device_image(court.device, sequence, step)
    except UnknownBitsError as error:
        names = (sequence.id, step.id, "after")
        return unknown_bits(names, sequence.memory_words, str(error))
    entry = court.entry(step.case)
    laid = steps_of_entry(sequence, step, entry, golden_images(court.golden, step))
    masks = dict(_masks(laid, dumped, entry, sequence.word_bytes))
    plan = Plan(word_bytes=sequence.word_bytes, base=sequence.base)
    found = judge_memory(laid, dumped, masks, plan)
    said = "; ".join(
        f"{each.what} {each.says} ({each.wrong_words} words, first at address "
        f"{sequence.base + each.first_word:#x}: must be {each.expected}, not {each.got})"
        for each in found
    )
    return Verdict(
        case=sequence.id,
        tensor=step.id,
        file="after",
        outcome="wrong" if found else "exact",
        elements=sequence.memory_words,
        wrong=sum(each.wrong_words for each in found),
        note=f": {said}" if said else "",
    )


def _masks(
    laid: Step, dumped: bytes, entry: CaseEntry, word_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """Bits of each tensor that nobody may compare: pads, and NaNs of an output that both have."""
    tensors = {tensor.name: tensor for tensor in entry.tensors}
    for region in laid.regions:
        of, start = tensors[region.tensor].physical, region.start * word_bytes
        mask = mask_bytes(of) if padded(of) else b""
        if region.role == "output" and of.form.floating:
            place = slice(start, start + of.words * of.word_bytes)
            nans = nans_of(laid.after[place], dumped[place], of)
            both = zip(nans, mask.ljust(len(nans), b"\0"), strict=True)
            mask = bytes(left | right for left, right in both)
        yield region.tensor, mask


def shrink_case(court: Court, entries: list[CaseEntry]) -> tuple[Shrunk, CaseEntry, Case]:
    """The smallest sub-case of the first wrong case, that case's entry, and the case itself.

    Where the device must leave a stage that only the sub-case has, it is given the golden one.

    Raises
    ------
    UnusableError
        If nothing is wrong.
    """
    for entry in entries:
        report = judge_case(court, entry)
        bad = report.first_bad
        if bad is None and report.errors:
            raise UnusableError(report.errors[0])
        if bad is None:
            continue
        if bad.first is None:
            raise UnusableError(f"{bad.sentence}: there is no wrong value to look for")
        arrays = read_case(court.golden, entry)
        case = case_of(entry, arrays)
        read = read_device_files(court.device, entry, but=_undriven(report.verdicts))
        left = {name: next(iter(files.values())) for name, files in read.items()}
        if bad.unknown:
            path = court.device / entry.id / bad.file
            tensor = next(each for each in entry.tensors if each.name == bad.tensor)
            left[bad.tensor] = read_opposed(path, tensor, arrays[bad.tensor])
        else:
            left[bad.tensor] = read[bad.tensor][bad.file]
        known = not bad.unknown
        small = shrink(case, arrays, left, bad.tensor, bad.first.index, variants=known)
        if bad.unknown:
            small = small._replace(how=f"{small.how}; bits never driven are written inverted")
        if court.dut is not None and court.dut.observe.stages is not None:
            computed = stages(small.case)
            must = {name: computed[name] for name in computed if observable(court.dut, name)}
            small = small._replace(device=must | dict(small.device))
        return small, entry, case
    raise UnusableError(f"{court.device} must be wrong somewhere to be shrunk")


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
    tiles = tiles_of(court.manifest.device, blocks_of(tensor.layout.digits), tensor.name)
    return verdict_of(compared, tensor.physical, names, tiles=tiles, outside=limits.outside)


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
