"""The only place where ``refimpl`` opens files: sets, a device's files, photographs.

Whatever is wrong with a file becomes one sentence (``UnusableError``); a directory being written is
complete or absent, never half.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from pydantic import ValidationError

from refimpl.arrays import Array
from refimpl.vectors.formats import FORMATS, from_bytes, from_hex
from refimpl.vectors.layouts import BY_NAME, to_logical
from refimpl.vectors.manifest import SCHEMA_VERSION, Manifest, Tensor, VectorFile
from refimpl.vectors.write import MANIFEST

PHOTOGRAPHS = {
    "astronaut": "NASA, public domain",
    "chelsea": "Stefan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
}
MOST_BYTES = 2**31  # ours: no vector file of ours comes near it


class UnusableError(ValueError):
    """A file or directory that cannot be used, and why, in one sentence."""


def tool_version() -> str:
    """Version of the installed distribution."""
    return version("xvolution")


def write_directory(target: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write files into a new directory, all or nothing; return how many.

    Raises
    ------
    UnusableError
        If the target exists, or its parent does not, or the disk refuses.
    """
    must_be_new(target)
    try:
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.absolute().parent))
    except OSError as error:
        raise UnusableError(f"{target} could not be written: {error.strerror}") from error
    try:
        count = 0
        for path, content in files:
            place = partial / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            count += 1
        partial.chmod(0o755)
        os.rename(partial, target)  # noqa: PTH104 - fails if the target has come to exist
    except OSError as error:
        raise UnusableError(f"{target} could not be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return count


def must_be_new(target: Path) -> None:
    """Refuse a target that exists, or whose parent does not.

    Raises
    ------
    UnusableError
        One sentence saying what to do.
    """
    try:
        exists, parent = target.exists(), target.absolute().parent
        if exists:
            raise UnusableError(
                f"{target} must not exist yet: remove it, or name another directory"
            )
        if not parent.is_dir():
            raise UnusableError(
                f"the directory {parent} must exist before a set is written into it"
            )
    except OSError as error:
        raise UnusableError(f"{target} could not be written: {error.strerror}") from error


def read_manifest(root: Path) -> Manifest:
    """Read and validate the manifest of a set.

    Raises
    ------
    UnusableError
        If there is none, or it is not one of ours.
    """
    path = root / MANIFEST
    raw = _read(path, f"{root} must be a set of vectors with a {MANIFEST}")
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
    raw = _read(
        _inside(root, entry.path), f"{root} must hold {entry.path}, which its manifest lists"
    )
    _check_hash(entry, raw)
    return decode(raw, tensor, kind, entry.path)


def verify_files(root: Path, manifest: Manifest) -> int:
    """Check the hash of every file that a manifest lists; return how many."""
    entries = [file for case in manifest.cases for each in case.tensors for file in each.files]
    for entry in entries:
        place = _inside(root, entry.path)
        _check_hash(entry, _read(place, f"{root} must hold {entry.path}, as its manifest says"))
    return len(entries)


def device_files(root: Path, case: str, tensor: str) -> list[tuple[Path, str]]:
    """Where a device left a tensor: <root>/<case>/<tensor>.npy, .bin or .hex, those that exist."""
    found = [(root / case / f"{tensor}.{kind}", kind) for kind in ("npy", "bin", "hex")]
    return [
        (_inside(root, str(path.relative_to(root))), kind) for path, kind in found if path.exists()
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
    return decode(_read(path, f"{path} must be a readable file"), tensor, kind, str(path))


def decode(raw: bytes, tensor: Tensor, kind: str, path: str) -> Array:
    """Turn the bytes of a vector file into the logical array."""
    readers: dict[str, Callable[[], Array]] = {
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


def read_photograph(name: str) -> tuple[Array, dict[str, Any]]:
    """Read a photograph as uint8 (h, w, 3): a file, or one of scikit-image's by name.

    Returns the pixels, and what is to be said of where they come from.

    Raises
    ------
    UnusableError
        If there is no such file or photograph, or it cannot be decoded.
    """
    path = Path(name)
    if path.is_file():
        pixels, source, licence = _decode_image(path), path.name, "the user's own"
    elif name in PHOTOGRAPHS:
        pixels = _shipped_image(name)
        source, licence = f"scikit-image: {name}", PHOTOGRAPHS[name]
    else:
        raise UnusableError(
            f"image must be a file or one of {', '.join(PHOTOGRAPHS)}, not {name!r}"
        )
    digest = sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return pixels, {"image": source, "image_licence": licence, "pixels_sha256": digest}


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not at all.

    Raises
    ------
    UnusableError
        If its directory does not exist or cannot be written to.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UnusableError(f"{path} could not be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path, otherwise: str) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UnusableError(f"{path} must be smaller than {MOST_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(f"{otherwise} ({error.strerror})") from error


def _inside(root: Path, relative: str) -> Path:
    """Resolve a path under a root, links included.

    Raises
    ------
    UnusableError
        If it leads outside.
    """
    place = (root / relative).resolve()
    if not place.is_relative_to(root.resolve()):
        raise UnusableError(f"{relative} must stay inside {root}, not lead to {place}")
    return place


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


def _decode_image(path: Path) -> Array:
    image = _imaging()
    try:
        with image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, image.DecompressionBombError) as error:
        raise UnusableError(f"{path} must be a picture that Pillow can read") from error


def _imaging() -> Any:
    try:
        from PIL import Image  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnusableError(
            "pictures need the demo extra: pip install 'xvolution[demo]'"
        ) from error
    return Image


def _shipped_image(name: str) -> Array:
    try:
        from skimage import data  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnusableError(
            "pictures need the demo extra: pip install 'xvolution[demo]'"
        ) from error
    return np.asarray(getattr(data, name)())
