"""What a set of vectors catches: mutants killed, survivors, and what would kill them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from refimpl import io
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
from refimpl.score.catalogue import MUTANTS
from refimpl.score.kill import Fate, Score, Subject
from refimpl.score.kill import score as run_score
from refimpl.score.models import operator_of
from refimpl.score.mutant import Half
from refimpl.score.select import known_operators
from refimpl.score.smallest import Suggestion, smallest_kill
from refimpl.score.target import Target

UNCOUNTED = ("declared", "excluded")
HALVES: dict[str, Half | None] = {"all": None, "design": "design", "held-out": "held-out"}


def score(
    golden: Annotated[
        Path,
        typer.Argument(
            metavar="SET",
            help="A set by `refimpl vectors`; ONNX test data; TOSA conformance cases.",
        ),
    ],
    operator: Operators = None,
    fail_under: FailUnder = 0.0,
    half: Annotated[
        str, typer.Option(help="Count only this half of the catalogue: design or held-out.")
    ] = "all",
    report: Annotated[Path | None, typer.Option("--json", help="Write every fate here.")] = None,
    suggest: Suggest = True,
    dut: Declared = None,
) -> None:
    """Inject hardware bugs into the model; print the share that a set catches, and what survives.

    Exit code 0, 1 below --fail-under, 2 for unusable input.

    For example:

      refimpl score out/designed

      refimpl score out/small --operator pssa.int8 --fail-under 0.9 --json score.json
    """
    with sentences():
        if half not in HALVES:
            raise ValueError(f"half must be one of {', '.join(HALVES)}, not {half!r}")
        must_be_share(fail_under)
        target = declared(dut, golden)
        left_out: dict[str, str] = {}
        count, subjects = io.read_subjects(golden)
        wanted = runnable(_counted(subjects, operator), target, left_out.__setitem__)
        with progress("scoring", count) as advance:
            result = run_score(wanted, operators=operator, target=target, progress=advance)
        left_out |= {
            f"mutant {fate.mutant.name}": fate.because
            for fate in result.fates
            if fate.outcome == "excluded"
        }
        counted = result.counted(HALVES[half])
        if not counted:
            why = "".join(f"; {each}" for each in dict.fromkeys(left_out.values()))
            raise io.UnusableError(f"{golden} must hold a case of an operator with mutants{why}")
        killed = [fate for fate in counted if fate.outcome == "killed"]
        survivors = [fate for fate in counted if fate.outcome == "survived"]
        suggestions = _suggest_kills(survivors, target) if suggest else {}
        if report is not None:
            io.write_text(
                report, json.dumps(_document(result, suggestions, left_out), indent=2) + "\n"
            )
    share = len(killed) / len(counted)
    _print_shares(golden, result)
    print_excluded(left_out)
    _print_survivors(survivors, suggestions, suggest)
    typer.echo(f"{len(killed)} of {len(counted)} mutants killed: {share:.1%}")
    if share < fail_under:
        typer.echo(f"below {fail_under:.1%}")
        raise typer.Exit(WRONG)


def mutants(
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the catalogue here, with every argument.")
    ] = None,
    operator: Operators = None,
) -> None:
    """List the catalogue of hardware bugs: what each is, which half it is in, equivalents and why.

    For example:

      refimpl mutants --operator conv2d.int8
    """
    with sentences():
        chosen = known_operators(operator)
        rows = [each for each in MUTANTS if each.operator in chosen]
        if report is not None:
            document = [
                {
                    "id": each.id,
                    "operator": each.operator,
                    "family": each.family,
                    "half": each.half,
                    "what": each.what,
                    "site": each.site,
                    "change": each.change,
                    "arguments": dict(each.arguments),
                    "unless": dict(each.unless),
                    "equivalent": each.equivalent,
                }
                for each in rows
            ]
            io.write_text(report, json.dumps({"mutants": document}, indent=2) + "\n")
    for bug in dict.fromkeys(each.id for each in rows):
        same = [each for each in rows if each.id == bug]
        first = same[0]
        typer.echo(f"{bug} ({first.family}, {first.half}): {first.what}")
        typer.echo(f"  in {', '.join(each.operator for each in same)}")
        if first.equivalent:
            typer.echo(f"  equivalent, not counted: {first.equivalent}")
    typer.echo(f"{len({each.id for each in rows})} bugs, {len(rows)} mutants")


def _counted(subjects: Iterator[Subject], operators: Sequence[str] | None) -> Iterator[Subject]:
    wanted = set(known_operators(operators))
    return (each for each in subjects if operator_of(each.case) in wanted)


def _suggest_kills(survivors: Sequence[Fate], target: Target) -> dict[str, Suggestion]:
    with progress("looking for cases for", len(survivors)) as advance:
        found = {}
        for fate in survivors:
            suggestion = smallest_kill(fate.mutant, target=target)
            if suggestion is not None:
                found[fate.mutant.name] = suggestion
            advance(fate.mutant.name)
    return found


def _print_shares(golden: Path, result: Score) -> None:
    table = Table(
        title=f"{golden.name}: {result.cases} cases, {result.outputs:,} outputs", box=SIMPLE
    )
    for name in ("operator", "design", "held out", "both", "equivalent", *UNCOUNTED):
        table.add_column(name, justify="left" if name == "operator" else "right")
    for operator in dict.fromkeys(fate.mutant.operator for fate in result.fates):
        own = tuple(fate for fate in result.fates if fate.mutant.operator == operator)
        part = Score(fates=own, cases=0, outputs=0)
        table.add_row(
            operator,
            *(
                f"{part.killed(half)}/{len(part.counted(half))}"
                for half in ("design", "held-out", None)
            ),
            *(
                str(sum(fate.outcome == name for fate in own))
                for name in ("equivalent", *UNCOUNTED)
            ),
        )
    Console(width=WIDTH).print(table)


def _print_survivors(
    survivors: Sequence[Fate], suggestions: dict[str, Suggestion], suggest: bool
) -> None:
    for fate in survivors:
        mutant = fate.mutant
        typer.echo(f"survives: {mutant.name} ({mutant.family}, {mutant.half}): {mutant.what}")
        if suggest:
            typer.echo(f"  would be killed by: {said(suggestions.get(mutant.name))}")


def _document(
    result: Score, suggestions: dict[str, Suggestion], left_out: dict[str, str]
) -> dict[str, Any]:
    return {
        "excluded": [{"what": what, "reason": reason} for what, reason in left_out.items()],
        "cases": result.cases,
        "outputs": result.outputs,
        "killed": result.killed(),
        "counted": len(result.counted()),
        "share": result.share(),
        "held_out": {
            "killed": result.killed("held-out"),
            "counted": len(result.counted("held-out")),
            "share": result.share("held-out"),
        },
        "mutants": [
            {
                "id": fate.mutant.id,
                "operator": fate.mutant.operator,
                "family": fate.mutant.family,
                "half": fate.mutant.half,
                "what": fate.mutant.what,
                "outcome": fate.outcome,
                "killed_by": fate.by,
                "would_be_killed_by": said(suggestions.get(fate.mutant.name))
                if fate.outcome == "survived"
                else None,
            }
            for fate in result.fates
        ],
    }
