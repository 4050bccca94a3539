"""A convolution as a TOSA test case: ``desc.json``, ``test.tosa`` and its tensors as ``.npy``.

    CONV2D (NHWC, OHWI, int8, zero points) -> RESCALE (scale32, single rounding, per channel)
    CONV2D (fp32)

TOSA's single rounding is ``half_up``: (a·m + 2^(s−1)) >> s. The flatbuffer is written by the
serializer of TOSA's own tools (``tosa-tools``), which want a NumPy older than ours may be: they
live in an environment of their own, and this module says so where they are not there.

Source: TOSA 1.0 specification, CONV2D, RESCALE and apply_scale_32.
"""

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.io.files import UnusableError
from refimpl.vectors.case import Case
from refimpl.vectors.files.numpy_file import to_npy
from refimpl.vectors.formats import format_of
from refimpl.vectors.stages import stages

TOOLS = "tosa-tools==2026.8.0"
MODULES = ("tosa.DType", "tosa.Op", "serializer.tosa_serializer")  # deprecated, and all there is


def tosa_files(case: Case) -> Iterator[tuple[str, bytes]]:
    """Files of a TOSA test of one case, by name within its directory.

    Raises
    ------
    UnusableError
        If the case is none that TOSA can say, or TOSA's tools are not installed.
    """
    must_be_tosa(case)
    x, _ = _exactly_read(case)
    arrays = {
        "input-0": _channels_last(x),
        "const-w": _channels_last(case.tensors["w"]),
        "const-b": case.tensors["b"],
    }
    output = _channels_last(stages(case)["output"])
    flatbuffer, inputs = _graph(case, arrays, output)
    yield "test.tosa", flatbuffer
    yield "desc.json", _description(inputs, case).encode()
    yield "input-0.npy", to_npy(arrays["input-0"], format_of(arrays["input-0"]))
    yield "expected-result-0.npy", to_npy(output, format_of(output))


def must_be_tosa(case: Case) -> None:
    """Refuse a case that TOSA cannot say to the bit.

    Raises
    ------
    UnusableError
        With what TOSA would need.
    """
    if case.operator != "conv2d" or case.arithmetic not in ("int8", "fp32"):
        raise UnusableError(
            f"case {case.id} must be a conv2d in int8 or fp32 to be a TOSA case, not "
            f"{case.operator} in {case.arithmetic}"
        )
    if groups_of(case.attributes) != 1:
        raise UnusableError(
            f"case {case.id} must have 1 group, as CONV2D of TOSA has, not "
            f"{groups_of(case.attributes)}"
        )
    if case.arithmetic == "int8" and case.attributes["rounding"] != "half_up":
        raise UnusableError(
            f"case {case.id} must round half_up, TOSA's single rounding, not "
            f"{case.attributes['rounding']}"
        )
    if case.tensors.get("b") is None:
        raise UnusableError(f"case {case.id} must have a bias, as CONV2D of TOSA has")


def _graph(
    case: Case, arrays: Mapping[str, Array], output: Array
) -> tuple[bytes, list[tuple[str, str]]]:
    """The flatbuffer, and the names and files of what enters it."""
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            numbers, operators, writer = map(import_module, MODULES)
    except ImportError as error:
        raise UnusableError(
            f"TOSA cases need TOSA's own tools: pip install {TOOLS} 'numpy<2.2', in an "
            f"environment of its own"
        ) from error
    dtype, op = numbers.DType(), operators.Op()
    integer = case.arithmetic == "int8"
    kind, sums = (dtype.INT8, dtype.INT32) if integer else (dtype.FP32, dtype.FP32)
    with tempfile.TemporaryDirectory() as folder:
        graph = writer.TosaSerializer(folder)
        x = graph.addPlaceholder(list(arrays["input-0"].shape), kind, None)
        w, b = (
            graph.addConst(
                list(arrays[f"const-{of}"].shape), wide, arrays[f"const-{of}"], f"const-{of}"
            )
            for of, wide in (("w", kind), ("b", sums))
        )
        zeros = [case.attributes["x_zero"], 0] if integer else [0.0, 0.0]
        x_zero, w_zero = (
            graph.addConst(
                [1], kind, np.array([zero], arrays["input-0"].dtype), f"const-{name}-zero"
            )
            for zero, name in zip(zeros, "xw", strict=True)
        )
        stride, dilation = (list(case.attributes[key]) for key in ("stride", "dilation"))
        convolution = writer.TosaSerializerAttribute()
        convolution.Conv2dAttribute(_exactly_read(case)[1], stride, dilation, False, sums)
        if integer:
            acc = graph.addIntermediate(list(output.shape), sums)
        else:
            acc = graph.addOutput(list(output.shape), sums)
        names = [x.name, w.name, b.name, x_zero.name, w_zero.name]
        graph.addOperator(op.CONV2D, names, [acc.name], convolution)
        if integer:
            _rescale(graph, writer, (dtype, op), case, acc.name, list(output.shape))
        content = bytes(graph.serialize())
    return content, [(x.name, "input-0.npy")]


def _exactly_read(case: Case) -> tuple[Array, list[int]]:
    """Image and pads (top, bottom, left, right) without what no tap reads: TOSA wants it so."""
    x, kernel = case.tensors["x"], case.tensors["w"].shape[2:]
    pads = []
    for axis, side in ((2, kernel[0]), (3, kernel[1])):
        step, apart, pad = (
            case.attributes[key][axis - 2] for key in ("stride", "dilation", "padding")
        )
        idle = (x.shape[axis] + 2 * pad - apart * (side - 1) - 1) % step
        after = pad - min(idle, pad)
        x = np.take(x, np.arange(x.shape[axis] - (idle - (pad - after))), axis=axis)
        pads += [pad, after]
    return x, pads


def _rescale(
    graph: Any, writer: Any, enums: tuple[Any, Any], case: Case, source: str, shape: list[int]
) -> None:
    dtype, op = enums
    outputs = shape[-1]
    constants = [
        ("multiplier", [outputs], dtype.INT32, case.tensors["multiplier"].astype(np.int32)),
        ("shift", [outputs], dtype.INT8, case.tensors["shift"].astype(np.int8)),
        ("acc-zero", [1], dtype.INT32, np.zeros(1, np.int32)),
        ("y-zero", [1], dtype.INT8, np.array([case.attributes["y_zero"]], np.int8)),
    ]
    names = [
        graph.addConst(size, kind, value, f"const-{name}").name
        for name, size, kind, value in constants
    ]
    attribute = writer.TosaSerializerAttribute()
    attribute.RescaleAttribute(
        True, import_module("tosa.RoundingMode").RoundingMode.SINGLE_ROUND, True, False, False
    )
    y = graph.addOutput(shape, dtype.INT8)
    graph.addOperator(op.RESCALE, [source, *names], [y.name], attribute)


def _description(inputs: list[tuple[str, str]], case: Case) -> str:
    said = {
        "tosa_file": "test.tosa",
        "ifm_name": [name for name, _ in inputs],
        "ifm_file": [file for _, file in inputs],
        "ofm_name": ["result-0"],
        "ofm_file": ["ref-result-0.npy"],
        "expected_failure": False,
        "expected_failure_desc": "",
        "profile": ["tosa-pro_int" if case.arithmetic == "int8" else "tosa-pro_fp"],
    }
    return json.dumps(said, indent=2) + "\n"


def _channels_last(array: Array) -> Array:
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))
