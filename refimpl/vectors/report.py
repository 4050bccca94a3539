"""Verdicts as text, as JSON and as JUnit XML: for a person, a script, a build server. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from refimpl.vectors.check import Verdict
from refimpl.vectors.cone import Cone
from refimpl.vectors.diagnose import Finding

MOST_TAPS = 24  # ours: lines of one element's cone in text; JSON has them all
MOST_ELEMENTS = 12  # ours: elements of which text says what they are computed of


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """Every verdict on one case, in the order of computation, and what explains them.

    ``errors`` say of which input there is no verdict, because it could not be used.
    """

    case: str
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...] = ()
    cone: Cone | None = None
    notes: tuple[str, ...] = field(default=())
    errors: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        """How many files do not stand."""
        return sum(not verdict.passed for verdict in self.verdicts)

    @property
    def first_bad(self) -> Verdict | None:
        """The earliest stage that is wrong."""
        return next((verdict for verdict in self.verdicts if not verdict.passed), None)


def lines(report: CaseReport) -> Iterator[str]:
    """Text of a case: a line per file, then where and why."""
    bad = report.first_bad
    for verdict in report.verdicts:
        yield ("ok    " if verdict.passed else "WRONG ") + verdict.sentence
        if verdict.local is not None and not verdict.passed:
            yield f"      by itself: {verdict.local}"
        if verdict is not bad:
            yield from (f"      the file: {hint}" for hint in verdict.hints)
    yield from (f"ERROR {report.case}: {error}" for error in report.errors)
    if bad is not None:
        yield from (f"      {line}" for line in _where(bad))
        yield from (f"      diagnosis: {finding.sentence}" for finding in report.findings)
        yield from (f"      {line}" for line in (*report.notes, *_cone_lines(report.cone)))


def _where(bad: Verdict) -> Iterator[str]:
    yield f"first bad stage: {bad.tensor}"
    if bad.pattern:
        yield f"pattern: {bad.pattern}"
    if bad.bits:
        yield f"bits: {bad.bits}"
    yield from (f"the file: {hint}" for hint in bad.hints)
    yield from (f"  {row}" for row in bad.map_text.splitlines())


def _cone_lines(cone: Cone | None) -> list[str]:
    """Each element's lines, not more than are read."""
    found = []
    every = () if cone is None else (cone, *cone.before)
    for each in every[:MOST_ELEMENTS]:
        rows = each.text.splitlines()
        left = len(rows) - MOST_TAPS - 2
        found += rows if left <= 0 else [*rows[:-left], f"  … and {left} more: --json has them all"]
    left = len(every) - MOST_ELEMENTS
    return found if left <= 0 else [*found, f"… and {left} elements more: --json has them all"]


def to_json(reports: Sequence[CaseReport]) -> str:
    """Everything, as JSON."""
    return json.dumps({"cases": [_case(each) for each in reports]}, indent=2) + "\n"


def to_junit(reports: Sequence[CaseReport], name: str) -> str:
    """A test suite per case, a test per file, as build servers read it."""
    root = ET.Element("testsuites", name=name)
    for report in reports:
        suite = ET.SubElement(
            root,
            "testsuite",
            name=report.case,
            tests=str(len(report.verdicts) + len(report.errors)),
            failures=str(report.wrong),
            errors=str(len(report.errors)),
        )
        for verdict in report.verdicts:
            test = ET.SubElement(
                suite,
                "testcase",
                classname=report.case,
                name=f"{verdict.tensor} ({verdict.file})",
            )
            if not verdict.passed:
                failure = ET.SubElement(
                    test, "failure", type=verdict.outcome, message=verdict.sentence
                )
                failure.text = "\n".join(lines(report))
        for number, error in enumerate(report.errors):
            test = ET.SubElement(
                suite, "testcase", classname=report.case, name=f"unusable input {number}"
            )
            ET.SubElement(test, "error", type="unusable input", message=error)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(report: CaseReport) -> dict[str, Any]:
    bad = report.first_bad
    return {
        "case": report.case,
        "passed": report.wrong == 0 and not report.errors,
        "errors": list(report.errors),
        "first_bad_stage": None if bad is None else bad.tensor,
        "verdicts": [_verdict(each) for each in report.verdicts],
        "diagnosis": [
            {
                "variant": finding.name,
                "says": finding.says,
                "explained": finding.explained,
                "reproduces": finding.reproduces,
            }
            for finding in report.findings
        ],
        "notes": list(report.notes),
        "cone": None if report.cone is None else _cone(report.cone),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    first = verdict.first
    maps = verdict.maps
    return {
        "tensor": verdict.tensor,
        "file": verdict.file,
        "outcome": verdict.outcome,
        "passed": verdict.passed,
        "elements": verdict.elements,
        "wrong": verdict.wrong,
        "unknown": verdict.unknown,
        "unwritten": verdict.unwritten,
        "first": None
        if first is None
        else {
            "index": list(first.index),
            "word": first.word,
            "lane": first.lane,
            "expected": first.expected,
            "expected_hex": first.expected_hex,
            "got": first.got,
            "got_hex": first.got_hex,
            "ulps": first.ulps,
            "bound": first.bound,
        },
        "pattern": verdict.pattern,
        "bits": verdict.bits,
        "maps": None
        if maps is None
        else {
            "axes": {letter: counts.tolist() for letter, counts in maps.axes.items()},
            "pixels": None if maps.pixels is None else maps.pixels.tolist(),
            "lanes": maps.lanes.tolist(),
        },
        "note": verdict.note,
        "local": verdict.local,
        "hints": list(verdict.hints),
    }


def _cone(cone: Cone) -> dict[str, Any]:
    return {
        "stage": cone.stage,
        "index": list(cone.at),
        "factors": list(cone.factors),
        "operands": [
            {"name": each.name, "at": list(each.at), "golden": each.golden, "device": each.device}
            for each in cone.operands
        ],
        "taps": [
            {
                "k": tap.number,
                "weight_at": list(tap.weight_at),
                "at": None if tap.at is None else list(tap.at),
                "x": tap.x,
                "weight": tap.weight,
                "product": tap.product,
                "partial": tap.partial,
                "tile": tap.tile,
            }
            for tap in cone.taps
        ],
        "before": [_cone(each) for each in cone.before],
    }
