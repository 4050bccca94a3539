"""Sets of golden vectors and the files that a device left, read and checked."""

import warnings
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from pydantic import ValidationError

from refimpl.arrays import Array
from refimpl.io.files import UnusableError, inside, read
from refimpl.vectors.formats import FORMATS, from_bytes, from_hex
from refimpl.vectors.layouts import BY_NAME, to_logical
from refimpl.vectors.manifest import SCHEMA_VERSION, Manifest, Tensor, VectorFile
from refimpl.vectors.write import MANIFEST


def read_manifest(root: Path) -> Manifest:
    """Read and validate the manifest of a set.

    Raises
    ------
    UnusableError
        If there is none, or it is not one of ours.
    """
    path = root / MANIFEST
    raw = read(path, f"{root} must be a set of vectors with a {MANIFEST}")
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise UnusableError(_manifest_sentence(path, error)) from error


def read_tensor(root: Path, tensor: Tensor, kind: str = "npy") -> Array:
    """Read a tensor of a set in logical order, after checking its file's size and hash.

    Raises
    ------
    UnusableError
        If the file is missing, leads outside the set, or is not what the manifest says.
    """
    entry = next((each for each in tensor.files if each.kind == kind), None)
    if entry is None:
        raise UnusableError(f"the manifest must list a .{kind} file of tensor {tensor.name}")
    raw = read(inside(root, entry.path), f"{root} must hold {entry.path}, which its manifest lists")
    _check_hash(entry, raw)
    return decode(raw, tensor, kind, entry.path)


def verify_files(root: Path, manifest: Manifest) -> int:
    """Check the hash of every file that a manifest lists; return how many."""
    entries = [file for case in manifest.cases for each in case.tensors for file in each.files]
    for entry in entries:
        place = inside(root, entry.path)
        _check_hash(entry, read(place, f"{root} must hold {entry.path}, as its manifest says"))
    return len(entries)


def device_files(root: Path, case: str, tensor: str) -> list[tuple[Path, str]]:
    """Where a device left a tensor: <root>/<case>/<tensor>.npy, .bin or .hex, those that exist."""
    found = [(root / case / f"{tensor}.{kind}", kind) for kind in ("npy", "bin", "hex")]
    return [
        (inside(root, str(path.relative_to(root))), kind) for path, kind in found if path.exists()
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


def decode(raw: bytes, tensor: Tensor, kind: str, path: str) -> Array:
    """Turn the bytes of a vector file into the logical array."""
    readers: dict[str, Any] = {
        "npy": lambda: _from_npy(raw, tensor),
        "bin": lambda: _logical(from_bytes(raw, FORMATS[tensor.format], tensor.words), tensor),
        "hex": lambda: _logical(
            from_hex(raw.decode("ascii"), FORMATS[tensor.format], tensor.words), tensor
        ),
    }
    try:
        return readers[kind]()
    except UnicodeDecodeError as error:
        raise UnusableError(f"{path} must be plain text of hex words") from error
    except ValueError as error:
        if type(error) is ValueError:
            raise UnusableError(f"{path} {error}") from error
        raise


def _check_hash(entry: VectorFile, raw: bytes) -> None:
    if len(raw) != entry.size_bytes or sha256(raw).hexdigest() != entry.sha256:
        raise UnusableError(
            f"{entry.path} must be what the manifest's size and SHA-256 say; it has changed since: "
            f"regenerate the set"
        )


def _from_npy(raw: bytes, tensor: Tensor) -> Array:
    """Read NumPy's format, its header first, so that no size is believed unseen."""
    dtype = np.dtype(FORMATS[tensor.format].dtype)
    pickled = "must hold a plain array, not a pickled object"
    if raw.startswith(b"\x80"):  # how every pickle of protocol 2 or later begins
        raise ValueError(pickled)
    buffer = BytesIO(raw)
    try:
        with warnings.catch_warnings(action="error"):
            read = _NPY_HEADERS[np.lib.format.read_magic(buffer)]
            shape, fortran, found = read(buffer)
    except (ValueError, KeyError, OSError, SyntaxError, TokenError, Warning) as error:
        raise ValueError("must be a complete .npy file") from error
    if found.hasobject:
        raise ValueError(pickled)
    if found != dtype or shape != tensor.shape:
        raise ValueError(f"must hold {tensor.format} of shape {tensor.shape}, not {found} {shape}")
    payload = raw[buffer.tell() :]
    if len(payload) != dtype.itemsize * tensor.words:
        raise ValueError("must be a complete .npy file, and nothing after it")
    return np.frombuffer(payload, dtype).reshape(shape, order="F" if fortran else "C")


_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _logical(words: Array, tensor: Tensor) -> Array:
    return to_logical(words, tensor.shape, BY_NAME[tensor.layout])


def _manifest_sentence(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"]) or "the file"
    if where == "schema_version":
        return f"{path}: schema_version must be {SCHEMA_VERSION}, not {first['input']!r}"
    said = {
        "extra_forbidden": "must not be there: no such key",
        "missing": "must be there",
    }.get(first["type"], f"must be right: {first['msg']}")
    return f"{path}: {where} {said}"
