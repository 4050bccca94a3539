"""Sets of golden vectors, read and checked."""

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from refimpl.arrays import Array
from refimpl.io.files import UnusableError, everything_in, inside, read
from refimpl.vectors.files.kinds import decode as decode_kind
from refimpl.vectors.files.readmem import UnknownBitsError
from refimpl.vectors.formats import FORMATS, labelled
from refimpl.vectors.manifest import SCHEMA_VERSION, CaseEntry, Manifest, Tensor, VectorFile
from refimpl.vectors.write import MANIFEST


def is_set(root: Path) -> bool:
    """Whether a directory is a set of ours: whether it has a manifest."""
    return os.path.lexists(root / MANIFEST)


def read_manifest(root: Path) -> Manifest:
    """Read and validate the manifest of a set.

    Raises
    ------
    UnusableError
        If there is none, it is not one of ours, or it has changed since it was written.
    """
    path = root / MANIFEST
    raw = read(inside(root, MANIFEST), f"{root} must be a set of vectors with a {MANIFEST}")
    try:
        _must_be_ours(path, raw)
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise UnusableError(_manifest_sentence(path, error)) from error
    except RecursionError as error:
        raise UnusableError(f"{path} must be a manifest, not lists nested without end") from error


def read_tensor(root: Path, tensor: Tensor, kind: str = "npy") -> Array:
    """Read a tensor of a set in logical order, after checking its file's size and hash.

    Raises
    ------
    UnusableError
        If the file is missing, leads outside the set, or is not what the manifest says.
    """
    entry = listed(tensor, kind)
    raw = read(inside(root, entry.path), f"{root} must hold {entry.path}, which its manifest lists")
    check_hash(entry, raw)
    return decode(raw, tensor, kind, entry.path)


def listed(tensor: Tensor, kind: str) -> VectorFile:
    """The manifest's line for a kind of file of a tensor.

    Raises
    ------
    UnusableError
        If there is none.
    """
    entry = next((each for each in tensor.files if each.kind == kind), None)
    if entry is None:
        raise UnusableError(f"the manifest must list a .{kind} file of tensor {tensor.name}")
    return entry


def read_case(root: Path, entry: CaseEntry) -> dict[str, Array]:
    """Every tensor of a case by name, in logical order, typed by its format."""
    return {
        tensor.name: labelled(read_tensor(root, tensor), FORMATS[tensor.format])
        for tensor in entry.tensors
    }


def every_file(manifest: Manifest) -> Iterator[VectorFile]:
    """Every file that a manifest lists."""
    for case in manifest.cases:
        for tensor in case.tensors:
            yield from tensor.files
        yield from case.files
    for sequence in manifest.sequences:
        for step in sequence.steps:
            yield from step.files


def verify_files(
    root: Path, manifest: Manifest, advance: Callable[[str], None] = lambda _: None
) -> int:
    """Check the hash of every file that a manifest lists; return how many.

    Whether kinds agree with each other, and with what is computed, ``recompute`` says.

    Raises
    ------
    UnusableError
        If a file is not what the manifest says, or there is a file, directory or link that it
        does not list.
    """
    entries = list(every_file(manifest))
    for entry in entries:
        place = inside(root, entry.path)
        check_hash(entry, read(place, f"{root} must hold {entry.path}, as its manifest says"))
        advance(entry.path)
    known = {MANIFEST, *(entry.path for entry in entries)}
    known |= {str(above) for entry in entries for above in PurePosixPath(entry.path).parents}
    for relative in everything_in(root):
        if relative not in known:
            raise UnusableError(f"{root} must hold no {relative}: its manifest does not list it")
    return len(entries)


def decode(raw: bytes, tensor: Tensor, kind: str, path: str) -> Array:
    """Turn the bytes of a vector file into the logical array.

    Raises
    ------
    UnusableError
        If it has the wrong type, shape or number of words.
    UnknownBitsError
        If bits of an element were never driven: x, z or a skipped address of a hex dump.
    """
    try:
        return decode_kind(kind, raw, tensor.physical)
    except UnknownBitsError as error:
        raise UnknownBitsError(f"{path} {error}") from error
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error


def check_hash(entry: VectorFile, raw: bytes) -> None:
    """Compare a file with its line in the manifest.

    Raises
    ------
    UnusableError
        If it is another.
    """
    if len(raw) != entry.size_bytes or sha256(raw).hexdigest() != entry.sha256:
        raise changed(entry)


def changed(entry: VectorFile) -> UnusableError:
    """What is said of a file that is not what the manifest says."""
    return UnusableError(
        f"{entry.path} must be what the manifest's size and SHA-256 say; it has changed since: "
        f"regenerate the set"
    )


def _must_be_ours(path: Path, raw: bytes) -> None:
    """Refuse another version of the schema before its keys are judged."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{path}: the file must be a manifest in JSON: {error}") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version is None:
        return
    if type(version) is not int:
        raise UnusableError(
            f"{path}: schema_version must be the whole number {SCHEMA_VERSION}, not {version!r}"
        )
    if version == SCHEMA_VERSION:
        return
    what = (
        "a newer refimpl wrote it: update refimpl to read it"
        if version > SCHEMA_VERSION
        else "an older refimpl wrote it: regenerate it with the command it holds"
    )
    raise UnusableError(f"{path}: schema_version must be {SCHEMA_VERSION}, not {version}: {what}")


def _manifest_sentence(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"]) or "the file"
    said = {
        "extra_forbidden": "must not be there: no such key",
        "missing": "must be there",
    }.get(first["type"], f"must be right: {first['msg']}")
    return f"{path}: {where} {said}".replace("\n", " ")
