"""The files that a device left: where they are, and what is in them."""

import os
from pathlib import Path

from refimpl.arrays import Array
from refimpl.io.files import UnusableError, inside, read
from refimpl.io.sets import decode
from refimpl.vectors.formats import FORMATS, labelled
from refimpl.vectors.manifest import CaseEntry, Tensor

DEVICE_KINDS = ("npy", "bin", "hex")


def device_files(root: Path, case: str, tensor: str) -> list[tuple[Path, str]]:
    """Where a device left a tensor: <root>/<case>/<tensor>.npy, .bin or .hex, those that exist."""
    found = [(root / case / f"{tensor}.{kind}", kind) for kind in DEVICE_KINDS]
    return [
        (inside(root, str(path.relative_to(root))), kind)
        for path, kind in found
        if os.path.lexists(path)
    ]


def read_device(path: Path, kind: str, tensor: Tensor) -> Array:
    """Read what a device wrote, in logical order.

    Raises
    ------
    UnusableError
        If it has the wrong type, shape or number of words.
    UnknownBitsError
        If a hex dump holds x or z digits.
    """
    return decode(read(path, f"{path} must be a readable file"), tensor, kind, str(path))


def read_device_case(root: Path, entry: CaseEntry) -> dict[str, Array]:
    """Every stage and output that a device left of a case, in logical order, typed by format."""
    left = {}
    for tensor in entry.tensors:
        if tensor.role in {"stage", "output"}:
            for path, kind in device_files(root, entry.id, tensor.name)[:1]:
                array = read_device(path, kind, tensor)
                left[tensor.name] = labelled(array, FORMATS[tensor.format])
    return left


def must_be_directory(root: Path) -> None:
    """Refuse a device that is no directory.

    Raises
    ------
    UnusableError
        One sentence.
    """
    if not root.is_dir():
        raise UnusableError(f"{root} must be a directory of a device's files")
