"""Integer gradients of PSSA and X-volution against scattering Python integers."""

import numpy as np
import pytest

import refimpl as ref
from refimpl.bitexact.operators import PIPELINES
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.bitexact import literal_integer_backward as literal
from tests.refimpl.bitexact.literal import RULES, sides

SHIFTS = {"directions": [[0, -1], [1, 0], [2, -1]], "length": 1}
GEOMETRIES = {
    "same": {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1]},
    "strided": {"stride": [2, 1], "padding": [0, 1], "dilation": [1, 1]},
    "dilated": {"stride": [1, 2], "padding": [2, 1], "dilation": [2, 1]},
}
CHOICES = {
    "default": {},
    "wide product": {"product": "wide"},
    "clipped": {"clip": [0, 50]},
}


def call(operator, geometry, seed, rounding="half_up", boundary="circular", **declared):
    rng = np.random.default_rng(seed)

    def int8(*shape):
        return rng.integers(-128, 128, shape).astype(np.int8)

    c, o, wide = 2, 2, 2 * len(SHIFTS["directions"])
    x = int8(2, c, 5, 4)
    kernels = {"w_c": int8(o, c, 3, 3), "w_a": int8(o, wide, 3, 3)}
    rows, cols, _ = sides(x, kernels["w_c"], geometry)
    tensors = {"x": x, "dy": int8(2, o, rows, cols)}

    def factor(name, count, shift):
        end = name[-2:] if name.endswith(("_c", "_a")) else ""
        start = name.removesuffix(end)
        tensors[f"{start}multiplier{end}"] = rng.integers(2**30, 2**31, count).astype(np.int32)
        tensors[f"{start}shift{end}"] = np.full(count, shift, np.int8)

    factor("t_", 1, 37)
    if operator == "pssa_backward":
        tensors["w"] = kernels["w_a"]
        factor("d_", wide, 40)
        factor("", c, 39)
    else:
        tensors |= kernels | {"s_c": int8(o), "s_a": int8(o)}
        for end in ("_c", "_a"):
            tensors[f"b{end}"] = rng.integers(-9999, 9999, o).astype(np.int32)
            for name, count, shift in (("", o, 40), ("u_", o, 37), ("dx_", c, 40)):
                factor(f"{name}{end}", count, shift)
        factor("d__a", wide, 40)
    zeros = {"x_zero": 4, "dy_zero": -3, "dx_zero": 2, "t_zero": -5, "dproduct_zero": 6}
    attributes = {**geometry, **SHIFTS, **zeros, "upstream_zero": -7, "boundary": boundary}
    return tensors, attributes | {"rounding": rounding} | declared


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("boundary", ["circular", "zero"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("operator", ["pssa_backward", "xvolution_backward"])
def test_every_stage_of_the_gradients_is_what_python_integers_say(
    operator, geometry, boundary, choice
):
    tensors, attributes = call(
        operator, GEOMETRIES[geometry], 3, boundary=boundary, **CHOICES[choice]
    )
    got = PIPELINES[operator, "int8"](tensors, attributes)
    expected = getattr(literal, operator)(tensors, attributes)
    unseen = {"product", "product_before_clip"} if choice == "wide product" else set()
    assert set(expected) - {f"{p}{each}" for each in unseen for p in ("", "attention_")} == set(got)
    for name, array in got.items():
        np.testing.assert_array_equal(array, expected[name].astype(np.int64), name)
    assert len(np.unique(got["dx"])) > (2 if choice == "clipped" else 20)  # not all rails


@pytest.mark.parametrize("rounding", RULES)
@pytest.mark.parametrize("operator", ["pssa_backward", "xvolution_backward"])
def test_gradients_round_by_the_rule_that_is_declared(operator, rounding):
    tensors, attributes = call(operator, GEOMETRIES["same"], 5, rounding)
    got = PIPELINES[operator, "int8"](tensors, attributes)["dx"]
    expected = getattr(literal, operator)(tensors, attributes)["dx"]
    np.testing.assert_array_equal(got, expected.astype(np.int64))


@pytest.mark.parametrize("boundary", ["circular", "zero"])
def test_without_rounding_they_are_the_gradients_of_the_definition(boundary):
    """Factors of 1 and zero points of 0: integers are the real thing, until one saturates."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-2, 3, (1, 2, 4, 4)), rng.integers(-1, 2, (2, 6, 3, 3))
    dy = rng.integers(-1, 2, (1, 2, 4, 4))
    one = {"multiplier": np.array([2**30], np.int32), "shift": np.array([30], np.int8)}
    tensors = {"x": x.astype(np.int8), "w": w.astype(np.int8), "dy": dy.astype(np.int8)}
    tensors |= {f"{p}{name}": array for p in ("", "t_", "d_") for name, array in one.items()}
    zeros = dict.fromkeys(("x_zero", "t_zero", "dy_zero", "dx_zero", "dproduct_zero"), 0)
    shifts = SHIFTS | {"boundary": boundary}
    got = PIPELINES["pssa_backward", "int8"](tensors, shifts | zeros | {"rounding": "floor"})
    directions = [tuple(each) for each in SHIFTS["directions"]]
    real = ref.pssa_backward(dy, x, w, directions=directions, boundary=boundary)
    assert np.abs(real.x).max() < 127
    np.testing.assert_array_equal(got["dx"], real.x)
    np.testing.assert_array_equal(got["dw"], real.w)
    np.testing.assert_array_equal(got["db"], dy.sum(axis=(0, 2, 3)))


def test_shares_are_summed_direction_by_direction_here_before_there():
    """A saturating accumulator shows the order."""
    tensors, attributes = call(
        "pssa_backward",
        GEOMETRIES["same"],
        7,
        accumulator_shares={"bits": 14, "overflow": "saturate"},
    )
    got = PIPELINES["pssa_backward", "int8"](tensors, attributes)
    n, many, c = 2, 3, 2
    differ = 0
    for image, channel, y, z in np.ndindex(n, c, 5, 4):
        total, backwards = 0, 0
        terms = [
            int(got[share][image, d * c + channel, y, z])
            for d in range(many)
            for share in ("here", "there")
        ]
        for term in terms:
            total = max(-(2**13), min(2**13 - 1, total + term))
        for term in reversed(terms):
            backwards = max(-(2**13), min(2**13 - 1, backwards + term))
        assert got["dx_accumulator"][image, channel, y, z] == total
        differ += total != backwards
    assert differ > 0
    with pytest.raises(
        ValueError, match="accumulator_shares order must run over the loops d, not 'cuv'"
    ):
        PIPELINES["pssa_backward", "int8"](
            tensors, attributes | {"accumulator_shares": {"order": "cuv"}}
        )


@pytest.mark.parametrize("arithmetic", ["int4", "int8", "int16"])
@pytest.mark.parametrize("operator", ["pssa_backward", "xvolution_backward"])
def test_seeded_gradients_reach_both_rails_and_mostly_lie_between(operator, arithmetic):
    sizes = Sizes(batch=1, channels=4, outputs=4, height=8, width=8)
    (case,) = random_cases([operator], sizes, Choices(arithmetics=(arithmetic,)))
    stages = PIPELINES[operator, arithmetic](case.tensors, case.attributes)
    limits = {"int4": (-8, 7), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}[arithmetic]
    inner = ("dproduct", "attention_dproduct", "conv_upstream", "attention_upstream")
    for name in ("dx", *(inner if arithmetic != "int4" else ())):
        if name in stages:
            values = stages[name].astype(np.int64)
            assert (values.min(), values.max()) == limits, name
            assert np.isin(values, limits).mean() < 0.5, name
