"""Gradients and normalisations against loops in exact fractions (``literal_backward.py``)."""

import numpy as np
import pytest

from refimpl.bitexact.formats import decode, default_cast, encode
from refimpl.bitexact.operators import PIPELINES
from tests.refimpl.bitexact import literal_backward as literal

FORMS = pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
GEOMETRIES = pytest.mark.parametrize(
    "geometry",
    [
        {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1]},
        {"stride": [2, 1], "padding": [1, 2], "dilation": [1, 2]},
        {"stride": [2, 3], "padding": [0, 0], "dilation": [1, 1]},
    ],
    ids=["same", "dilated", "strided"],
)
SHIFTS = {"directions": [[0, 1], [-1, 0]], "length": 1}


def same(got, expected):
    np.testing.assert_array_equal(decode(got), np.asarray(expected).astype(float))


def drawn(name, seed):
    rng = np.random.default_rng(seed)
    return lambda *shape: encode(rng.standard_normal(shape), default_cast(name))


def upstream_shape(x, w, geometry):
    rows, cols, _ = literal.sides(x, w, geometry)
    return len(x), len(w), rows, cols


@FORMS
@GEOMETRIES
def test_gradients_of_a_convolution_are_what_exact_fractions_say(name, geometry):
    draw = drawn(name, 1)
    x, w = draw(2, 2, 5, 4), draw(3, 2, 3, 2)
    tensors = {"x": x, "w": w, "dy": draw(*upstream_shape(x, w, geometry))}
    got = PIPELINES["conv2d_backward", name](tensors, geometry)
    exact = {key: literal.exact(array) for key, array in tensors.items()}
    dx, dw, db = literal.conv2d_backward(exact["dy"], exact["x"], exact["w"], geometry)
    same(got["dx"], literal.cast(dx, name))
    same(got["dw"], dw)
    same(got["db"], db)


@GEOMETRIES
@pytest.mark.parametrize("rounding", ["half_up", "half_even"])
def test_integer_gradients_are_what_python_integers_say(geometry, rounding):
    rng = np.random.default_rng(2)

    def int8(*shape):
        return rng.integers(-128, 128, shape).astype(np.int8)

    x, w = int8(2, 2, 5, 4), int8(3, 2, 3, 2)
    tensors = {"x": x, "w": w, "dy": int8(*upstream_shape(x, w, geometry))}
    tensors["multiplier"] = rng.integers(2**30, 2**31, 2).astype(np.int32)
    tensors["shift"] = np.full(2, 40, np.int8)
    attributes = geometry | {"x_zero": 4, "dy_zero": -3, "dx_zero": 2, "rounding": rounding}
    got = PIPELINES["conv2d_backward", "int8"](tensors, attributes)
    for key, expected in literal.conv2d_backward_integer(tensors, attributes).items():
        np.testing.assert_array_equal(got[key], expected.astype(np.int64), key)


@FORMS
@pytest.mark.parametrize("boundary", ["circular", "zero"])
def test_gradients_of_pssa_and_of_x_volution_are_what_exact_fractions_say(name, boundary):
    draw = drawn(name, 3)
    attributes = {"stride": [2, 1], "padding": [1, 1], "dilation": [1, 1]} | SHIFTS
    attributes["boundary"] = boundary
    x, w_c, w_a = draw(1, 2, 4, 3), draw(2, 2, 3, 3), draw(2, 4, 3, 3)
    dy = draw(*upstream_shape(x, w_c, attributes))
    exact = literal.exact
    got = PIPELINES["pssa_backward", name]({"x": x, "w": w_a, "dy": dy}, attributes)
    dx, dproduct, dw, db = literal.pssa_backward(exact(dy), exact(x), exact(w_a), attributes, name)
    same(got["dproduct"], dproduct)
    same(got["dw"], dw)
    same(got["db"], db)
    same(got["dx"], literal.cast(dx, name))

    scales = {"s_c": draw(2), "s_a": draw(2)}
    tensors = {"x": x, "w_c": w_c, "w_a": w_a, "dy": dy, **scales}
    got = PIPELINES["xvolution_backward", name](tensors, attributes)
    scaled = {
        which: np.array(
            [
                [[literal.r(each * s) for each in row] for row in image]
                for image, s in zip(exact(dy)[0], exact(scales[f"s_{which}"]), strict=True)
            ],
            object,
        )[None]
        for which in "ca"
    }
    dx_c, dw_c, _ = literal.conv2d_backward(scaled["c"], exact(x), exact(w_c), attributes)
    dx_a, _, dw_a, _ = literal.pssa_backward(scaled["a"], exact(x), exact(w_a), attributes, name)
    same(got["conv_dw"], dw_c)
    same(got["attention_dw"], dw_a)
    total = np.vectorize(lambda a, b: literal.r(a + b), otypes=[object])(dx_c, dx_a)
    same(got["dx"], literal.cast(total, name))
    output = literal.exact(got["conv_output"])
    for o in range(2):
        ds = dt = 0
        for i, j in np.ndindex(dy.shape[2:]):
            ds = literal.fma(ds, exact(dy)[0, o, i, j], output[0, o, i, j])
            dt = literal.r(dt + exact(dy)[0, o, i, j])
        assert decode(got["conv_ds"])[o] == float(ds)
        assert decode(got["conv_dt"])[o] == float(dt)


@FORMS
@pytest.mark.parametrize("statistics", ["given", "batch"])
def test_batch_normalisation_is_what_exact_fractions_say(name, statistics):
    draw = drawn(name, 5)
    tensors = {"x": draw(2, 3, 3, 2), "gamma": draw(3), "beta": draw(3), "mean": draw(3)}
    tensors["var"] = encode(np.abs(decode(draw(3))), default_cast(name))
    attributes = {"eps": 1e-5, "statistics": statistics}
    got = PIPELINES["batch_norm", name](tensors, attributes)
    exact = {key: literal.exact(array) for key, array in tensors.items()}
    mean, var = exact["mean"], exact["var"]
    if statistics == "batch":
        mean, var = literal.statistics(exact["x"])
        same(got["mean"], mean)
        same(got["var"], var)
    expected = literal.batch_norm(exact["x"], exact["gamma"], exact["beta"], mean, var, 1e-5)
    same(got["output"], literal.cast(expected, name))


def test_integer_normalisation_is_what_python_integers_say():
    rng = np.random.default_rng(6)
    tensors = {
        "x": rng.integers(-128, 128, (2, 3, 2, 2)).astype(np.int8),
        "g": rng.integers(-128, 128, 3).astype(np.int8),
        "b": rng.integers(-999, 999, 3).astype(np.int32),
        "multiplier": rng.integers(2**30, 2**31, 3).astype(np.int32),
        "shift": np.full(3, 37, np.int8),
    }
    attributes = {"x_zero": -5, "y_zero": 2, "rounding": "half_even"}
    got = PIPELINES["batch_norm", "int8"](tensors, attributes)["output"]
    for at in np.ndindex(got.shape):
        g, b, m, s = (int(tensors[key][at[1]]) for key in ("g", "b", "multiplier", "shift"))
        total = (int(tensors["x"][at]) + 5) * g + b
        assert got[at] == literal.clip(literal.RULES["half_even"](total, m, s) + 2)


def test_x_volution_in_training_is_its_branches_normalised_and_added():
    draw = drawn("fp32", 7)
    shapes = {"x": (2, 2, 3, 3), "w_c": (2, 2, 3, 3), "w_a": (2, 4, 3, 3)}
    shapes |= dict.fromkeys(("gamma_c", "beta_c", "gamma_a", "beta_a"), (2,))
    tensors = {key: draw(*shape) for key, shape in shapes.items()}
    attributes = SHIFTS | {"boundary": "circular", "padding": [1, 1], "eps": 1e-5}
    got = PIPELINES["xvolution_training", "fp32"](tensors, attributes)
    total = 0
    for which, branch in (("c", "conv"), ("a", "attention")):
        z = literal.exact(got[f"{branch}_output"])
        gamma, beta = (literal.exact(tensors[f"{each}_{which}"]) for each in ("gamma", "beta"))
        normal = literal.batch_norm(z, gamma, beta, *literal.statistics(z), 1e-5)
        same(got[f"{branch}_norm_output"], normal)
        total = total + normal
    same(got["output"], literal.cast(total, "fp32"))


@pytest.mark.small
def test_orders_of_gradients_are_declared_and_change_bits():
    draw = drawn("fp32", 8)
    tensors = {"x": draw(2, 3, 4, 4), "w": draw(5, 3, 3, 3), "dy": draw(2, 5, 4, 4)}
    geometry = {"padding": [1, 1]}

    def run(**declared):
        return PIPELINES["conv2d_backward", "fp32"](tensors, geometry | declared)

    plain = run()
    other = run(accumulation_dx={"order": "uvo"}, accumulation_dw={"order": "ijn"})
    assert not np.array_equal(plain["dx"], other["dx"])
    assert not np.array_equal(plain["dw"], other["dw"])
    np.testing.assert_allclose(plain["dx"], other["dx"], atol=1e-5)
    with pytest.raises(ValueError, match="must run over the loops n, i, j"):
        run(accumulation_dw={"order": "cuv"})
