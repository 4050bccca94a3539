"""The files that a device left: where they are, and what is in them."""

import os
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from refimpl.arrays import Array
from refimpl.io.files import UnusableError, inside, read
from refimpl.io.sets import decode
from refimpl.vectors.dumps import opposed
from refimpl.vectors.files.binary import from_binary
from refimpl.vectors.files.kinds import text
from refimpl.vectors.files.readmem import Dump, from_dump
from refimpl.vectors.formats import FORMATS, labelled
from refimpl.vectors.manifest import CaseEntry, Tensor

DEVICE_KINDS = ("npy", "bin", "hex")
LIKE_TENSORS = (".npy", ".bin", ".hex", ".npz", ".coe", ".mif")


def device_files(root: Path, case: str, tensor: str) -> list[tuple[Path, str]]:
    """Where a device left a tensor: <root>/<case>/<tensor>.npy, .bin or .hex, those that exist."""
    found = [(root / case / f"{tensor}.{kind}", kind) for kind in DEVICE_KINDS]
    return [
        (inside(root, str(path.relative_to(root))), kind)
        for path, kind in found
        if os.path.lexists(path)
    ]


def misnamed_files(root: Path, entry: CaseEntry) -> list[str]:
    """What is in a device's directory of a case, looks like a tensor, and would not be read.

    Logs and the like are the device's own business; so is what a set lists, if it was copied.
    """
    place = inside(root, entry.id)
    known = {f"{tensor.name}.{kind}" for tensor in entry.tensors for kind in DEVICE_KINDS}
    known |= {PurePosixPath(file.path).name for tensor in entry.tensors for file in tensor.files}
    known |= {PurePosixPath(file.path).name for file in entry.files}
    names = sorted(each.name for each in place.iterdir()) if place.is_dir() else []
    stray = (name for name in names if name not in known and name.endswith(LIKE_TENSORS))
    return [_misnamed(f"{root}/{entry.id}/{name}", name, entry) for name in stray]


def _misnamed(path: str, name: str, entry: CaseEntry) -> str:
    stages = [each.name for each in entry.tensors if each.role in {"stage", "output"}]
    near = get_close_matches(name.partition(".")[0], stages, 1) or stages[-1:]
    return (
        f"{path} must be called after a stage of its case and be .npy, .bin or .hex, as "
        f"{near[0]}.npy is, or not be there: it is not read"
    )


def read_device(path: Path, kind: str, tensor: Tensor) -> Array:
    """Read what a device wrote, in logical order.

    Raises
    ------
    UnusableError
        If it has the wrong type, shape or number of words.
    UnknownBitsError
        If bits of an element were never driven: x, z or a skipped address of a hex dump.
    """
    return decode(read(path, f"{path} must be a readable file"), tensor, kind, str(path))


def read_device_case(root: Path, entry: CaseEntry) -> dict[str, Array]:
    """Every stage and output that a device left of a case: its first file, in logical order."""
    return {
        name: next(iter(files.values())) for name, files in read_device_files(root, entry).items()
    }


def read_device_files(
    root: Path, entry: CaseEntry, but: Collection[tuple[str, str]] = ()
) -> dict[str, dict[str, Array]]:
    """Every file of a stage or output that a device left of a case, by tensor and file name.

    Arrays are in logical order, typed by format. ``but`` are tensors and file names to leave out.
    """
    left: dict[str, dict[str, Array]] = {}
    for tensor in entry.tensors:
        if tensor.role in {"stage", "output"}:
            for path, kind in device_files(root, entry.id, tensor.name):
                if (tensor.name, path.name) in but:
                    continue
                array = labelled(read_device(path, kind, tensor), FORMATS[tensor.format])
                left.setdefault(tensor.name, {})[path.name] = array
    return left


def read_words(path: Path, kind: str, tensor: Tensor) -> Dump:
    """Memory words of a .bin or .hex as they are, with what is in pads and what was never driven.

    Raises
    ------
    UnusableError
        If there are not so many.
    """
    of = tensor.physical
    raw = read(path, f"{path} must be a readable file")
    try:
        if kind == "bin":
            return Dump(from_binary(raw, of.words, of.width_bits), None)
        return from_dump(text(raw), of.words, of.width_bits)
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error


def read_opposed(path: Path, tensor: Tensor, golden: Array) -> Array:
    """Read a hex dump in logical order, its undriven bits the opposite of the golden ones.

    Raises
    ------
    UnusableError
        If it is not a dump of so many words.
    """
    of = tensor.physical
    return labelled(opposed(read_words(path, "hex", tensor), golden, of), of.form)


def must_be_directory(root: Path) -> None:
    """Refuse a device that is no directory.

    Raises
    ------
    UnusableError
        One sentence.
    """
    if not root.is_dir():
        raise UnusableError(f"{root} must be a directory of a device's files")
