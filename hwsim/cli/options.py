"""Options that several commands share, and what their texts mean."""

import re
from typing import Annotated

import typer

from hwsim.machine import CONVENTIONS
from hwsim.networks import NETWORKS, VERSIONS

NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK_OR_FILE",
        help=f"One of {', '.join(NETWORKS)}; or a file: .onnx, .csv (a SCALE-Sim topology), .toml.",
    ),
]
MachineName = Annotated[
    str,
    typer.Option(
        "--machine", "-m", help="A preset (see: hwsim machines) or a file: .toml, .cfg (SCALE-Sim)."
    ),
]
Batch = Annotated[
    int | None, typer.Option(help="Images at a time; 1, or what a file says, if left out.")
]
Image = Annotated[
    str | None,
    typer.Option("--input", help="Height x width, in pixels; the published size if left out."),
]
Sizes = Annotated[
    list[str] | None,
    typer.Option("--size", help="ONNX: a size by its name in the model, as in sequence=128."),
]
Version = Annotated[
    str, typer.Option(help=f"ResNet: {', '.join(VERSIONS)} (stride on the 3x3, the first 1x1).")
]
VectorLanes = Annotated[
    int | None,
    typer.Option(help="Replace its vector unit by a hypothetical one of so many lanes."),
]
EnergyName = Annotated[
    str | None, typer.Option("--energy", help="Another energy table than the machine's, by name.")
]

ConventionName = Annotated[
    str,
    typer.Option("--convention", help=f"How the array's cycles count: {', '.join(CONVENTIONS)}."),
]


def image_of(text: str | None) -> tuple[int, int] | None:
    """Height and width in a text such as 224x224; ``ValueError`` if there are none."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text)
    if match is None:
        raise ValueError(f"input must be height x width as in 224x224, not {text!r}")
    return int(match[1]), int(match[2])


def sizes_of(texts: list[str] | None) -> dict[str, int]:
    """Sizes by name from texts such as sequence=128; ``ValueError`` for another text."""
    found = {}
    for text in texts or []:
        match = re.fullmatch(r"([^=]+)=(\d{1,9})", text)
        if match is None:
            raise ValueError(f"size must be a name and a number as in sequence=128, not {text!r}")
        found[match[1]] = int(match[2])
    return found


def percentage(text: str) -> float:
    """The fraction in a text such as 2%; ``ValueError`` for another text."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%?", text.strip())
    if match is None:
        raise ValueError(f"a limit must be a percentage as in 2%, not {text!r}")
    return float(match[1]) / 100
