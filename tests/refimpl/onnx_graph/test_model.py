"""ONNX graphs, run by onnx's own reference implementation in float64, are the trained operator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.forms import FORMS as ALL_FORMS
from refimpl.forms import Fused, XVolution, fuse_xvolution, run_trained
from refimpl.nets.fold import fuse_network
from refimpl.nets.graph import EPS, Network, Node
from refimpl.nets.run import DEFINITIONS, run
from refimpl.nets.shapes import node_shapes
from refimpl.nets.sites import (
    OPERATORS,
    batch_norm,
    biased_convolution,
    convolution,
    fully_connected,
    max_pool,
    relu,
    site,
)
from refimpl.nets.small import small
from refimpl.onnx_graph import FORMS, fused_model, network_model
from refimpl.ops.batch_norm import BatchNorm
from tests.refimpl.nets.blank import drawn_parameters

onnx = pytest.importorskip("onnx", reason="graphs need the onnx extra")
from onnx.reference import ReferenceEvaluator  # noqa: E402 - it needs onnx

some = settings(deadline=None, derandomize=True, max_examples=15)
CLOSE = 1e-11  # of the largest number: float64, and no sum has more than some hundred terms
C, O = 3, 4  # noqa: E741 - as in the equations


def drawn(*shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def norm(seed):
    return BatchNorm(*drawn(3, O, seed=seed), np.random.default_rng(seed).uniform(0.5, 2, O))


def trained_of(attention, *, k_c=3, k_a=3, many=4, values=O, **options):
    """An X-volution with drawn weights; kernels are tied where both sides are the same."""
    w_c = drawn(O, C, k_c, k_c, seed=1)
    arrays = {"w_c": w_c, "b_c": drawn(O, seed=2)}
    if attention == "pssa":
        tied = np.concatenate([w_c * (number - 1.5) for number in range(many)], axis=1)
        arrays["w_a"] = tied if k_a == k_c else drawn(O, many * C, k_a, k_a, seed=3)
        return XVolution(attention=attention, arrays=arrays, **options)
    shapes = {"w_q": (2, C), "w_k": (2, C), "w_v": (values, C)}
    shapes |= {"w_o": (O, values)} if values != O else {}
    arrays |= {name: drawn(*shape, seed=len(name) + 4) for name, shape in shapes.items()}
    norms = {"bn_c": norm(7), "bn_a": norm(8)}
    return XVolution(attention=attention, arrays=arrays, **norms, **options)


def agrees(trained, x, **choices):
    fused = fuse_xvolution(trained, **choices)
    expected = run_trained(trained, x)
    for size in (None, x.shape[2:]):
        model = fused_model(fused, size=size)
        (y,) = ReferenceEvaluator(model).run(None, {"x": x})
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=0, atol=CLOSE * np.abs(expected).max())
    return model


@pytest.mark.parametrize("form", [form for kind, form in FORMS if kind == "pssa"])
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    k_a=st.sampled_from([1, 3]),
    length=st.integers(1, 6),
    boundary=st.sampled_from(["circular", "zero"]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
)
@some
def test_a_graph_with_pixel_shifts_is_the_trained_operator(
    form, size, k_a, length, boundary, stride, dilation
):
    """Shifts by more than the image among them, whether or not its size is known beforehand."""
    side = 3 if form == "tied" else k_a
    trained = trained_of(
        "pssa", k_a=side, length=length, boundary=boundary, stride=stride, dilation=dilation
    )
    agrees(trained, drawn(2, C, *size, seed=9), form=form, tolerance=1e-12)


@pytest.mark.parametrize("normalise", ["none", "softmax"])
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    window=st.sampled_from([1, 3, (1, 5)]),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
)
@some
def test_a_graph_of_the_local_kernel_form_is_the_trained_operator(
    normalise, size, window, stride, dilation
):
    options = {"window": window, "normalise": normalise, "stride": stride, "dilation": dilation}
    agrees(trained_of("local_attention", **options), drawn(2, C, *size, seed=9))


@pytest.mark.parametrize("values", [O, 6])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("stride", [1, (2, 3)])
def test_a_graph_of_the_per_image_form_is_the_trained_operator(values, heads, stride):
    trained = trained_of("global_attention", values=values, heads=heads, stride=stride, scale=0.5)
    agrees(trained, drawn(3, C, 4, 5, seed=9))


def kinds(model):
    return [node.op_type for node in model.graph.node]


def test_a_circular_shift_is_slices_and_a_concatenation_and_a_zero_one_pads():
    x = drawn(1, C, 4, 5, seed=9)
    one = {"form": "feature"}
    circular = agrees(trained_of("pssa", many=1, directions=((0, 1),)), x, **one)
    assert kinds(circular) == ["Slice", "Slice", "Concat", "Mul", "Concat", "Conv"]
    zero = agrees(trained_of("pssa", many=1, directions=((0, 1),), boundary="zero"), x, **one)
    assert kinds(zero) == ["Pad", "Slice", "Mul", "Concat", "Conv"]


def test_the_tied_form_has_one_convolution_of_the_image_s_channels():
    model = agrees(trained_of("pssa"), drawn(1, C, 4, 5, seed=9), form="tied", tolerance=1e-12)
    (conv,) = [node for node in model.graph.node if node.op_type == "Conv"]
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    assert shapes[conv.input[1]] == (O, C, 3, 3)


def test_sizes_are_free_unless_said():
    def sides(model):
        return [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]

    fused = fuse_xvolution(trained_of("pssa"))
    assert sides(fused_model(fused)) == ["N", C, "H", "W"]
    assert sides(fused_model(fused, size=(4, 5))) == ["N", C, 4, 5]


def test_the_same_arrays_give_the_same_bytes():
    fused = fuse_xvolution(trained_of("pssa"))
    first, again = (fused_model(fused, about={"a": "1", "b": "2"}) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == again.SerializeToString(
        deterministic=True
    )
    assert {each.key: each.value for each in first.metadata_props} == {"a": "1", "b": "2"}


def test_a_form_without_a_graph_is_refused():
    assert {form for _, form in FORMS} == {f for forms in ALL_FORMS.values() for f in forms}
    fused = fuse_xvolution(trained_of("pssa"), form="kernel")
    with pytest.raises(ValueError, match=r"in one of the forms feature, two-pass, .* not 'kernel'"):
        fused_model(fused)


@pytest.mark.parametrize("dtype", ["bfloat16", "int64"])
def test_numbers_that_graphs_do_not_compute_in_are_refused(dtype):
    pytest.importorskip("ml_dtypes")
    fused = fuse_xvolution(trained_of("pssa"))
    arrays = {name: array.astype(dtype) for name, array in fused.arrays.items()}
    with pytest.raises(ValueError, match=f"one of float16, float32, float64, not {dtype}"):
        fused_model(Fused(attention="pssa", form="feature", arrays=arrays, options=fused.options))


def test_without_the_onnx_extra_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ValueError, match=r"need the onnx extra: pip install 'xvolution\[onnx\]'"):
        fused_model(fuse_xvolution(trained_of("pssa")))


def network_agrees(network, size, channels=3, *, fixed, close=CLOSE):
    """Run a fused network and its graph; both give the unfused network's answers."""
    parameters, x = drawn_parameters(network), drawn(2, channels, *size, seed=4)
    fused, folded = fuse_network(network, parameters)
    rows = {row.name: row.output for row in node_shapes(fused, *size, channels=channels)}
    images = {name: shape[1:] for name, shape in rows.items() if len(shape) == 3}
    model = network_model(
        fused.nodes,
        folded,
        answers=[(name, rows[name]) for name in fused.answers],
        channels=channels,
        eps=EPS,
        sizes={"image": size, **images} if fixed else None,
    )
    expected = run(network, parameters, x, arithmetic=DEFINITIONS)
    answers = ReferenceEvaluator(model).run(None, {"image": x})
    for name, answer in zip(network.answers, answers, strict=True):
        atol = close * np.abs(expected[name]).max()
        np.testing.assert_allclose(answer, expected[name], rtol=0, atol=atol)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("fixed", [True, False])
def test_a_graph_of_a_whole_network_with_any_operator_answers_alike(operator, fixed):
    network_agrees(small(operator, classes=3), (9, 10), 1, fixed=fixed)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_graph_of_a_site_that_strides_answers_alike(operator):
    network_agrees(
        Network(name="site", nodes=site(operator, "one", "image", 3, 4, stride=2)), (5, 4), fixed=1
    )


def test_groups_biases_pools_and_flattening_have_graphs():
    nodes = (
        biased_convolution("conv", "image", 4, 6, side=3, stride=2, padding=1, groups=2),
        relu("conv", "conv"),
        max_pool("pool", "conv.relu", kernel=3, stride=2),
        Node(name="flatten", kind="flatten", inputs=("pool",)),
        fully_connected("fc", "flatten", 6 * 2 * 3, 5),
    )
    network_agrees(Network(name="old", nodes=nodes), (9, 13), 4, fixed=True)


def test_a_response_norm_has_a_graph():
    """As many images as channels: for others onnx's own implementation stops short of a channel.

    Its α, β and k are binary32 in ONNX, whatever the arrays are.
    """
    attributes = {"size": 5, "alpha": 0.01, "beta": 0.75, "k": 2}
    nodes = (
        *convolution("first", "image", 2, 2, side=1, stride=1),
        Node(name="norm", kind="local_response_norm", inputs=("first.bn",), attributes=attributes),
    )
    network_agrees(Network(name="old", nodes=nodes), (3, 4), 2, fixed=True, close=1e-6)


def test_a_pyramid_has_several_answers_and_upsamples():
    nodes = (
        *convolution("first", "image", 3, 3, side=3, stride=1),
        Node(name="small", kind="max_pool2d", inputs=("first.bn",),
             attributes={"kernel": 2, "stride": 2, "padding": 0}),
        Node(name="large", kind="upsample_nearest", inputs=("small", "first.bn")),
        Node(name="sum", kind="add", inputs=("large", "first.bn")),
    )  # fmt: skip
    network_agrees(Network(name="both", nodes=nodes, outputs=("sum", "small")), (5, 7), fixed=False)


def test_a_normalisation_that_stays_has_a_graph():
    nodes = (Node(name="one", kind="relu", inputs=("image",)), batch_norm("one", 3))
    network_agrees(Network(name="other", nodes=nodes), (3, 4), fixed=False)


def test_a_layer_that_is_not_fused_yet_is_refused_by_name():
    network = small("xvolution", classes=3)
    with pytest.raises(
        ValueError, match=r"conv2_1.conv1 must be of a kind that has a graph .* not"
    ):
        network_model(
            network.nodes, drawn_parameters(network), answers=[("fc", (3,))], channels=1, eps=EPS
        )
