"""Checkpoints in and out: .npz and .safetensors; ONNX models out; mappings of keys in.

An .npz is a ZIP archive of .npy arrays; ours are stored in the order of their keys, without
compression and with one fixed date, and ``about.json`` says what they are. A safetensors file says
it in its metadata. The same arrays give the same bytes.
"""

import json
import tomllib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError  # noqa: N812 - an exception's name

import numpy as np

from refimpl.arrays import Array
from refimpl.io.files import MOST_BYTES, UnusableError, read, write_bytes
from refimpl.io.weights import ABOUT, EPOCH

KINDS = (".npz", ".safetensors")
_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32",
    "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def must_take_checkpoint(path: Path) -> None:
    """Refuse a path that a checkpoint or a graph could not, or must not, be written to.

    Raises
    ------
    UnusableError
        If it exists, does not end in a known way, or its directory does not exist.
    """
    kinds = (*KINDS, ".onnx")
    if path.suffix not in kinds:
        raise UnusableError(f"{path} must end in one of {', '.join(kinds)}")
    if not path.absolute().parent.is_dir():
        raise UnusableError(f"the directory {path.absolute().parent} must exist")
    if path.exists() or path.is_symlink():
        raise UnusableError(f"{path} must not exist yet: remove it, or name another file")


def read_checkpoint(path: Path) -> dict[str, Array]:
    """Every array of a checkpoint, by key; what a file says about them is left out.

    Raises
    ------
    UnusableError
        If the file is not there, or is not a whole .npz or .safetensors of plain arrays.
    """
    if path.suffix not in KINDS:
        hint = (
            "; save a PyTorch model with safetensors.torch.save_file(model.state_dict(), …)"
            if path.suffix in {".pt", ".pth", ".bin", ".ckpt"}
            else ""
        )
        raise UnusableError(f"{path} must end in .npz or .safetensors{hint}")
    content = read(path, f"{path} must be a readable checkpoint")
    arrays = _from_npz(content, path) if path.suffix == ".npz" else _from_safetensors(content, path)
    if not arrays:
        raise UnusableError(f"{path} must hold arrays, and holds none")
    return arrays


def write_checkpoint(path: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write arrays by key, and what is to be said about them, complete or not at all.

    Raises
    ------
    UnusableError
        If the file cannot be written, or its kind cannot hold the arrays' number type.
    """
    pack = _npz if path.suffix == ".npz" else _safetensors
    write_bytes(path, pack(arrays, about, path))


def write_model(path: Path, model: Any) -> None:
    """Write an ONNX model, complete or not at all.

    Raises
    ------
    UnusableError
        If the file cannot be written, or the model is larger than an ONNX file can be.
    """
    if model.ByteSize() >= MOST_BYTES:
        raise UnusableError(f"{path} must be smaller than {MOST_BYTES} bytes, the most of ONNX")
    write_bytes(path, model.SerializeToString(deterministic=True))


def read_mapping(path: Path) -> Any:
    """What a mapping file says, TOML or JSON.

    Raises
    ------
    UnusableError
        If it is not there, or is neither.
    """
    if path.suffix not in {".toml", ".json"}:
        raise UnusableError(f"{path} must end in .toml or .json")
    content = read(path, f"{path} must be a readable mapping of keys")
    try:
        text = content.decode()
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{path} must be {path.suffix[1:].upper()}: {error}") from error


def _from_npz(content: bytes, path: Path) -> dict[str, Array]:
    try:
        with ZipFile(BytesIO(content)) as archive:
            size = sum(each.file_size for each in archive.infolist())
            names = [name for name in archive.namelist() if name != ABOUT]
            parts = {name: archive.read(name) for name in names if size <= MOST_BYTES}
        arrays = {
            name.removesuffix(".npy"): np.lib.format.read_array(BytesIO(part), allow_pickle=False)
            for name, part in parts.items()
        }
    except (
        BadZipFile, KeyError, ValueError, EOFError, OSError, RuntimeError, MemoryError, ZlibError,
    ) as error:  # fmt: skip
        raise UnusableError(
            f"{path} must be a whole .npz of plain arrays, none pickled: {error}"
        ) from error
    if size > MOST_BYTES:
        raise UnusableError(f"{path} must unpack to at most {MOST_BYTES} bytes, not {size}")
    return arrays


def _npz(arrays: Mapping[str, Array], about: Mapping[str, Any], path: Path) -> bytes:
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr(ZipInfo(ABOUT, EPOCH), json.dumps(about, indent=2, sort_keys=True) + "\n")
        for key, array in sorted(arrays.items()):
            if array.dtype.kind not in "fiub":
                raise UnusableError(
                    f"{path} must hold numbers that .npz knows, not {array.dtype.name}: write "
                    f".safetensors"
                )
            content = BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(ZipInfo(f"{key}.npy", EPOCH), content.getvalue())
    return packed.getvalue()


def _from_safetensors(content: bytes, path: Path) -> dict[str, Array]:
    library = _safetensors_library()
    try:
        entries = library.deserialize(content)
    except library.SafetensorError as error:
        raise UnusableError(f"{path} must be a whole .safetensors file: {error}") from error
    return {key: _array(f"{key} of {path}", entry) for key, entry in entries}


def _array(name: str, entry: Mapping[str, Any]) -> Array:
    kind = _TYPES.get(entry["dtype"])
    if kind is None:
        raise UnusableError(f"{name} must be of type {', '.join(_TYPES)}, not {entry['dtype']}")
    return np.frombuffer(bytes(entry["data"]), np.dtype(kind)).reshape(entry["shape"])


def _safetensors(arrays: Mapping[str, Array], about: Mapping[str, Any], _: Path) -> bytes:
    _safetensors_library()
    from safetensors.numpy import save  # noqa: PLC0415 - an extra

    whole = {key: np.asarray(array, order="C") for key, array in arrays.items()}
    return save(whole, metadata={"xvolution": json.dumps(about, sort_keys=True)})


def _safetensors_library() -> Any:
    """The safetensors package; with ml_dtypes NumPy knows bfloat16.

    Raises
    ------
    UnusableError
        If one of them is not installed.
    """
    try:
        import ml_dtypes  # noqa: PLC0415, F401 - an extra, registers bfloat16
        import safetensors  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UnusableError(
            "safetensors files need the onnx extra: pip install 'xvolution[onnx]'"
        ) from error
    return safetensors
