"""Decide what is claimed of X-volution. The only module in ``proofs`` that prints and exits."""

import json
import sys
from collections.abc import Sequence
from os import cpu_count
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table

from proofs.accuracy.study import planned, train
from proofs.approximation.figure import approximation_figure
from proofs.approximation.page import approximation_page
from proofs.approximation.populations import POPULATIONS
from proofs.approximation.study import SEEDS, Row, measure
from proofs.catalogue import CLAIMS, find, select
from proofs.claim import Claim
from proofs.domain import written
from proofs.io import append_accuracies, read_accuracies, read_results, write_results
from proofs.junit import junit_xml
from proofs.machines import tables
from proofs.pool import check_each
from proofs.render import claims_page, origin
from proofs.verdict import Verdict, check

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Check what is claimed of X-volution: sentence, hypotheses, verdict, evidence.",
)
WIDTH = 170  # columns of a table where the output is no terminal
COLOURS = {"holds": "green", "refuted": "green", "SURPRISE": "bold red"}

Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATTERN]...",
        help="Claim ids, with * and ? if wanted, or article ids such as A4 or A4.1; all if none.",
        show_default=False,
    ),
]

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", help="Processes to check in; as many as there are cores if left out."
    ),
]
CORES = cpu_count() or 1

CHECK_EXAMPLES = """\b
Examples:
  proofs check
  proofs check A4 '*cycles*'
  proofs check training-form-equals-the-fused-feature-form --json verdicts.json
  proofs check --jobs 2 --junit verdicts.xml
\b
Exit code: 0 if every claim came out as its status says, 1 if one did not, 2 for a mistake.
"""
SHOW_EXAMPLES = """\b
Example:
  proofs show x-volution-is-a-convolution-of-its-input
"""
RENDER_EXAMPLES = """\b
Example:
  proofs render docs/claims.md
"""
DEVICE_EXAMPLES = """\b
Example:
  proofs device docs/rtl-bugs.md --set out/designed
"""
RTL_BUILDS = Path("out/rtl")


MEASURE_EXAMPLES = """\b
Examples:
  proofs measure docs
  proofs measure out --results out/results.json
"""

ACCURACY_EXAMPLES = """\b
Example:
  proofs accuracy out/accuracies.jsonl
"""


@app.command("list")
def list_claims(patterns: Patterns = None) -> None:
    """List claims with their status and where the article says them."""
    table = Table(Column("id", no_wrap=True), "article", "status", "claim")
    for each in select(patterns or ()):
        table.add_row(each.id, origin(each), each.status, escape(each.statement))
    _console().print(table)


@app.command("check", epilog=CHECK_EXAMPLES)
def check_claims(
    patterns: Patterns = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every verdict to this file.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", help="Write the verdicts as JUnit XML, too.")
    ] = None,
    jobs: Jobs = CORES,
) -> None:
    """Decide claims again, and exit 1 if one does not come out as its status says."""
    chosen = select(patterns or ())
    _check_directory(json_file)
    _check_directory(junit_file)
    start = perf_counter()
    verdicts = _decide(chosen, jobs)
    _print_verdicts(verdicts, perf_counter() - start)
    if json_file is not None:
        rows = [verdict.row() for verdict in verdicts]
        text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
        json_file.write_text(text, encoding="utf-8")
    if junit_file is not None:
        junit_file.write_text(junit_xml(verdicts), encoding="utf-8")
    if not all(verdict.as_expected for verdict in verdicts):
        raise typer.Exit(code=1)


@app.command("show", epilog=SHOW_EXAMPLES)
def show_claim(id_: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one claim: where it is said, its hypotheses, verdict, evidence, counterexample."""
    verdict = check(find(id_))
    for name, text in _details(verdict):
        typer.secho(f"{name}: ", bold=True, nl=False)
        typer.echo(text)
    if not verdict.as_expected:
        raise typer.Exit(code=1)


@app.command("render", epilog=RENDER_EXAMPLES)
def render_page(
    file: Annotated[Path | None, typer.Argument(help="Standard output if left out.")] = None,
    jobs: Jobs = CORES,
) -> None:
    """Write all claims and verdicts as a page of Markdown."""
    _check_directory(file)
    page = claims_page(_decide(tuple(CLAIMS.values()), jobs), tables())
    if file is None:
        typer.echo(page, nl=False)
    else:
        file.write_text(page, encoding="utf-8")


@app.command("device", epilog=DEVICE_EXAMPLES)
def device_page(
    file: Annotated[Path | None, typer.Argument(help="Standard output if left out.")] = None,
    sets: Annotated[
        list[Path] | None, typer.Option("--set", help="Another set to run, after our six cases.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Where builds of the RTL are kept.")] = RTL_BUILDS,
) -> None:
    """Run the bugs of the SystemVerilog device beside the model's; write the table in Markdown."""
    # The simulator and the catalogue of bugs are for this command only.
    from proofs.device.page import page  # noqa: PLC0415
    from proofs.device.run import run_sets  # noqa: PLC0415

    _check_directory(file)
    text = page(run_sets(sets or (), work=work, progress=_said))
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")


@app.command("measure", epilog=MEASURE_EXAMPLES)
def measure_approximation(
    directory: Annotated[Path, typer.Argument(help="Where page and picture go.")],
    results: Annotated[
        Path | None,
        typer.Option(help="Measure again and write here; else the committed results are read."),
    ] = None,
) -> None:
    """Write the page on how well local operators predict global attention; or measure it again.

    Measuring takes minutes, and needs the demo extra for its photographs.
    """
    _check_directory(directory / "approximation.md")
    _check_directory(results)
    rows = read_results() if results is None else _measure_again(results)
    page, picture = approximation_page(rows), approximation_figure(rows)
    (directory / "approximation.md").write_text(page, encoding="utf-8")
    (directory / "approximation.svg").write_bytes(picture)


def _measure_again(path: Path) -> tuple[Row, ...]:
    """Measure every population, saying on standard error which seed is next."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(POPULATIONS) * len(SEEDS))
        rows = measure(progress=lambda said: bar.update(task, advance=1, description=said))
    write_results(path, rows)
    return rows


@app.command("accuracy", epilog=ACCURACY_EXAMPLES)
def measure_accuracy(
    file: Annotated[Path, typer.Argument(help="Epochs, one a line; what it has is not run again.")],
) -> None:
    """Train the networks that the claims about accuracy compare; about an hour of one core.

    Needs the demo extra for its photographs. Says which network is done, not how well it does.
    """
    _check_directory(file)
    done = {(row.operator, row.seed) for row in read_accuracies(file)}
    for operator, seed in planned():
        if (operator, seed) not in done:
            append_accuracies(file, tuple(train(operator, seed)))
            _said(f"{operator}, seed {seed}")


def main() -> None:
    """Run the command line: one sentence on standard error and status 2 for a mistake."""
    try:
        app(sys.argv[1:] or ["--help"], prog_name="proofs")
    except ValueError as error:
        typer.echo(f"proofs: {error}", err=True)
        sys.exit(2)


def _decide(claims: Sequence[Claim], jobs: int) -> tuple[Verdict, ...]:
    """Check claims, saying on standard error (if that is a terminal) how many are decided."""
    columns = (
        BarColumn(),
        TextColumn("{task.completed} of {task.total} decided, the last"),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("none yet", total=len(claims))
        return check_each(
            claims, lambda each: bar.update(task, advance=1, description=each.id), jobs=jobs
        )


def _print_verdicts(verdicts: Sequence[Verdict], seconds: float) -> None:
    table = Table(Column("id", no_wrap=True), "article", "status", "verdict", "evidence")
    table.add_column("cases", justify="right")
    table.add_column("s", justify="right")
    for verdict in verdicts:
        claim, outcome = verdict.claim, verdict.outcome
        table.add_row(
            claim.id,
            origin(claim),
            claim.status,
            f"[{COLOURS[outcome]}]{outcome}[/]",
            "\n".join(kind for kind, _ in verdict.evidence),
            "\n".join(str(cases) for _, cases in verdict.evidence),
            f"{verdict.seconds:.2f}",
        )
    console = _console()
    console.print(table)
    for verdict in verdicts:
        if verdict.surprise is not None:
            console.print(f"SURPRISE {verdict.claim.id}: {verdict.surprise}", markup=False)
        elif verdict.counterexample is not None:
            shown = verdict.explanation or written(verdict.counterexample)
            console.print(f"counterexample to {verdict.claim.id}: {shown}", markup=False)
    surprises = sum(not verdict.as_expected for verdict in verdicts)
    console.print(
        f"{len(verdicts)} checked, {surprises} surprises, "
        f"{sum(verdict.seconds for verdict in verdicts):.1f} s of work in {seconds:.1f} s"
    )


def _details(verdict: Verdict) -> list[tuple[str, str]]:
    claim = verdict.claim
    details = [("claim", f"{claim.statement} {claim.detail}".strip()), ("origin", origin(claim))]
    if claim.source.in_article:
        details += [("article", claim.source.text), ("translation", claim.source.translation)]
    details += [("status", claim.status), ("verdict", f"{verdict.outcome}, {verdict.cases} cases")]
    details += [("evidence", f"{kind}, {cases} cases") for kind, cases in verdict.evidence]
    details += [("note", rung.note) for rung in claim.rungs if rung.note]
    details += [("why", claim.why)]
    if claim.proof:
        details.append(("proof", claim.proof))
    if claim.rule:
        details.append(("decided by", claim.rule))
    if claim.measured is not None:
        details.append(("measured", claim.measured()))
    for hypothesis, dropped in zip(claim.hypotheses, verdict.dropped, strict=True):
        failure = dropped.counterexample
        at = "nothing" if failure is None else written(failure)
        details.append(("hypothesis", f"{hypothesis.text}; without it, fails at {at}"))
    if claim.order:
        details.append(("searched", claim.order))
    if verdict.counterexample is not None:
        details.append(("counterexample", written(verdict.counterexample)))
    if verdict.explanation is not None:
        details.append(("explained", verdict.explanation))
    if verdict.surprise is not None:
        details.append(("SURPRISE", verdict.surprise))
    return [*details, ("again", f"proofs check {claim.id}")]


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _said(what: str) -> None:
    typer.echo(what, err=True)


def _check_directory(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"directory of {path} must exist before the file is written")
