"""Convolutions in groups, forward and backward, against loops that know of groups."""

import numpy as np
import pytest

import refimpl as ref
from refimpl.bitexact.bounds import bound_outputs
from refimpl.bitexact.formats import decode
from refimpl.bitexact.operators import PIPELINES
from refimpl.fuse import expand_groups
from refimpl.vectors.case import KNOWN, Choices
from refimpl.vectors.stimuli import GROUPED, Sizes, random_cases
from tests.refimpl.bitexact import literal, literal_backward, literal_integer_backward

SIZES = Sizes(batch=2, channels=4, outputs=4, height=4, width=3, stride=1)


def one(operator, arithmetic, groups, **sizes):
    plain = {"batch": 1, "channels": 4, "outputs": 4, "height": 4, "width": 3}
    chosen = Sizes(**plain | sizes, groups=groups)
    (case,) = random_cases([operator], chosen, Choices(arithmetics=(arithmetic,)))
    return case


def judged(operator, arithmetic, case):
    """The literal stages of a case."""
    if operator.endswith("_backward") and arithmetic == "int8":
        of = {
            "conv2d_backward": literal_backward.conv2d_backward_integer,
            "pssa_backward": literal_integer_backward.pssa_backward,
            "xvolution_backward": literal_integer_backward.xvolution_backward,
        }[operator]
        return of(case.tensors, case.attributes)
    if operator == "conv2d_backward":
        exact = {name: literal_backward.exact(array) for name, array in case.tensors.items()}
        dx, dw, db = literal_backward.conv2d_backward(
            exact["dy"], exact["x"], exact["w"], case.attributes
        )
        return {"dx": dx, "dw": dw, "db": db}
    if operator == "pssa_backward":
        exact = {name: literal_backward.exact(array) for name, array in case.tensors.items()}
        dx, dproduct, dw, db = literal_backward.pssa_backward(
            exact["dy"], exact["x"], exact["w"], case.attributes, "fp32"
        )
        return {"dx": dx, "dproduct": dproduct, "dw": dw, "db": db}
    return literal.JUDGES[operator, arithmetic](case.tensors, case.attributes)


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "operator", ["conv2d", "pssa", "xvolution", "conv2d_backward", "pssa_backward"]
)
def test_every_stage_in_groups_is_what_loops_say(operator, arithmetic, groups, stride):
    case = one(operator, arithmetic, groups, stride=stride)
    assert case.attributes["groups"] == groups
    got = PIPELINES[operator, arithmetic](case.tensors, case.attributes)
    expected = judged(operator, arithmetic, case)
    assert "output" in expected or "dw" in expected
    for name, array in expected.items():
        np.testing.assert_array_equal(decode(got[name]), array.astype(float), name)


def test_gradients_of_x_volution_in_groups_are_what_python_integers_say():
    case = one("xvolution_backward", "int8", 2, batch=1)
    got = PIPELINES["xvolution_backward", "int8"](case.tensors, case.attributes)
    for name, array in judged("xvolution_backward", "int8", case).items():
        np.testing.assert_array_equal(decode(got[name]), array.astype(float), name)


@pytest.mark.parametrize("operator", GROUPED)
@pytest.mark.parametrize("arithmetic", KNOWN)
def test_groups_are_convolutions_of_their_own_channels(operator, arithmetic):
    """Zeros in the kernels of group 1 leave group 0 as it was, and the other way round."""
    case = one(operator, arithmetic, 2)
    run = PIPELINES[operator, arithmetic]
    whole = run(case.tensors, case.attributes)
    without = dict(case.tensors)
    for name in case.tensors:
        if name in ("w", "w_c", "w_a"):
            without[name] = case.tensors[name].copy()
            without[name][2:] = 0
    part = run(without, case.attributes)
    for name, array in whole.items():
        if name.endswith(("accumulator", "output")) and array.ndim == 4 and "dx" not in name:
            keep = array.shape[1] // 2
            same = array[:, :keep].tobytes() == part[name][:, :keep].tobytes()
            assert same, name


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_without_rounding_are_those_of_the_definition(groups):
    rng = np.random.default_rng(0)
    x, w = rng.integers(-3, 4, (2, 4, 5, 4)), rng.integers(-2, 3, (4, 4 // groups, 3, 3))
    dy = rng.integers(-2, 3, (2, 4, 5, 4))
    tensors = {"x": x, "w": w, "dy": dy}
    floats = {name: array.astype(np.float32) for name, array in tensors.items()}
    attributes = {"padding": [1, 1], "groups": groups}
    forward = PIPELINES["conv2d", "fp32"](floats, attributes)["output"]
    np.testing.assert_array_equal(forward, ref.conv2d(x, w, padding=1, groups=groups))
    back = PIPELINES["conv2d_backward", "fp32"](floats, attributes)
    real = ref.conv2d_backward(dy, x, w, padding=1, groups=groups)
    np.testing.assert_array_equal(back["dx"], real.x)
    np.testing.assert_array_equal(back["dw"], real.w)


@pytest.mark.parametrize("operator", ["conv2d", "pssa", "xvolution", "conv2d_backward"])
def test_bounds_in_groups_hold_and_are_not_wider_than_those_of_kernels_with_zeros(operator):
    case = one(operator, "fp32", 2)
    dense = dict(case.tensors)
    for name in ("w", "w_c", "w_a"):
        if name in dense:
            dense[name] = expand_groups(case.tensors[name], 2)
    tree = {"lanes": 4, "lane_order": "tree"}
    other = {"accumulation": tree, "accumulation_dx": tree, "accumulation_dw": tree}
    device = PIPELINES[operator, "fp32"](case.tensors, {**case.attributes, **other})
    alone = {key: value for key, value in case.attributes.items() if key != "groups"}
    whole = bound_outputs(operator, dense, alone)
    differ = 0
    for name, of in bound_outputs(operator, case.tensors, case.attributes).items():
        assert (np.abs(device[name] - of.reference) <= of.bound).all(), name
        if name != "dw":  # of the expanded kernels there are more
            np.testing.assert_array_equal(of.reference, whole[name].reference)
            assert (of.bound <= whole[name].bound).all()
            differ += int((of.bound < whole[name].bound).sum())
    assert differ


@pytest.mark.small
def test_groups_that_do_not_divide_or_that_mix_are_refused():
    case = one("conv2d", "int8", 2)
    for groups, sentence in ((3, "groups must divide"), (0, "groups must be a positive integer")):
        with pytest.raises(ValueError, match=sentence):
            PIPELINES["conv2d", "int8"](case.tensors, case.attributes | {"groups": groups})
    (fused,) = random_cases(["xvolution_fused"], SIZES, Choices(arithmetics=("int8",)))
    with pytest.raises(ValueError, match="xvolution_fused must have 1 group, not 2"):
        PIPELINES["xvolution_fused", "int8"](fused.tensors, fused.attributes | {"groups": 2})
    with pytest.raises(ValueError, match="groups must be 1 for global_attention, not 2"):
        random_cases(["global_attention"], Sizes(channels=4, outputs=4, groups=2), Choices())
    with pytest.raises(ValueError, match="groups must divide the 3 channels and the 4 outputs"):
        Sizes(groups=2)
