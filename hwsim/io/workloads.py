"""What is asked, by the name of a built-in network or by a file.

The end of a file's name says what it is: .onnx, .csv (a SCALE-Sim topology) or .toml (a list of
layers). Everything else is a name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwsim.importers.listing import listed
from hwsim.importers.scalesim import topology
from hwsim.io.files import read_text
from hwsim.io.machines import parse_toml
from hwsim.networks import Network, network

FILES = (".onnx", ".csv", ".toml")


def find_network(
    name_or_path: str,
    *,
    batch: int | None = None,
    image: tuple[int, int] | None = None,
    sizes: Mapping[str, int] | None = None,
    stage: str | None = None,
    form: str = "convolution",
    version: str = "1.5",
) -> Network:
    """A built-in network, or the one a file describes.

    ``image`` (height, width) is for built-in networks and ONNX files, ``sizes`` (of names in the
    model) for ONNX files, ``stage``, ``form`` and ``version`` for built-in networks. Raises
    ``ValueError`` for an option that the network does not have, and for what ``hwsim.network`` and
    the readers refuse.
    """
    end = Path(name_or_path).suffix.lower()
    options: dict[str, Any] = {"stage": stage, "form": form, "version": version}
    if end not in FILES:
        _refuse(name_or_path, {"sizes": bool(sizes)}, "an ONNX file")
        height, width = image or (None, None)
        many = 1 if batch is None else batch
        return network(name_or_path, batch=many, height=height, width=width, **options)
    plain = {"stage": None, "form": "convolution", "version": "1.5"}
    chosen = {key: value != plain[key] for key, value in options.items()}
    _refuse(name_or_path, chosen, "a built-in network")
    if end == ".onnx":
        from hwsim.io.onnx_model import read_onnx  # noqa: PLC0415 - only if there is one to read

        return read_onnx(name_or_path, batch=batch, image=image, sizes=sizes)
    given = {"input": image is not None, "sizes": bool(sizes)}
    _refuse(name_or_path, given, "an ONNX file or a built-in network")
    return _from_text(name_or_path, end, 1 if batch is None else batch)


def _from_text(path: str, end: str, batch: int) -> Network:
    name = Path(path).stem
    text = read_text(path, "topology" if end == ".csv" else "network file")
    table = parse_toml(text, path) if end == ".toml" else {}
    try:
        if end == ".csv":
            return topology(text, name, batch=batch)
        return listed(table, name, batch=batch)
    except ValueError as error:
        raise ValueError(f"in {path}, {error}") from error


def _refuse(name: str, given: Mapping[str, bool], who: str) -> None:
    for option, is_given in given.items():
        if is_given:
            raise ValueError(f"{name} must come without {option}, which only {who} has")
