"""The page on training says what its data say."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from refimpl.train.evaluate import Score
from refimpl.train.study import Curve, Run
from refimpl.train.summary import differences, member_rows

DOCS = Path(__file__).parents[3] / "docs"
NAMES = {
    "plain convolution 3×3": "conv2d",
    "PSSA alone": "pssa",
    "local attention (Eq. 9) alone": "local_attention",
    "global attention (SA) alone": "global_attention",
    "X-volution (PSSA)": "xvolution",
    "X-volution (Eq. 9)": "xvolution_local",
    "X-volution (SA)": "xvolution_global",
}
SIDES = (("conv2d", 1), ("xvolution", 1), ("pssa", 2), ("local_attention", 2))


@cache
def page():
    return (DOCS / "training.md").read_text(encoding="utf-8")


@cache
def study():
    return json.loads((DOCS / "training.json").read_text(encoding="utf-8"))


@cache
def curves():
    return [
        Curve(
            Run(**{key: run[key] for key in ("operator", "kernel", "window", "seed")}),
            *(tuple(Score(**each) for each in run[use]) for use in ("train", "test")),
        )
        for run in study()["runs"]
    ]


@cache
def rows():
    found = member_rows(curves(), len(study()["data"]["classes"]))
    return {row[:3]: row[3:] for row in found}


@pytest.mark.parametrize("title", NAMES)
def test_every_operator_has_the_parameters_and_accuracy_of_the_study(title):
    (row,) = (
        row
        for (operator, kernel, window), row in rows().items()
        if operator == NAMES[title] and kernel in ("3", "–") and window in ("3", "–", "all")
    )
    assert f"| {title} | {row[0]} | {row[1]} |" in page()


@pytest.mark.parametrize("side", [1, 3, 5, 7])
def test_every_side_has_the_accuracies_of_the_study(side):
    cells = []
    for operator, varied in SIDES:
        keys = [key for key in rows() if key[0] == operator and key[varied] == str(side)]
        other = 3 - varied
        (key,) = [key for key in keys if key[other] in ("3", "–")]
        cells.append(rows()[key][1])
    assert f"| {side} | {' | '.join(cells)} |" in page()


def test_every_difference_is_that_of_the_study():
    for sentence in differences(curves()):
        value = re.search(r"= (\S+ ± \S+) points", sentence)[1].replace("-", "−")
        assert f"| {value} |" in page(), sentence


def test_chance_and_the_linear_model_are_those_of_the_study():
    linear = [f"{100 * each:.1f}" for each in study()["linear"].values()]
    assert f"gets {linear[0]}, {linear[1]} and {linear[2]} %" in page().replace("\n", " ")
    assert len(study()["runs"]) == 45
    least = min(curve.accuracy for curve in curves() if curve.run.operator != "linear")
    assert least > 3 * study()["chance"]
    assert least > max(study()["linear"].values())
