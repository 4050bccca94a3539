"""Run the comparisons and print them: ``python -m benchmarks``.

Each number is a ratio of times measured in turn in this run: above 1, ours is faster.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numba
import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.cases import Comparison, comparisons
from benchmarks.measure import ROUNDS, Timing, in_turn, ratio

app = typer.Typer(add_completion=False)
err = Console(stderr=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison's outcome: how many times as fast, its quartiles, rates where known."""

    group: str
    name: str
    ratio: float
    low: float
    high: float
    target: float
    ours_ms: float
    peer_ms: float
    ours_gflops: float


@app.command()
def main(
    out: Annotated[Path | None, typer.Option(help="Write the table as Markdown here.")] = None,
    data: Annotated[Path | None, typer.Option("--json", help="Write the numbers here.")] = None,
    only: Annotated[str, typer.Option(help="Only groups whose name contains this.")] = "",
    threads: int = 2,
    rounds: int = ROUNDS,
) -> None:
    """Compare the fast paths with their peers, each in turn with the other, medians of rounds.

    For example:

      python -m benchmarks --only convolution --rounds 5

      python -m benchmarks --out docs/benchmarks-table.md --json benchmarks.json
    """
    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    rows = []
    limit = gemm_gflops()
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("measuring", total=None)
        for each in comparisons():
            if only in each.group:
                bar.update(task, description=f"{each.group}: {each.name}")
                rows.append(measured(each, rounds))
    text = table(rows, limit, threads, rounds)
    typer.echo(text)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    if data is not None:
        found = {"machine": machine(), "gemm_gflops": limit, "rows": [asdict(row) for row in rows]}
        data.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(each: Comparison, rounds: int) -> Row:
    """Time both sides of a comparison."""
    timings: dict[str, Timing] = in_turn({"ours": each.ours, "peer": each.peer}, rounds)
    middle, low, high = ratio(timings["ours"], timings["peer"])
    seconds = timings["ours"].median
    return Row(
        group=each.group, name=each.name, ratio=middle, low=low, high=high, target=each.target,
        ours_ms=seconds * 1e3, peer_ms=timings["peer"].median * 1e3,
        ours_gflops=each.flops / seconds / 1e9,
    )  # fmt: skip


def gemm_gflops(side: int = 1536) -> dict[str, float]:
    """The machine's own rate for large products of matrices, by NumPy's BLAS and by PyTorch's."""
    a, b = (
        np.random.default_rng(n).standard_normal((side, side)).astype(np.float32) for n in (0, 1)
    )
    ta, tb = torch.tensor(a), torch.tensor(b)
    timings = in_turn({"NumPy": lambda: a @ b, "PyTorch": lambda: ta @ tb})
    return {name: 2 * side**3 / each.median / 1e9 for name, each in timings.items()}


def machine() -> dict[str, str]:
    """What the numbers were measured on, and with."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": model, "cores": str(os.cpu_count()), "python": platform.python_version(),
        "numpy": np.__version__, "numba": numba.__version__, "torch": torch.__version__,
    }  # fmt: skip


def table(rows: list[Row], limit: dict[str, float], threads: int, rounds: int) -> str:
    """Markdown: a summary by group, then every row."""
    facts = ", ".join(f"{key} {value}" for key, value in machine().items())
    rates = ", ".join(f"{rate:.0f} GF/s by {name}" for name, rate in limit.items())
    lines = [
        f"Machine: {facts}; {threads} threads, binary32, {rounds} rounds.",
        f"Large matrix products on it: {rates}.",
        "",
        "| group | cases | geometric mean | least | target | met |",
        "|---|---|---|---|---|---|",
    ]
    best = max(limit.values())
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        ratios = np.array([row.ratio for row in members])
        mean, target = float(np.exp(np.log(ratios).mean())), members[0].target
        met = "–" if not target else "yes" if mean >= target else f"no, {target / mean:.2f}× short"
        lines.append(
            f"| {group} | {len(members)} | {mean:.2f}× | {ratios.min():.2f}× | "
            f"{f'{target}×' if target else '–'} | {met} |"
        )
    lines += [
        "",
        "| group | case | ratio (quartiles) | ours | peer | rate | of the best matrix product |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rate = f"{row.ours_gflops:.0f} GF/s" if row.ours_gflops else "–"
        share = f"{row.ours_gflops / best:.0%}" if row.ours_gflops else "–"
        lines.append(
            f"| {row.group} | {row.name} | {row.ratio:.2f}× ({row.low:.2f}–{row.high:.2f}) | "
            f"{row.ours_ms:.2f} ms | {row.peer_ms:.2f} ms | {rate} | {share} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app()
