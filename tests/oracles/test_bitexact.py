"""Bit-exact integers against ONNX Runtime and the ONNX reference: ConvInteger and QLinearConv.

`make test-oracles` installs ONNX Runtime. QLinearConv's scales x and y are powers of two, so that
its factor, a binary32 product and quotient, is the weights' own scale.
"""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from refimpl.bitexact.formats import Cast, decode, default_cast, encode, words_of
from refimpl.bitexact.operators import PIPELINES

ort = pytest.importorskip("onnxruntime", reason="make test-oracles installs ONNX Runtime")

GEOMETRIES = [
    {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1]},
    {"stride": [2, 1], "padding": [0, 2], "dilation": [1, 2]},
    {"stride": [3, 2], "padding": [2, 1], "dilation": [2, 1]},
]
INT8, UINT8, INT32, FLOAT = (
    TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.FLOAT,
)  # fmt: skip


def model(operator, inputs, output, attributes):
    names = [name for name, _ in inputs]
    node = helper.make_node(operator, names, ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in inputs],
        [helper.make_tensor_value_info("y", output, None)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made


def onnx_attributes(geometry):
    top, left = geometry["padding"]
    return {
        "pads": [top, left, top, left],
        "strides": geometry["stride"],
        "dilations": geometry["dilation"],
    }


def call(seed, geometry, outputs=5):
    rng = np.random.default_rng(seed)
    tensors = {
        "x": rng.integers(-128, 128, (2, 7, 9, 8)).astype(np.int8),
        "w": rng.integers(-128, 128, (outputs, 7, 3, 3)).astype(np.int8),
        "b": rng.integers(-(2**16), 2**16, outputs).astype(np.int32),
        "multiplier": (rng.integers(2**23, 2**24, outputs) / 2.0**35).astype(np.float32),
    }
    return tensors, geometry | {"x_zero": 9, "y_zero": -4, "rounding": "float_even"}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_accumulators_are_those_of_conv_integer_in_both_evaluators(geometry):
    tensors, attributes = call(1, geometry)
    expected = PIPELINES["conv2d", "int8"](tensors, attributes)["accumulator"]
    # ONNX Runtime takes unsigned images only: the same numbers, 128 higher.
    x = (tensors["x"].astype(np.int16) + 128).astype(np.uint8)
    feed = {"x": x, "w": tensors["w"], "x_zero": np.array(9 + 128, np.uint8)}
    made = model(
        "ConvInteger",
        [("x", UINT8), ("w", INT8), ("x_zero", UINT8)],
        INT32,
        onnx_attributes(geometry),
    )
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, feed)[0], expected)
    signed = model(
        "ConvInteger",
        [("x", INT8), ("w", INT8), ("x_zero", INT8)],
        INT32,
        onnx_attributes(geometry),
    )
    feed = {"x": tensors["x"], "w": tensors["w"], "x_zero": np.array(9, np.int8)}
    np.testing.assert_array_equal(ReferenceEvaluator(signed).run(None, feed)[0], expected)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("seed", range(4))
def test_outputs_are_those_of_qlinear_conv_in_onnx_runtime(geometry, seed):
    tensors, attributes = call(seed, geometry)
    kinds = {
        "x": INT8, "x_scale": FLOAT, "x_zero": INT8, "w": INT8, "w_scale": FLOAT, "w_zero": INT8,
        "y_scale": FLOAT, "y_zero": INT8, "b": INT32,
    }  # fmt: skip
    feed = {
        "x": tensors["x"],
        "x_scale": np.array(0.25, np.float32),
        "x_zero": np.array(9, np.int8),
        "w": tensors["w"],
        "w_scale": tensors["multiplier"],
        "w_zero": np.zeros(5, np.int8),
        "y_scale": np.array(0.25, np.float32),
        "y_zero": np.array(-4, np.int8),
        "b": tensors["b"],
    }
    made = model("QLinearConv", list(kinds.items()), INT8, onnx_attributes(geometry))
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    got = PIPELINES["conv2d", "int8"](tensors, attributes)["output"]
    np.testing.assert_array_equal(session.run(None, feed)[0], got)
    assert len(np.unique(got)) > 30


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fp16", TensorProto.FLOAT16),
        ("bf16", TensorProto.BFLOAT16),
        ("fp8_e4m3", TensorProto.FLOAT8E4M3FN),
        ("fp8_e5m2", TensorProto.FLOAT8E5M2),
    ],
)
def test_casts_from_binary32_are_those_of_onnxs_cast(name, kind):
    """ONNX's Cast saturates fp8; there and back, so that the runtime shows its numbers in fp32."""
    rng = np.random.default_rng(2)
    x = (rng.standard_normal(20000) * 2.0 ** rng.integers(-20, 14, 20000)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["x"], ["narrow"], to=kind),
        helper.make_node("Cast", ["narrow"], ["y"], to=FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [20000])],
        [helper.make_tensor_value_info("y", FLOAT, [20000])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    made.ir_version = 9
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    cast = Cast(format=name, overflow="saturate") if "fp8" in name else default_cast(name)
    ours = decode(encode(x.astype(float), cast)).astype(np.float32)
    np.testing.assert_array_equal(words_of(session.run(None, {"x": x})[0]), words_of(ours))
