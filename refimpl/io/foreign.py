"""Others' test cases from files: ONNX test data (``model.onnx`` beside ``test_data_set_*``), TOSA.

A TOSA case is a ``desc.json`` beside its graph in JSON, as its conformance generator writes them
with ``--output-type json``, and ``.npy`` inputs. Only convolutions are read; what else is there is
counted, not guessed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.io.cases import read_cases
from refimpl.io.files import UnusableError, inside, opened, read
from refimpl.io.sets import is_set
from refimpl.score.foreign import (
    Convolution,
    float_subjects,
    integer_subject,
    requantised_subject,
)
from refimpl.score.kill import Subject
from refimpl.vectors.write import MANIFEST

Pads: TypeAlias = tuple[int, int, int, int]
CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv")


def read_subjects(root: Path) -> tuple[int, Iterator[Subject]]:
    """How many cases a directory holds (at most), and they one by one: a set of ours, ONNX or TOSA.

    Raises
    ------
    UnusableError
        If it is none of them.
    """
    if is_set(root):
        count, cases = read_cases(root)
        return count, (Subject(case) for case in cases)
    if not root.is_dir():
        raise UnusableError(f"{root} must be a directory: a set, ONNX test data or TOSA cases")
    onnx_cases = sorted(path.parent for path in root.rglob("model.onnx"))
    tosa_cases = sorted(path.parent for path in root.rglob("desc.json"))
    if not onnx_cases and not tosa_cases:
        raise UnusableError(
            f"{root} must hold a {MANIFEST}, or model.onnx or desc.json files of test cases"
        )
    return len(onnx_cases) + len(tosa_cases), _subjects(root, onnx_cases, tosa_cases)


def _subjects(root: Path, onnx_cases: list[Path], tosa_cases: list[Path]) -> Iterator[Subject]:
    for place in onnx_cases:
        yield from onnx_subjects(place)
    for place in tosa_cases:
        yield from tosa_subjects(place, str(place.relative_to(root)))


def onnx_subjects(place: Path) -> Iterator[Subject]:
    """The convolutions of an ONNX test case: a model of one Conv, ConvInteger or QLinearConv.

    Weights may be inputs or initialisers. Models of anything else, and images that are not
    two-dimensional, are passed over.

    Raises
    ------
    UnusableError
        If a file is missing or not what ONNX writes.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # noqa: PLC0415
    from onnx import ModelProto, TensorProto, numpy_helper  # noqa: PLC0415 - extra, at the edge

    model = ModelProto()
    try:
        model.ParseFromString(read(place / "model.onnx", f"{place} must hold model.onnx"))
    except DecodeError as error:
        raise UnusableError(f"{place}/model.onnx must be an ONNX model") from error
    graph = model.graph
    if len(graph.node) != 1 or graph.node[0].op_type not in CONVOLUTIONS:
        return
    node = graph.node[0]
    for data in sorted(place.glob("test_data_set_*")):
        arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        wanted = [each.name for each in graph.input if each.name not in arrays]
        for at, name in enumerate(wanted):
            tensor = TensorProto()
            path = data / f"input_{at}.pb"
            try:
                tensor.ParseFromString(read(path, f"{data} must hold input_{at}.pb"))
            except DecodeError as error:
                raise UnusableError(f"{path} must be an ONNX tensor") from error
            arrays[name] = numpy_helper.to_array(tensor)
        operands = [arrays.get(name) for name in node.input]
        if operands[0] is not None and operands[0].ndim == 4:
            yield from _of_node(node, operands, f"{place.name}-{data.name[-1]}")


def _of_node(node: Any, operands: list[Any], name: str) -> list[Subject]:
    """A node with its operands, in the order of ONNX's definitions."""
    attributes = {each.name: list(each.ints) or each.i or each.s for each in node.attribute}
    common: dict[str, Any] = {
        "id": name.lower().replace("_", "-"),
        "source": f"ONNX {node.op_type}",
        "stride": tuple(attributes.get("strides", (1, 1))),
        "dilation": tuple(attributes.get("dilations", (1, 1))),
        "groups": next((int(each.i) for each in node.attribute if each.name == "group"), 1),
    }
    if node.op_type == "Conv":
        x, w, b = (*operands, None)[:3]
        found = Convolution(**common, x=x, w=w, b=b, pads=_pads(attributes, x, w, common))
        return float_subjects(found)
    if node.op_type == "ConvInteger":
        x, w, x_zero, w_zero = (*operands, None, None)[:4]
        found = Convolution(
            **common,
            x=x,
            w=w,
            pads=_pads(attributes, x, w, common),
            x_zero=_zeros(x_zero)[0],
            w_zero=_zeros(w_zero),
        )
        return [integer_subject(found)]
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b = (*operands, None)[:9]
    found = Convolution(
        **common,
        x=x,
        w=w,
        b=b,
        pads=_pads(attributes, x, w, common),
        x_zero=_zeros(x_zero)[0],
        w_zero=_zeros(w_zero),
    )
    factors = x_scale.astype(np.float64) * w_scale.astype(np.float64) / y_scale
    return [requantised_subject(found, np.atleast_1d(factors), _zeros(y_zero)[0])]


def _zeros(array: Array | None) -> tuple[int, ...]:
    """Zero points as integers; none is one of 0."""
    return (0,) if array is None else tuple(int(each) for each in np.atleast_1d(array))


def _pads(attributes: dict[str, Any], x: Any, w: Any, of: dict[str, Any]) -> Pads:
    """Padding top, left, bottom, right; auto_pad worked out as ONNX defines it."""
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto not in {b"SAME_UPPER", b"SAME_LOWER"}:
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        return top, left, bottom, right
    ends = []
    for size, kernel, step, apart in zip(
        x.shape[2:], w.shape[2:], of["stride"], of["dilation"], strict=True
    ):
        total = max((-(-size // step) - 1) * step + apart * (kernel - 1) + 1 - size, 0)
        less = total // 2
        ends.append((less, total - less) if auto == b"SAME_UPPER" else (total - less, less))
    return (ends[0][0], ends[1][0], ends[0][1], ends[1][1])


def tosa_subjects(place: Path, name: str) -> Iterator[Subject]:
    """The int8 CONV2D of a TOSA case, if it is one that must succeed.

    Raises
    ------
    UnusableError
        If the graph is not JSON, or a file is missing.
    """
    said = json.loads(read(place / "desc.json", f"{place} must hold desc.json"))
    if said.get("expected_failure"):
        return
    graph_file = inside(place, said["tosa_file"])
    try:
        graph = json.loads(read(graph_file, f"{place} must hold {said['tosa_file']}"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnusableError(
            f"{graph_file} must be a TOSA graph in JSON: generate with --output-type json"
        ) from error
    block = graph["regions"][0]["blocks"][0]
    operators = [each for each in block["operators"] if each["op"] == "CONV2D"]
    tensors = {each["name"]: each for each in block["tensors"]}
    if len(operators) != 1:
        return
    files = dict(zip(said["ifm_name"], said["ifm_file"], strict=True))
    arrays = [_tosa_tensor(place, each, tensors, files) for each in operators[0]["inputs"]]
    x, w, b, x_zero, w_zero = arrays
    if x is None or w is None or x.dtype != np.int8:
        return
    attribute = operators[0]["attribute"]
    top, bottom, left, right = attribute["pad"]
    yield integer_subject(
        Convolution(
            id=name.lower().replace("_", "-").replace("/", "-")[-100:],
            source="TOSA CONV2D",
            x=np.ascontiguousarray(x.transpose(0, 3, 1, 2)),
            w=np.ascontiguousarray(w.transpose(0, 3, 1, 2)),
            b=b if b is None or len(b) == len(w) else np.repeat(b, len(w)),
            stride=tuple(attribute["stride"]),
            dilation=tuple(attribute["dilation"]),
            pads=(top, left, bottom, right),
            x_zero=_zeros(x_zero)[0],
            w_zero=_zeros(w_zero),
        )
    )


def _tosa_file(path: Path, kind: type[Any]) -> Array:
    """An input in NumPy's format, or as the JSON beside it that TOSA's generator ships instead."""
    if path.exists():
        with opened(path, f"{path} must be a .npy file") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    said = json.loads(read(path.with_suffix(".json"), f"{path} must be there, or its .json"))
    return np.asarray(said["data"], kind)


TOSA_TYPES = {"INT8": np.int8, "INT32": np.int32}


def _tosa_tensor(
    place: Path, name: str, tensors: dict[str, Any], files: dict[str, str]
) -> Array | None:
    """A tensor from its file, or from the bytes in the graph; None where it is of another type."""
    described = tensors[name]
    kind = TOSA_TYPES.get(described["type"])
    if kind is None:
        return None
    if name in files:
        return _tosa_file(inside(place, files[name]), kind)
    raw = bytes(described["data"])
    shape = described["shape"]
    count = int(np.prod(shape))
    return np.frombuffer(raw, np.dtype(kind).newbyteorder("<"), count).reshape(shape)
