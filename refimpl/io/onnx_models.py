"""Somebody's ONNX model and the arrays that enter it, read within bounds."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.io.files import UnusableError, read
from refimpl.io.tables import plain_array


def read_onnx(path: Path) -> tuple[Any, str]:
    """Read a model that holds its weights; return it with its SHA-256.

    Raises
    ------
    UnusableError
        If it is not there, no model, keeps weights elsewhere, or the onnx extra is missing.
    """
    try:
        import onnx  # noqa: PLC0415 - an extra
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # noqa: PLC0415
    except ImportError as error:
        raise UnusableError(
            "ONNX models need the onnx extra: pip install 'xvolution[onnx]'"
        ) from error
    raw = read(path, f"{path} must be an ONNX model")
    try:
        model = onnx.load_model_from_string(raw)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnusableError(f"{path} must be a valid ONNX model: {first}") from error
    for each in model.graph.initializer:
        if each.data_location == onnx.TensorProto.EXTERNAL:
            raise UnusableError(f"{path} must hold its weights: {each.name} is in another file")
    return model, sha256(raw).hexdigest()


def _must_have_shape(model: Any, name: str, array: Array, path: str) -> None:
    """Refuse an array of another shape than the model declares; a named size may be any."""
    declared = next((each for each in model.graph.input if each.name == name), None)
    if declared is None or not declared.type.tensor_type.HasField("shape"):
        return
    sides = [
        (side.dim_value if side.HasField("dim_value") else side.dim_param or "any")
        for side in declared.type.tensor_type.shape.dim
    ]
    fits = len(sides) == array.ndim and all(
        isinstance(side, str) or side == size
        for side, size in zip(sides, array.shape, strict=False)
    )
    if not fits:
        shape = ", ".join(map(str, sides))
        raise UnusableError(
            f"{path} must have the shape ({shape}) that the model's input {name} has, not "
            f"{array.shape}"
        )


def read_feeds(model: Any, given: Sequence[str]) -> tuple[dict[str, Array], str]:
    """Arrays that enter a model: ``x.npy`` for its one input, or ``name=x.npy``; and their hash.

    Raises
    ------
    UnusableError
        If a file is no plain .npy of numbers, has another shape than the model says, or it is not
        said which input it is.
    """
    constants = {each.name for each in model.graph.initializer}
    inputs = [each.name for each in model.graph.input if each.name not in constants]
    feeds, digest = {}, sha256()
    for text in given:
        name, _, path = text.rpartition("=")
        if not name and len(inputs) != 1:
            raise UnusableError(f"--input must be NAME=FILE, of {', '.join(inputs)}, not {text}")
        raw = read(Path(path), f"{path} must be a .npy file")
        array = plain_array(raw, path)
        real = np.issubdtype(array.dtype, np.floating)
        _must_have_shape(model, name or inputs[0], array, path)
        feeds[name or inputs[0]] = array.astype(np.float32) if real else array
        digest.update(raw)
    return feeds, digest.hexdigest()
