"""Studies as files: what is asked, in TOML."""

from pathlib import Path
from typing import Any

from hwsim.io.fields import build
from hwsim.io.files import read_text
from hwsim.io.machines import parse_toml
from hwsim.study import Study

DEFAULT = Path(__file__).parents[1] / "presets" / "studies" / "conv-friendly.toml"
"""The study that the project is about."""


def read_study(path: str | Path | None = None) -> Study:
    """A study from a file in TOML; the packaged one if there is no path.

    Raises ``ValueError``: one sentence that names the file and the key.
    """
    origin = DEFAULT if path is None else Path(path)
    table: dict[str, Any] = parse_toml(read_text(origin, "study file"), str(origin))
    try:
        study: Study = build(Study, table)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from error
    return study
