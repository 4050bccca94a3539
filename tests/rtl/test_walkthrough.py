"""docs/rtl.md as a hardware engineer follows it, word by word, but for the installation."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rtl.md").read_text("utf-8")


def blocks(heading):
    """(language, text) of the fenced blocks of a section, in order."""
    section = PAGE[PAGE.index(f"## {heading}") :]
    section = section[: section.find("\n## ")]
    return re.findall(r"^```(\w*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def test_the_walkthrough_passes_and_fails_as_the_page_says(simulator, tmp_path):
    shutil.copytree(ROOT / "examples" / "rtl", tmp_path / "examples" / "rtl")
    installed, *rest = blocks("Your own module, step by step")
    assert installed[1].splitlines()[:2] == [
        "python3 -m venv venv",
        "venv/bin/pip install --quiet '.[rtl]'",
    ]
    follow([*installed[1].splitlines()[2:]], tmp_path)
    said = ""
    for language, text in rest:
        if language == "":
            said = follow(text.splitlines(), tmp_path)
        else:
            lines = [line for line in text.splitlines() if line.strip() != "…"]
            assert set(lines) <= set(said.splitlines())
    assert "WRONG" in said


def follow(commands, place):
    """Run commands in order; return what they printed, and the exit code of a check."""
    around = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = ""
    for command in commands:
        words = shlex.split(command)
        program = Path(words[0]).name
        ran = [str(Path(sys.executable).with_name(program)), *words[1:]]
        done = subprocess.run(
            words if program == "cp" else ran,
            cwd=place, env=around, capture_output=True, text=True, check=False,
        )  # fmt: skip
        expected = 1 if words[1:] == ["check", "golden", "wrong"] else 0
        assert done.returncode == expected, done.stdout + done.stderr
        printed += done.stdout
    return printed
