"""Training: one small network, or a study of operators, kernel sizes and seeds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from refimpl import io
from refimpl.cli.terminal import err, sentences
from refimpl.nets.graph import initialise, parameter_count
from refimpl.nets.sites import OPERATORS
from refimpl.train.crops import Split
from refimpl.train.fit import Epoch, Recipe, fit
from refimpl.train.study import Curve, Run, build, curve, linear_baseline, plan, train_all
from refimpl.train.summary import differences, member_rows

EPOCHS = Recipe().epochs
Epochs = Annotated[int, typer.Option(help="Passes over the training crops.")]
TrainCrops = Annotated[int, typer.Option("--train", help="Training crops per class.")]
TestCrops = Annotated[int, typer.Option("--test", help="Test crops per class.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def train(
    operator: Annotated[
        str, typer.Option(help=f"Operator of the second stage: {', '.join(OPERATORS)}.")
    ] = "xvolution",
    kernel: Annotated[int, typer.Option(help="Side of the stage's convolution.")] = 3,
    window: Annotated[int, typer.Option(help="Side of its attention's kernel or window.")] = 3,
    seed: Annotated[str, typer.Option(help="Seed of crops, weights and order.")] = "0",
    epochs: Epochs = EPOCHS,
    train_crops: TrainCrops = 128,
    test_crops: TestCrops = 64,
    out: Annotated[
        Path | None, typer.Option(help="Weights file to write, .npz; overwritten.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a small network on crops of scikit-image's pictures, with our own backward.

    Chance and a linear model on the same pixels are printed beside it.

    For example:

      refimpl train

      refimpl train --operator pssa --window 5 --seed 1 --epochs 20

      refimpl train --operator xvolution_global --out weights.npz --json
    """
    with sentences():
        if out is not None:
            io.must_take_weights(out)
        run = Run(operator=operator, kernel=kernel, window=window, seed=seed)
        recipe = Recipe(epochs=epochs, seed=seed)
        data = io.read_textures(train=train_crops, test=test_crops, seed=seed)
        network = build(run, len(data.classes))
        count = parameter_count(initialise(network))
        with _bar(operator, epochs * _batches(data, recipe)) as advance:
            records = list(fit(network, data, recipe, progress=advance))
        kept = curve(run, records)
        report = _report(data, recipe, [kept], {seed: linear_baseline(data, seed=seed).accuracy})
        if out is not None:
            about = {**asdict(run), **report["data"], "recipe": report["recipe"]}
            about |= {"parameters": count, "test_accuracy": kept.accuracy}
            io.write_weights(out, records[-1].parameters, about)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    _print_epochs(f"{network.name}, {count} parameters", records)
    typer.echo(f"chance {report['chance']:.1%}, linear {report['linear'][seed]:.1%}, ", nl=False)
    typer.echo(f"{operator} {kept.accuracy:.1%} of {len(data.test.labels)} test crops")
    if out is not None:
        typer.echo(f"weights: {out}")


def study(
    out: Annotated[Path, typer.Option(help="Directory to create; it must not exist yet.")],
    seeds: Annotated[int, typer.Option(help="Seeds of every operator, 1 to 10.")] = 3,
    side_seeds: Annotated[
        int | None, typer.Option(help="Seeds of the other kernels and windows; as many if unset.")
    ] = None,
    epochs: Epochs = EPOCHS,
    train_crops: TrainCrops = 128,
    test_crops: TestCrops = 64,
    as_json: AsJson = False,
) -> None:
    """Train every operator, and kernels and windows of 1, 3, 5 and 7, with several seeds.

    Writes study.json (all curves) and study.svg (what the article's Fig. 2 shows, with spread).

    For example:

      refimpl study --seeds 3 --out out/study

      refimpl study --seeds 1 --epochs 2 --train 8 --test 8 --out out/quick
    """
    with sentences():
        runs = plan(seeds, seeds if side_seeds is None else side_seeds)
        recipe = Recipe(epochs=epochs)
        io.must_be_new(out)
        io.require_plots()

        @lru_cache(maxsize=1)
        def data(seed: str) -> Split:
            return io.read_textures(train=train_crops, test=test_crops, seed=seed)

        linear = {str(s): linear_baseline(data(str(s)), seed=str(s)).accuracy for s in range(seeds)}
        first = data("0")
        with _bar("study", len(runs) * epochs * _batches(first, recipe)) as advance:
            curves = list(train_all(runs, data, recipe, progress=advance))
        report = _report(first, recipe, curves, linear)
        text = json.dumps(report, indent=2) + "\n"
        figure = io.study_figure(curves, chance=report["chance"], linear=linear)
        io.write_directory(out, [("study.json", text.encode()), ("study.svg", figure)])
    if as_json:
        typer.echo(text, nl=False)
        return
    _print_study(curves, report)
    typer.echo(f"{out}: study.json, study.svg")


@contextmanager
def _bar(doing: str, steps: int) -> Iterator[Any]:
    """A bar with the time left on stderr, where a person watches."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(f"training {doing}", total=steps)
        yield lambda: bar.advance(task)


def _batches(data: Split, recipe: Recipe) -> int:
    return -(-len(data.train.labels) // recipe.batch)


def _report(
    data: Split, recipe: Recipe, curves: list[Curve], linear: dict[str, float]
) -> dict[str, Any]:
    """Everything there is to know about some runs, as JSON has it."""
    chosen = {key: value for key, value in asdict(recipe).items() if key != "seed"}
    sizes = {"train_crops": len(data.train.labels), "test_crops": len(data.test.labels)}
    return {
        "chance": 1 / len(data.classes),
        "linear": linear,
        "data": {"classes": list(data.classes), **sizes},
        "recipe": chosen,
        "runs": [
            {
                **asdict(each.run),
                "train": [score._asdict() for score in each.train],
                "test": [score._asdict() for score in each.test],
            }
            for each in curves
        ],
    }


def _print_epochs(title: str, records: list[Epoch]) -> None:
    table = Table("epoch", "train loss", "train", "test loss", "test", title=title)
    for each in records:
        cells = f"{each.train.loss:.3f}", f"{each.train.accuracy:.1%}"
        table.add_row(
            str(each.number), *cells, f"{each.test.loss:.3f}", f"{each.test.accuracy:.1%}"
        )
    Console().print(table)


def _print_study(curves: list[Curve], report: dict[str, Any]) -> None:
    linear = ", ".join(f"{accuracy:.1%}" for accuracy in report["linear"].values())
    typer.echo(f"chance {report['chance']:.1%}; linear on the same pixels, by seed: {linear}")
    table = Table("operator", "kernel", "window", "parameters", "test accuracy ± deviation")
    for row in member_rows(curves, len(report["data"]["classes"])):
        table.add_row(*row)
    Console().print(table)
    for sentence in differences(curves):
        typer.echo(sentence)
