"""Cases read back from a set of golden vectors: what a score or a coverage report runs."""

from collections.abc import Iterator
from pathlib import Path

from refimpl.io.files import UnusableError, read
from refimpl.io.sets import read_manifest, read_tensor
from refimpl.vectors.case import Case
from refimpl.vectors.manifest import CaseEntry


def read_cases(root: Path) -> tuple[int, Iterator[Case]]:
    """How many cases a set has, and the cases one by one, their files' hashes checked.

    Raises
    ------
    UnusableError
        If it is not a set, or a file is not what its manifest says.
    """
    entries = read_manifest(root).cases
    return len(entries), (_case(root, entry) for entry in entries)


def read_log(path: Path) -> str:
    """Text that a simulator printed.

    Raises
    ------
    UnusableError
        If it cannot be read, or is not text.
    """
    try:
        return read(path, f"{path} must be a readable file").decode()
    except UnicodeDecodeError as error:
        raise UnusableError(f"{path} must be text, as a simulator prints it") from error


def _case(root: Path, entry: CaseEntry) -> Case:
    return Case(
        id=entry.id,
        operator=entry.operator,
        arithmetic=str(entry.arithmetic["name"]),
        attributes=entry.attributes,
        tensors={
            tensor.name: read_tensor(root, tensor)
            for tensor in entry.tensors
            if tensor.role == "input"
        },
        stimulus=entry.stimulus,
    )
