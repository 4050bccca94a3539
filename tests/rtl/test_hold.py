"""An RTL run is held against a claim like any other kernel, and its bug is named."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "rtl" / "hold_pssa.py"


def test_the_module_passes_and_its_bug_is_found_and_named(simulator, capsys):
    assert simulator
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out = capsys.readouterr().out
    assert "wraps: nothing found" in out
    assert "likely mistake: the shift wraps around memory: what leaves a row enters the next" in out
