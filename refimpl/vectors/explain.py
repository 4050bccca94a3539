"""Why a case failed: each stage by itself, other readings of the file, known variants, the cone.

Works on whole arrays, and only on cases that failed; a case too large for that keeps its verdicts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from numba.core.errors import NumbaError

from refimpl.arrays import Array
from refimpl.vectors.case import Case
from refimpl.vectors.check import Verdict, judge
from refimpl.vectors.cone import cone
from refimpl.vectors.diagnose import MOST_PRODUCTS, Suspect, diagnose, products
from refimpl.vectors.files.readmem import Dump
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.manifest import CaseEntry, Tensor
from refimpl.vectors.physical import Physical
from refimpl.vectors.recognise import MOST_ELEMENTS, recognise
from refimpl.vectors.report import CaseReport

STRANGE = (
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    AttributeError,
    ZeroDivisionError,
    MemoryError,
    NumbaError,
)
"""What computing raises where attributes or tensors are not those of the operator."""
Suspects: TypeAlias = Callable[[Case], Iterable[Suspect]]


def no_suspects(_: Case) -> Iterable[Suspect]:
    """Known variants only."""
    return ()


def no_words(_: Verdict) -> Dump | None:
    """No file has words of its own."""
    return None


class Evidence(NamedTuple):
    """What explains a case: golden arrays and the device's by stage, other cases' outputs.

    ``device`` has of each stage what the device went on with: its first file. ``files`` has every
    file of a stage by its name, where there may be several; not those that have unknown bits.
    ``words`` gives the memory words of a verdict's file, as the device left them, if it has any.
    """

    golden: Mapping[str, Array]
    device: Mapping[str, Array]
    others: Mapping[str, Array]
    files: Mapping[str, Mapping[str, Array]] = {}
    words: Callable[[Verdict], Dump | None] = no_words

    def seen_by(self, verdict: Verdict) -> Mapping[str, Array]:
        """The device's arrays by stage; that of the verdict's stage is of the verdict's file."""
        own = self.files.get(verdict.tensor, {}).get(verdict.file)
        return self.device if own is None else {**self.device, verdict.tensor: own}


def case_of(entry: CaseEntry, arrays: Mapping[str, Array]) -> Case:
    """The case that an entry of a manifest describes; ``arrays`` hold its inputs by name."""
    inputs = {
        tensor.name: arrays[tensor.name] for tensor in entry.tensors if tensor.role == "input"
    }
    return Case(
        id=entry.id,
        operator=entry.operator,
        arithmetic=entry.arithmetic["name"],
        attributes=entry.attributes,
        tensors=inputs,
        stimulus=entry.stimulus,
        formats={tensor.name: tensor.format for tensor in entry.tensors},
    )


@contextmanager
def computable(case: str) -> Iterator[None]:
    """Say of what is computed inside that its case is none of its operator, where it is none.

    Raises
    ------
    ValueError
        If attributes or tensors do not describe a case that can be computed.
    """
    try:
        yield
    except STRANGE as error:
        raise ValueError(
            f"case {case} must have the attributes and tensors of its operator "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        ) from error


def explain(
    entry: CaseEntry, verdicts: list[Verdict], evidence: Evidence, suspects: Suspects = no_suspects
) -> CaseReport:
    """The report on a case with its explanation; ``suspects`` are tried beside known variants.

    Raises
    ------
    ValueError
        If the manifest's attributes do not describe a case that can be computed.
    """
    with computable(entry.id):
        return _explained(entry, verdicts, evidence, suspects)


def _explained(
    entry: CaseEntry, verdicts: list[Verdict], evidence: Evidence, suspects: Suspects
) -> CaseReport:
    case = case_of(entry, evidence.golden)
    tensors = {tensor.name: tensor for tensor in entry.tensors}
    if products(case) > MOST_PRODUCTS:
        note = f"more than {MOST_PRODUCTS:,} products: too large to be computed again and explained"
        return CaseReport(case=entry.id, verdicts=tuple(verdicts), notes=(note,))
    told = [_told(verdict, tensors[verdict.tensor], case, evidence) for verdict in verdicts]
    report = CaseReport(case=entry.id, verdicts=tuple(told))
    bad = report.first_bad
    if bad is None:
        return report
    shown, device = None, evidence.seen_by(bad)
    if bad.first is not None:
        shown = cone(case, evidence.golden, bad.tensor, bad.first.index, device)
    findings = diagnose(case, evidence.golden, device, suspects=suspects(case))
    return replace(report, findings=tuple(findings[:5]), cone=shown, notes=_notes(report))


def _told(verdict: Verdict, tensor: Tensor, case: Case, evidence: Evidence) -> Verdict:
    """The verdict with its local one, and with other readings of the file."""
    if not verdict.passed:
        verdict = replace(verdict, hints=_hints(verdict, tensor.physical, evidence))
    if verdict.tensor not in evidence.device or verdict.unknown:
        return verdict
    own = evidence.seen_by(verdict)[verdict.tensor]
    local = None
    if verdict.tensor in steps_of(case):
        again = recompute(verdict.tensor, evidence.device, case)
        names, of = (verdict.case, verdict.tensor, verdict.file), tensor.physical
        golden = evidence.golden[verdict.tensor]
        as_golden = judge(golden, again.array, of=of, names=names).outcome == "exact"
        bounded = verdict.first is not None and verdict.first.bound is not None
        as_passed_on = bounded and set(again.given) <= set(case.tensors)
        # The verdict was on what must be there, given these: it knows of bounds.
        known = as_golden or as_passed_on
        judged = verdict if known else judge(again.array, own, of=of, names=names)
        local = _local(judged, again.given, within=verdict.outcome == "within bound")
    return replace(verdict, local=local)


def _hints(verdict: Verdict, of: Physical, evidence: Evidence) -> tuple[str, ...]:
    """Other readings of the verdict's file: of its words, where it has some, driven or not."""
    golden = evidence.golden[verdict.tensor]
    if golden.size > MOST_ELEMENTS:
        return ()
    words = evidence.words(verdict)
    left = evidence.seen_by(verdict).get(verdict.tensor) if words is None else words
    return () if left is None else recognise(golden, left, of, evidence.others)


def _local(judged: Verdict, own: tuple[str, ...], *, within: bool) -> str:
    """Verdict on one stage given the device's own stages before it; of one that stands ``within``.

    Other bits do not condemn a stage that is within its bound: the device sums in its own order.
    """
    given = f"given the device's own {', '.join(own)}" if own else "given the golden inputs"
    if within:
        return f"within bound, {given}"
    if judged.passed:
        return f"right, {given}"
    first = judged.first
    where = "" if first is None else f", first at {list(first.index)}"
    return f"wrong, {given}: {judged.wrong} of {judged.elements}{where}"


def _notes(report: CaseReport) -> tuple[str, ...]:
    """Which stages err by themselves, where that can be told."""
    erring = [
        verdict.tensor
        for verdict in report.verdicts
        if verdict.local is not None and verdict.local.startswith("wrong")
    ]
    return (f"stages that err by themselves: {', '.join(erring)}",) if erring else ()
