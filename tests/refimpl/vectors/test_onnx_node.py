"""A convolution inside somebody's ONNX model, on somebody's input."""

import numpy as np
import pytest

from refimpl.onnx_graph.upstream import convolution_in
from refimpl.ops.conv2d import conv2d
from refimpl.vectors.case import Choices, bare_name
from refimpl.vectors.onnx_node import onnx_cases
from refimpl.vectors.stages import stages

onnx = pytest.importorskip("onnx")
h = onnx.helper
FLOAT = onnx.TensorProto.FLOAT
RNG = np.random.default_rng(11)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


WEIGHTS = {
    "w1": numbers(4, 3, 3, 3),
    "b1": numbers(4),
    "gamma": numbers(4),
    "beta": numbers(4),
    "mean": numbers(4),
    "var": np.abs(numbers(4)) + 1,
    "w2": numbers(5, 4, 3, 3),
    "w3": numbers(2, 5, 2, 2),
}
X = numbers(1, 3, 8, 7)


def model(*nodes, inputs=("x",), output="y", weights=None):
    own = WEIGHTS if weights is None else weights
    used = {name for node in nodes for name in node.input}
    graph = h.make_graph(
        list(nodes),
        "g",
        [h.make_tensor_value_info(name, FLOAT, None) for name in inputs],
        [h.make_tensor_value_info(output, FLOAT, None)],
        [onnx.numpy_helper.from_array(a, name) for name, a in own.items() if name in used],
    )
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])


CONV1 = h.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1])
NORM = h.make_node("BatchNormalization", ["c1", "gamma", "beta", "mean", "var"], ["n1"])
RELU = h.make_node("Relu", ["n1"], ["r1"])
CONV2 = h.make_node("Conv", ["r1", "w2"], ["y"], name="second", strides=[2, 1], dilations=[1, 2])
DEEP = model(CONV1, NORM, RELU, CONV2)


def test_the_node_gets_what_the_layers_before_it_compute():
    found = convolution_in(DEEP, "second", {"x": X})
    first = conv2d(X.astype(float), WEIGHTS["w1"].astype(float), WEIGHTS["b1"], padding=1)
    wide = (slice(None), None, None)
    scale = WEIGHTS["gamma"] / np.sqrt(WEIGHTS["var"] + 1e-5)
    real = (first - WEIGHTS["mean"][wide]) * scale[wide] + WEIGHTS["beta"][wide]
    np.testing.assert_allclose(found.x, np.maximum(real, 0), rtol=1e-4, atol=1e-5)
    assert (found.stride, found.dilation, found.padding) == ((2, 1), (1, 2), (0, 0))
    np.testing.assert_array_equal(found.b, np.zeros(5))


def test_the_fp32_case_is_the_models_own_answer():
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    (expected,) = ReferenceEvaluator(DEEP).run(None, {"x": X})
    cases = onnx_cases(convolution_in(DEEP, "y", {"x": X}), "y", Choices(), stimulus={})
    integers, floats = cases
    np.testing.assert_allclose(stages(floats)["output"], expected, rtol=1e-4, atol=1e-4)
    own = integers.attributes
    real = (stages(integers)["output"].astype(float) - own["y_zero"]) * own["y_scale"]
    assert np.abs(real - expected).max() < 5 * own["y_scale"]
    assert bare_name(integers.id) == "y-conv2d-int8"


def test_the_nodes_own_input_may_be_given_instead():
    given = np.abs(numbers(1, 4, 6, 6))
    found = convolution_in(DEEP, "second", {"r1": given})
    np.testing.assert_array_equal(found.x, given)


@pytest.mark.parametrize(
    ("attributes", "padding"),
    [
        ({"auto_pad": "VALID"}, (0, 0, 0, 0)),
        ({"auto_pad": "SAME_UPPER"}, (0, 0, 1, 1)),
        ({"auto_pad": "SAME_LOWER"}, (1, 1, 0, 0)),
        ({"pads": [0, 2, 1, 0]}, (0, 2, 1, 0)),
    ],
)
def test_sides_padded_differently_are_padded_in_the_input(attributes, padding):
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    one = model(h.make_node("Conv", ["x", "w3"], ["y"], name="c", **attributes))
    x = numbers(1, 5, 5, 5)
    found = convolution_in(one, "c", {"x": x})
    top, left, bottom, right = padding
    wide = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    np.testing.assert_array_equal(found.x, wide)
    assert found.padding == (0, 0)
    (_, floats) = onnx_cases(found, "c", Choices(), stimulus={})
    (expected,) = ReferenceEvaluator(one).run(None, {"x": x})
    np.testing.assert_allclose(stages(floats)["output"], expected, rtol=1e-4, atol=1e-4)


def test_matrix_products_before_the_node_are_summed_in_order():
    a = numbers(6, 20)
    weights = {"a": numbers(20, 48), "s": np.array([1, 3, 4, 24], np.int64), "w1": WEIGHTS["w1"]}
    one = model(
        h.make_node("MatMul", ["x", "a"], ["m"]),
        h.make_node("Reshape", ["m", "s"], ["r"]),
        h.make_node("Conv", ["r", "w1"], ["y"], name="c"),
        weights=weights,
    )
    found = convolution_in(one, "c", {"x": a})
    total = np.zeros((6, 48), np.float32)
    for k in range(20):
        total = total + a[:, k, None] * weights["a"][k]
    np.testing.assert_array_equal(found.x, total.reshape(1, 3, 4, 24))


@pytest.mark.parametrize(
    ("node", "feeds", "sentence"),
    [
        ("third", {"x": X}, "node must be one of first, second, not 'third'"),
        ("r1", {"x": X}, "node r1 must be a Conv, not Relu"),
        ("second", {}, "the model's inputs x must be given"),
        ("first", {"x": X.astype(np.float64)}, "must have its input in float32, not float64"),
        ("first", {"x": X[0]}, "must be a 2-D convolution"),
    ],
)
def test_a_node_that_is_no_plain_convolution_is_refused(node, feeds, sentence):
    with pytest.raises(ValueError, match=sentence):
        convolution_in(DEEP, node, feeds)


def test_a_library_of_unknown_bits_before_the_node_is_refused_by_name():
    one = model(
        h.make_node("Sigmoid", ["x"], ["s"], name="squash"),
        h.make_node("Conv", ["s", "w1"], ["y"], name="c"),
    )
    with pytest.raises(ValueError, match=r"Sigmoid \(squash\) before the node must be"):
        convolution_in(one, "c", {"x": X})


def test_a_node_in_groups_is_a_case_in_groups():
    """Judged by the evaluator of ONNX: integers would need another, floats are within its bound."""
    weights = {"g": numbers(6, 1, 3, 3)}
    grouped = model(
        h.make_node("Conv", ["x", "g"], ["y"], name="c", group=3, pads=[1, 1, 1, 1]),
        weights=weights,
    )
    found = convolution_in(grouped, "c", {"x": X})
    assert found.groups == 3
    for case in onnx_cases(found, "c", Choices(), stimulus={}):
        assert case.attributes["groups"] == 3
        output = stages(case)["output"]
        if case.arithmetic == "fp32":
            from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

            (y,) = ReferenceEvaluator(grouped).run(None, {"x": X})
            np.testing.assert_allclose(output, y, rtol=0, atol=1e-5)
        else:
            assert len(np.unique(output)) > 50
