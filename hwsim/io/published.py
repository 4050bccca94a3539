"""Tables of published numbers that come with the package (``hwsim/published``)."""

import csv
from importlib.resources import files


def published(name: str) -> list[dict[str, str]]:
    """Rows of ``name``.csv, as text by column."""
    text = files("hwsim").joinpath("published", f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
