"""Run mutants of operators, claims, or golden vectors, in a random order until time is up.

    python -m benchmarks.mutation --out out/mutation.json --minutes 30
    python -m benchmarks.mutation --what claims --out out/mutation-claims.json
    python -m benchmarks.mutation --what vectors --out out/mutation-vectors.json --seconds 300

Finished mutants are on disk at once; run again, and only the others are tried. The order is
shuffled by a fixed seed, so what is done when time is up is a fair sample.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.mutation.mutants import Mutant, mutants
from benchmarks.mutation.trial import SECONDS, attempt, preload

ROOT = Path(__file__).parents[2]
EVERY_OPERATOR = (
    "tests/refimpl/test_defaults.py",
    "tests/refimpl/test_operators.py",
    "tests/refimpl/test_exactness.py",
)
EVERY_CLAIM = ("tests/proofs/test_catalogue.py", "tests/proofs/test_render.py")
VECTORS = ("refimpl/vectors", "refimpl/vectors/files", "refimpl/io")
EVERY_VECTOR = (
    "tests/refimpl/vectors/test_write.py",
    "tests/refimpl/vectors/test_check.py",
    "tests/refimpl/vectors/test_streams.py",
    "tests/refimpl/cli/test_sets.py",
    "tests/refimpl/cli/test_sequences.py",
    "tests/refimpl/cli/test_undriven.py",
    "tests/refimpl/cli/test_unusable.py",
    "tests/refimpl/cli/test_refusals.py",
    "tests/refimpl/test_cli.py",
    "tests/refimpl/test_io.py",
    "tests/refimpl/vectors/test_again.py",
    "tests/refimpl/vectors/test_local.py",
    "tests/refimpl/vectors/test_released.py",
    "tests/refimpl/vectors/test_dut.py",
)


class Target(NamedTuple):
    """A module to make mistakes in, and the tests that should see them, quickest first."""

    name: str
    path: Path
    tests: tuple[str, ...]


def targets(what: str) -> Iterator[Target]:
    """The modules that are mutated.

    Raises
    ------
    ValueError
        If ``what`` is none of the three.
    """
    if what not in {"operators", "claims", "vectors"}:
        raise ValueError(f"what must be operators, claims or vectors, not {what!r}")
    if what == "vectors":
        yield from _of_vectors()
        return
    folder = ROOT / ("refimpl/ops" if what == "operators" else "proofs/claims")
    for path in sorted(folder.glob("[a-z]*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tests = (*EVERY_CLAIM, "-k", name)  # the module's claims: verdicts, breaks, sections
        if what == "operators":
            own = sorted((ROOT / "tests/refimpl/ops").glob(f"test_{path.stem}*.py"))
            files = (*(str(each.relative_to(ROOT)) for each in own), *EVERY_OPERATOR)
            tests = (*files, "-k", path.stem)  # its own tests, and its rows of the tables
        yield Target(name, path, tests)


def _of_vectors() -> Iterator[Target]:
    """Modules of golden vectors: their own tests, those that import them, those of whole sets."""
    for folder in VECTORS:
        for path in sorted((ROOT / folder).glob("[a-z]*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tests = sorted((ROOT / "tests/refimpl").rglob(f"test_{path.stem}*.py"))
            tests += [
                each
                for each in sorted((ROOT / "tests/refimpl").rglob("test_*.py"))
                if f"from {name} import" in each.read_text(encoding="utf-8")
            ]
            files = (str(each.relative_to(ROOT)) for each in tests)
            yield Target(name, path, tuple(dict.fromkeys((*files, *EVERY_VECTOR))))


def main(
    out: Annotated[Path, typer.Option(help="Results, one line a mutant; continued if there.")],
    what: Annotated[str, typer.Option(help="operators, claims or vectors")] = "operators",
    minutes: Annotated[float, typer.Option(help="Stop after so long.")] = 30.0,
    seconds: Annotated[
        float, typer.Option(help="A mutant that works longer does not end: killed by timeout.")
    ] = SECONDS,
    only: Annotated[str, typer.Option(help="Only modules whose name holds this.")] = "",
) -> None:
    """Try mutants and write what became of them."""
    todo = [
        (target, mutant)
        for target in targets(what)
        if only in target.name
        for mutant in mutants(target.path.read_text(encoding="utf-8"))
    ]
    random.Random(0).shuffle(todo)  # noqa: S311 - an order, no secret
    done, controlled = _known(out), set[str]()
    preload()
    console, end = Console(), time.monotonic() + 60 * minutes
    out.parent.mkdir(parents=True, exist_ok=True)
    with Progress(console=console) as bar, out.open("a", encoding="utf-8") as file:
        task = bar.add_task("mutants", total=len(todo))
        for target, mutant in todo:
            bar.update(task, advance=1, description=target.name)
            if (target.name, mutant.number) in done:
                continue
            if time.monotonic() > end:
                break
            _check_control(target, controlled, seconds)
            outcome = attempt(
                target.name, target.path, mutant.source, target.tests, seconds=seconds
            )
            file.write(json.dumps(_row(target, mutant) | outcome._asdict(), ensure_ascii=False))
            file.write("\n")
            file.flush()
    _summary(console, out, len(todo))


def _check_control(target: Target, controlled: set[str], seconds: float) -> None:
    """Refuse to go on where the tests fail without a mistake: then everything would be killed.

    Tests that passed before are not run again; those that are chosen by ``-k`` go together.
    """
    chosen = [" ".join(target.tests)] if "-k" in target.tests else list(target.tests)
    tests = target.tests if "-k" in target.tests else [t for t in chosen if t not in controlled]
    if controlled.issuperset(chosen):
        return
    source = target.path.read_text("utf-8")
    outcome = attempt(target.name, target.path, source, tests, seconds=seconds)
    if outcome.fate != "survived":
        raise ValueError(f"tests of {target.name} must pass without a mistake, not be {outcome}")
    controlled.update(chosen)


def _row(target: Target, mutant: Mutant) -> dict[str, Any]:
    return {"module": target.name, "number": mutant.number, "place": mutant.place}


def _known(out: Path) -> set[tuple[str, int]]:
    return {(row["module"], row["number"]) for row in _rows(out)}


def _rows(out: Path) -> list[dict[str, Any]]:
    if not out.is_file():
        return []
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def _summary(console: Console, out: Path, total: int) -> None:
    rows = _rows(out)
    survivors = [row for row in rows if row["fate"] == "survived"]
    for row in survivors:
        console.print(f"survived {row['module']} {row['place']}", markup=False)
    share = 1 - len(survivors) / len(rows) if rows else 0.0
    console.print(f"{len(rows)} of {total} mutants tried, {share:.1%} killed")


if __name__ == "__main__":
    typer.run(main)
