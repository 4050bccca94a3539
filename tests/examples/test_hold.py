"""The worked examples find what they say they find, and nothing in what is right."""

import runpy
from pathlib import Path
from shutil import which

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("script", "right", "mistake", "law"),
    [
        ("hold_pssa", "right", "the shift wraps around memory: what leaves a row", "law kept"),
        (
            "hold_fused",
            "fused",
            "β of the attention branch's normalisation is forgotten",
            "law kept",
        ),
        pytest.param(
            "hold_compiled",
            "remainder",
            "the shift wraps by a mask, i & (n - 1)",
            "law kept",
            marks=pytest.mark.skipif(which("cc") is None, reason="needs a C compiler, cc"),
        ),
        ("hold_int8", "wide", "merged weights are saturated to int8", "law BROKEN: accumulators"),
    ],
)
def test_an_example_passes_the_right_one_and_names_the_mistake(script, right, mistake, law, capsys):
    runpy.run_path(str(EXAMPLES / f"{script}.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert f"{right}: nothing found\n" in out
    assert f"likely mistake: {mistake}" in out
    assert law in out
    assert "smallest case found:" in out


def test_the_smallest_wrong_wrap_has_one_number_that_matters(capsys):
    runpy.run_path(str(EXAMPLES / "hold_pssa.py"), run_name="__main__")
    shown = capsys.readouterr().out
    line = next(each for each in shown.splitlines() if each.strip().startswith("x = "))
    assert line.count("1") == 1
