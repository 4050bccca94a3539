"""Layer cases of a network of six nodes on a small picture."""

import numpy as np
import pytest

import refimpl as ref
from refimpl.nets.graph import EPS, Network, Node
from refimpl.nets.run import DEFINITIONS, run
from refimpl.vectors.case import Choices, bare_name
from refimpl.vectors.layer import layer_cases
from refimpl.vectors.network import inputs_of, network_cases, prepare, until
from refimpl.vectors.stages import stages

SHIFTS = {"directions": ((0, -1), (1, 0)), "length": 1, "boundary": "circular"}
TINY = Network(
    name="tiny",
    nodes=(
        Node(
            name="conv1",
            kind="conv2d",
            inputs=("image",),
            attributes={"stride": (1, 1), "padding": (1, 1)},
            shapes={"w": (4, 3, 3, 3)},
        ),
        Node(name="conv1.bn", kind="batch_norm", inputs=("conv1",), shapes={"bn": (4,)}),
        Node(name="conv1.relu", kind="relu", inputs=("conv1.bn",)),
        Node(
            name="mix",
            kind="xvolution",
            inputs=("conv1.relu",),
            attributes={"stride": (2, 2), **SHIFTS},
            shapes={"w_c": (5, 4, 3, 3), "w_a": (5, 8, 3, 3), "bn_c": (5,), "bn_a": (5,)},
        ),
        Node(name="mix.relu", kind="relu", inputs=("mix",)),
        Node(name="avgpool", kind="global_avg_pool", inputs=("mix.relu",)),
    ),
)
LAYERS = ["conv1", "mix"]
OPERATORS = ["shift_product", "pssa", "xvolution", "xvolution_fused"]


@pytest.fixture(scope="module")
def prepared():
    pixels = np.random.default_rng(5).integers(0, 256, (20, 24, 3)).astype(np.uint8)
    return prepare(TINY, pixels, side=10, keep=inputs_of(TINY, LAYERS))


def cases_of(prepared, arithmetic, **options):
    choices = Choices(arithmetics=(arithmetic,))
    made, _ = network_cases(prepared, LAYERS, choices, stimulus={"image": "none"}, **options)
    return {case.operator: case for case in made}


def output_of(case):
    *_, output = stages(case).values()
    return output


@pytest.fixture(scope="module")
def defined(prepared):
    """Activations by the definitions, in binary64, of the unfused network."""
    wide = {
        name: {
            key: type(value)(*(each.astype(float) for each in value))
            if isinstance(value, tuple)
            else value.astype(float)
            for key, value in weights.items()
        }
        for name, weights in prepared.parameters.items()
    }
    image = prepared.image.astype(float)
    keep = ["conv1.bn", "conv1.relu", "mix"]
    return run(TINY, wide, image, arithmetic=DEFINITIONS, keep=keep), wide


def test_a_layer_yields_every_form_of_it_in_every_arithmetic(prepared):
    cases, _ = network_cases(prepared, LAYERS, Choices(), stimulus={"image": "none"})
    assert [bare_name(case.id) for case in cases] == [
        "conv1-conv2d-int8",
        "conv1-conv2d-fp32",
        *(f"mix-{name.replace('_', '-')}-int8" for name in OPERATORS),
        *(f"mix-{name.replace('_', '-')}-fp32" for name in OPERATORS),
    ]
    for case in cases:
        assert case.stimulus["class"] == "network"
        assert case.stimulus["network"] == "tiny"
        assert case.stimulus["layer"] in LAYERS


def test_float_cases_are_the_layers_of_the_network_with_normalisation_folded(prepared, defined):
    activations, wide = defined
    cases = cases_of(prepared, "fp32")
    expected = {
        "conv2d": activations["conv1.bn"],
        "shift_product": ref.shift_product(activations["conv1.relu"], **SHIFTS),
        "xvolution": activations["mix"],
        "xvolution_fused": activations["mix"],
        "pssa": ref.batch_norm(
            ref.pssa(activations["conv1.relu"], wide["mix"]["w_a"], stride=2, **SHIFTS),
            *wide["mix"]["bn_a"],
            eps=EPS,
        ),
    }
    assert set(cases) == set(expected)
    for operator, case in cases.items():
        np.testing.assert_allclose(output_of(case), expected[operator], rtol=1e-4, atol=1e-4)


def test_the_input_of_a_layer_is_the_bit_exact_activation_of_the_fused_network(prepared):
    for arithmetic in ("fp32",):
        cases = cases_of(prepared, arithmetic)
        np.testing.assert_array_equal(cases["conv2d"].tensors["x"], prepared.image)
        for operator in OPERATORS:
            x = cases[operator].tensors["x"]
            np.testing.assert_array_equal(x, prepared.activations["conv1.relu"])


def test_int8_cases_read_with_their_scales_are_close_to_the_float_ones(prepared):
    floats, integers = cases_of(prepared, "fp32"), cases_of(prepared, "int8")
    assert set(floats) == set(integers)
    for operator, case in integers.items():
        real, named = output_of(floats[operator]), "t" if operator == "shift_product" else "y"
        scale, zero = (case.attributes[f"{named}_{of}"] for of in ("scale", "zero"))
        read = (output_of(case).astype(float) - zero) * scale
        off = np.abs(read - real)
        assert off.max() < 0.05 * (real.max() - real.min()), operator
        assert off.mean() < 0.015 * (real.max() - real.min()), operator
        x = floats[operator].tensors["x"]
        back = (case.tensors["x"].astype(float) - case.attributes["x_zero"]) * (
            case.attributes["x_scale"]
        )
        assert np.abs(back - x).max() <= case.attributes["x_scale"]


def test_a_crop_is_the_middle_of_what_enters_the_layer(prepared):
    whole, cropped = cases_of(prepared, "fp32"), cases_of(prepared, "fp32", crop=4)
    for operator, case in cropped.items():
        np.testing.assert_array_equal(
            case.tensors["x"], whole[operator].tensors["x"][:, :, 3:7, 3:7]
        )
        assert case.stimulus["crop"] == 4


@pytest.mark.parametrize("crop", [0, 11, -1])
def test_a_crop_that_does_not_fit_is_refused(prepared, crop):
    with pytest.raises(ValueError, match=f"crop must be from 1 to 10 for this layer, not {crop}"):
        cases_of(prepared, "fp32", crop=crop)


def test_a_layer_without_kernels_is_refused(prepared):
    with pytest.raises(
        ValueError, match=r"layer mix\.relu must be a convolution, an X-volution or"
    ):
        layer_cases(TINY.node("mix.relu"), {}, prepared.image, Choices(), stimulus={})


def test_kernel_groups_too_unequal_for_one_int8_scale_have_no_fused_form_and_say_why(prepared):
    weights = dict(prepared.parameters["mix"])
    weights["bn_a"] = weights["bn_a"]._replace(gamma=weights["bn_a"].gamma / 1e5)
    x = prepared.activations["conv1.relu"]
    node, choices = TINY.node("mix"), Choices(arithmetics=("int8", "fp32"))
    cases, excluded = layer_cases(node, weights, x, choices, stimulus={})
    assert [case.operator for case in cases] == [*OPERATORS[:3], *OPERATORS]
    (one,) = excluded
    assert one.what == "mix-xvolution-fused-int8"
    assert "must cost at most 6 bits of the smaller, and here it costs" in one.reason


def test_the_network_is_run_no_further_than_the_last_layer_needs():
    assert [node.name for node in until(TINY, ["conv1"]).nodes] == ["conv1", "conv1.bn"]
    assert until(TINY, ["mix", "conv1"]).nodes[:4] == TINY.nodes[:4]
    with pytest.raises(ValueError, match="layer must be one of tiny's"):
        until(TINY, ["conv7"])


def test_the_inputs_of_layers_are_named_as_in_the_fused_network():
    assert inputs_of(TINY, LAYERS) == ["image", "conv1.relu"]
