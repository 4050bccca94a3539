"""Cases read back from a set of golden vectors: what a score or a coverage report runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from refimpl.io.files import UnusableError, read
from refimpl.io.sets import read_manifest, read_tensor
from refimpl.vectors.case import Case
from refimpl.vectors.explain import case_of
from refimpl.vectors.manifest import CaseEntry


def read_cases(root: Path) -> tuple[int, Iterator[Case]]:
    """How many cases a set has, and the cases one by one, their files' hashes checked.

    Where a sequence of the set runs a case, its stalls are the case's.

    Raises
    ------
    UnusableError
        If it is not a set, or a file is not what its manifest says.
    """
    manifest = read_manifest(root)
    stalls = {step.case: step.ready for run in manifest.sequences for step in run.steps}
    cases = (_case(root, entry, stalls.get(entry.id)) for entry in manifest.cases)
    return len(manifest.cases), cases


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


def _case(root: Path, entry: CaseEntry, ready: str | None) -> Case:
    """A case with its inputs; a sequence's ready pattern becomes part of its stimulus."""
    inputs = [tensor for tensor in entry.tensors if tensor.role == "input"]
    case = case_of(entry, {tensor.name: read_tensor(root, tensor) for tensor in inputs})
    if ready is None:
        return case
    return replace(case, stimulus={**case.stimulus, "ready": ready})
