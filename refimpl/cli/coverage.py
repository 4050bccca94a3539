"""What a set of vectors reaches: coverage points, in the model and in a simulator."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from refimpl import io
from refimpl.cli.options import given
from refimpl.cli.terminal import WRONG, progress, sentences
from refimpl.cli.worth import (
    WIDTH,
    Declared,
    FailUnder,
    Operators,
    Suggest,
    declared,
    must_be_share,
    print_excluded,
    runnable,
    said,
)
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.covergroup import covergroups, imported, read_hits
from refimpl.score.kill import Subject
from refimpl.score.measure import Hit
from refimpl.score.measure import coverage as run_coverage
from refimpl.score.models import operator_of
from refimpl.score.select import known_operators
from refimpl.score.smallest import Suggestion, smallest_hit
from refimpl.score.target import Target
from refimpl.vectors.case import Case


def coverage(
    context: typer.Context,
    golden: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SET]",
            help="A set by `refimpl vectors`; ONNX test data; TOSA conformance cases.",
        ),
    ] = None,
    operator: Operators = None,
    fail_under: FailUnder = 0.0,
    report: Annotated[Path | None, typer.Option("--json", help="Write every point here.")] = None,
    suggest: Suggest = True,
    covergroup: Annotated[
        Path | None, typer.Option(help="Write the points as SystemVerilog covergroups here.")
    ] = None,
    hits: Annotated[
        Path | None, typer.Option(help="Instead of a set: hit counts that a simulator printed.")
    ] = None,
    dut: Declared = None,
) -> None:
    """Count the corners that a set reaches; print those it does not, and what would.

    Exit code 0, 1 below --fail-under, 2 for unusable input.

    For example:

      refimpl coverage out/designed

      refimpl coverage --covergroup coverage.sv --operator conv2d.int8

      refimpl coverage --hits simulation.log
    """
    with sentences():
        must_be_share(fail_under)
        _must_be_measured(golden, hits, given(context))
        if covergroup is not None:
            io.write_text(covergroup, covergroups(known_operators(operator)))
        if golden is None and hits is None:
            return
        target = declared(dut, golden)
        left_out: dict[str, str] = {}
        found = _hits(golden, hits, target, left_out)
        rows = [row for row in found if not operator or row.operator in operator]
        left_out |= {f"point {row.name}": row.because for row in rows if row.because}
        counted = [row for row in rows if row.applies]
        if not counted:
            raise io.UnusableError("coverage must be given a case of an operator with points")
        missed = [row for row in counted if not row.hits]
        suggestions = {
            row.name: case
            for row in (missed if suggest else [])
            if (case := smallest_hit(row.operator, row.point, target=target)) is not None
        }
        if report is not None:
            io.write_text(report, json.dumps(_points(rows, suggestions), indent=2) + "\n")
    _print_points(rows)
    print_excluded(left_out)
    for row in missed:
        typer.echo(f"not covered: {row.name}: {row.point.what}")
        if suggest:
            typer.echo(f"  would be by: {said(suggestions.get(row.name))}")
    share = 1 - len(missed) / len(counted)
    typer.echo(f"{len(counted) - len(missed)} of {len(counted)} points covered: {share:.1%}")
    if share < fail_under:
        typer.echo(f"below {fail_under:.1%}")
        raise typer.Exit(WRONG)


def _must_be_measured(golden: Path | None, hits: Path | None, options: Mapping[str, str]) -> None:
    """A set or hit counts; or only covergroups, and no option that they do not read."""
    if golden is not None and hits is not None:
        raise ValueError("coverage must be given a set or --hits, not both")
    if golden is not None or hits is not None:
        return
    if "covergroup" not in options:
        raise ValueError("coverage must be given a set, --hits or --covergroup")
    for name, spelt in options.items():
        if name not in ("covergroup", "operator"):
            raise ValueError(f"{spelt} must come with a set or --hits: --covergroup alone has none")


def _hits(
    golden: Path | None, hits: Path | None, target: Target, left_out: dict[str, str]
) -> list[Hit]:
    if hits is not None:
        return imported(read_hits(io.read_log(hits)))
    assert golden is not None  # noqa: S101 - one of the two is there
    count, subjects = io.read_subjects(golden)
    wanted = runnable(subjects, target, left_out.__setitem__)
    with progress("measuring", count) as advance:
        return run_coverage(_cases(wanted, advance), target)


def _cases(subjects: Iterator[Subject], advance: Any) -> Iterator[Case]:
    for subject in subjects:
        if operator_of(subject.case) in CATALOGUE:
            yield subject.case
        advance(subject.case.id)


def _print_points(rows: Sequence[Hit]) -> None:
    table = Table(box=SIMPLE)
    for name in ("operator", "covered", "points", "do not apply"):
        table.add_column(name, justify="left" if name == "operator" else "right")
    for operator in dict.fromkeys(row.operator for row in rows):
        own = [row for row in rows if row.operator == operator]
        table.add_row(
            operator,
            str(sum(row.hits > 0 for row in own)),
            str(sum(row.applies for row in own)),
            str(sum(not row.applies for row in own)),
        )
    Console(width=WIDTH).print(table)


def _points(rows: Sequence[Hit], suggestions: dict[str, Suggestion]) -> dict[str, Any]:
    return {
        "points": [
            {
                "id": row.name,
                "what": row.point.what,
                "sample": row.point.sample,
                "when": row.point.when,
                "applies": row.applies,
                "hits": row.hits,
                "first": row.first,
                "would_be_hit_by": said(suggestions.get(row.name))
                if row.applies and not row.hits
                else None,
            }
            for row in rows
        ]
    }
