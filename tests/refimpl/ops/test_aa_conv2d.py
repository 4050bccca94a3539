"""Attention-augmented convolution: convolution channels, then attention channels."""

import math

import numpy as np
import pytest

from refimpl import aa_conv2d, conv2d, global_attention

N, C, H, W, OUT, D, V = 2, 3, 3, 4, 2, 4, 6


def arrays(heads, seed=1):
    rng = np.random.default_rng(seed)
    shapes = {
        "x": (N, C, H, W),
        "w_c": (OUT, C, 3, 3),
        "w_q": (D, C),
        "w_k": (D, C),
        "w_v": (V, C),
        "w_o": (V, V),
        "b_c": (OUT,),
        "rel_h": (2 * H - 1, D // heads),
        "rel_w": (2 * W - 1, D // heads),
    }
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def without_tables(given):
    return {name: array for name, array in given.items() if not name.startswith("rel")}


def attended(given, heads, stride):
    """Queries one by one: softmax of ⟨q, k + r^H_{Δy} + r^W_{Δx}⟩/√d, then the mean of values."""
    x, d, v = given["x"], D // heads, V // heads
    outputs = -(-H // stride[0]), -(-W // stride[1])
    y = np.zeros((N, V, *outputs))
    for n, head, i, j in np.ndindex(N, heads, *outputs):
        row, col = i * stride[0], j * stride[1]
        part_d, part_v = slice(head * d, (head + 1) * d), slice(head * v, (head + 1) * v)
        q = given["w_q"][part_d] @ x[n, :, row, col]
        raised, mean = 0.0, np.zeros(v)
        for r, c in np.ndindex(H, W):
            place = given["rel_h"][r - row + H - 1] + given["rel_w"][c - col + W - 1]
            k = given["w_k"][part_d] @ x[n, :, r, c] + place
            weight = math.exp(q @ k / math.sqrt(d))
            raised += weight
            mean += weight * (given["w_v"][part_v] @ x[n, :, r, c])
        y[n, part_v, i, j] = mean / raised
    return np.einsum("ov,nvij->noij", given["w_o"], y)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 3)], ids=str)
def test_the_last_channels_attend_with_relative_positions(heads, stride):
    given = arrays(heads)
    y = aa_conv2d(**given, heads=heads, stride=stride)
    expected = attended(given, heads, stride)
    np.testing.assert_allclose(y[:, OUT:], expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)], ids=str)
def test_the_first_channels_are_the_convolution(stride):
    given = arrays(1)
    conv = conv2d(given["x"], given["w_c"], given["b_c"], padding=1, stride=stride)
    np.testing.assert_array_equal(aa_conv2d(**given, stride=stride)[:, :OUT], conv)


def test_without_position_tables_the_last_channels_are_global_attention():
    given = without_tables(arrays(2))
    matrices = (given[name] for name in ("w_q", "w_k", "w_v", "w_o"))
    y = aa_conv2d(**given, heads=2)
    expected = global_attention(given["x"], *matrices, heads=2)
    np.testing.assert_allclose(y[:, OUT:], expected, rtol=0, atol=1e-12)


def test_tables_of_zeros_are_no_tables():
    given = arrays(1)
    zeros = {name: np.zeros_like(given[name]) for name in ("rel_h", "rel_w")}
    y = aa_conv2d(**(given | zeros))
    np.testing.assert_allclose(y, aa_conv2d(**without_tables(given)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", ["rel_h", "rel_w"])
def test_one_table_without_the_other_is_refused(missing):
    given = arrays(1)
    del given[missing]
    with pytest.raises(ValueError, match=r"^rel_h and rel_w must be given both or neither$"):
        aa_conv2d(**given)


def test_a_table_must_have_a_row_per_displacement_and_the_channels_of_a_head():
    given = arrays(1) | {"rel_h": np.ones((2 * H, D))}
    with pytest.raises(ValueError, match="rel_h and rel_w must have shapes") as error:
        aa_conv2d(**given)
    assert "(5, 4) and (7, 4)" in str(error.value)
    assert str(error.value).endswith("not (6, 4) and (7, 4)")


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match=r"^heads must divide the 4 .* and the 6 .*, not be 4$"):
        aa_conv2d(**without_tables(arrays(1)), heads=4)
