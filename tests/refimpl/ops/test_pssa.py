"""pssa against the sum over window, direction and channel, written out pixel by pixel."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.rings import rationals, same
from refimpl import EIGHT_DIRECTIONS, FOUR_DIRECTIONS, conv2d, local_attention, pssa
from refimpl.arrays import ShapeError

exactly = settings(deadline=None, derandomize=True, max_examples=60)
steps = st.integers(-2, 2)
seeds = st.integers(0, 99)


@st.composite
def layers(draw):
    """Exact arrays and options of a pixel-shift self-attention; images down to one pixel."""
    directions = draw(st.lists(st.tuples(steps, steps).filter(any), min_size=1, max_size=3))
    channels, inner = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    projected = draw(st.sampled_from(["", "q", "k", "qk"]))
    inner = inner if projected == "qk" else channels
    groups = draw(st.sampled_from([1, len(directions) * inner]))
    outputs = groups * draw(st.integers(1, 2))
    kernel = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 3]))
    seed = draw(seeds)
    arrays = {
        "x": rationals(1, channels, draw(st.integers(1, 4)), draw(st.integers(1, 3)), seed=seed),
        "w": rationals(outputs, len(directions) * inner // groups, *kernel, seed=seed + 1),
        "b": rationals(outputs, seed=seed + 2),
    }
    for name in projected:
        arrays[f"w_{name}"] = rationals(inner, channels, seed=seed + ord(name))
    options = {
        "directions": directions,
        "length": draw(st.integers(1, 2)),
        "boundary": draw(st.sampled_from(["circular", "zero"])),
        "stride": (draw(st.integers(1, 3)), draw(st.integers(1, 2))),
        "dilation": (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        "groups": groups,
    }
    return arrays, options


def mixed(x, matrix):
    """Every pixel's channels times a matrix."""
    if matrix is None:
        return x
    y = np.empty((len(x), len(matrix), *x.shape[2:]), object)
    for n, i, j in product(range(len(x)), *map(range, x.shape[2:])):
        y[n, :, i, j] = [
            sum(a * b for a, b in zip(row, x[n, :, i, j], strict=True)) for row in matrix
        ]
    return y


def window(at, side, stride, dilation):
    """Rows (or columns) that the window around output ``at`` covers."""
    return [at * stride + dilation * (tap - side // 2) for tap in range(side)]


def literal(arrays, options):
    x, w, b = arrays["x"], arrays["w"], arrays["b"]
    q, k = mixed(x, arrays.get("w_q")), mixed(x, arrays.get("w_k"))
    (images, channels, height, width), length = q.shape, options["length"]
    per_group = len(w) // options["groups"]
    steps_and_gaps = list(zip(options["stride"], options["dilation"], strict=True))
    sides = (height, width), options["stride"]
    outputs = [-(-side // step) for side, step in zip(*sides, strict=True)]
    y = np.empty((images, len(w), *outputs), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = b[o]
        rows = window(i, w.shape[2], *steps_and_gaps[0])
        cols = window(j, w.shape[3], *steps_and_gaps[1])
        for z, (u, row), (v, col) in product(range(w.shape[1]), enumerate(rows), enumerate(cols)):
            d, c = divmod(o // per_group * w.shape[1] + z, channels)
            there_row = row + length * options["directions"][d][0]
            there_col = col + length * options["directions"][d][1]
            if options["boundary"] == "circular":
                there_row, there_col = there_row % height, there_col % width
            here_inside = 0 <= row < height and 0 <= col < width
            if here_inside and 0 <= there_row < height and 0 <= there_col < width:
                total += w[o, z, u, v] * q[n, c, row, col] * k[n, c, there_row, there_col]
        y[n, o, i, j] = total
    return y


@exactly
@given(layers())
def test_pssa_is_the_weighted_sum_of_products_of_pixels(layer):
    arrays, options = layer
    assert same(pssa(**arrays, **options), literal(arrays, options))


@exactly
@given(layers())
def test_without_bias_it_is_even_and_homogeneous_of_degree_two(layer):
    arrays, options = layer
    arrays.pop("b")
    x = arrays.pop("x")
    y = pssa(x, **arrays, **options)
    assert same(pssa(-x, **arrays, **options), y)
    assert same(pssa(5 * x, **arrays, **options), 25 * y)


@exactly
@given(layers())
def test_a_bias_is_added_after_the_sum(layer):
    arrays, options = layer
    b = arrays.pop("b")
    y = pssa(**arrays, **options)
    assert same(pssa(**arrays, b=b, **options), y + b[:, None, None])


def test_it_is_not_the_local_attention_of_equation_nine():
    """That one is odd and of degree three; pssa is even and of degree two."""
    x, w = rationals(1, 2, 3, 3, seed=1), rationals(2, 8, 3, 3, seed=2)
    w_q, w_k, w_v = rationals(3, 2, 2, seed=3)
    attended = local_attention(x, w_q, w_k, w_v)
    assert same(local_attention(-x, w_q, w_k, w_v), -attended)
    assert same(local_attention(2 * x, w_q, w_k, w_v), 8 * attended)
    assert not same(pssa(-x, w), -pssa(x, w))
    assert not same(pssa(2 * x, w), 8 * pssa(x, w))


def test_by_default_it_reads_left_right_up_down_by_one_circularly():
    x, w = rationals(1, 2, 3, 4, seed=1), rationals(2, 8, 3, 3, seed=2)
    spelt = pssa(x, w, directions=FOUR_DIRECTIONS, length=1, boundary="circular", stride=1)
    assert same(pssa(x, w), spelt)


def test_eight_directions_take_eight_maps():
    x, w = rationals(1, 2, 3, 4, seed=1), rationals(2, 16, 1, 1, seed=2)
    maps = [x * np.roll(x, (-down, -right), (2, 3)) for down, right in EIGHT_DIRECTIONS]
    expected = conv2d(np.concatenate(maps, axis=1), w)
    assert same(pssa(x, w, directions=EIGHT_DIRECTIONS), expected)


def test_the_two_boundaries_differ_only_where_a_shift_leaves_the_image():
    x, w = rationals(1, 1, 5, 5, seed=1) ** 2 + 1, np.full((1, 4, 1, 1), 1, object)
    circular, zero = pssa(x, w), pssa(x, w, boundary="zero")
    assert same(circular[..., 1:-1, 1:-1], zero[..., 1:-1, 1:-1])
    edge = np.ones((5, 5), bool)
    edge[1:-1, 1:-1] = False
    assert np.all(circular[0, 0][edge] > zero[0, 0][edge])


def test_an_identity_projection_changes_nothing():
    x, w = rationals(1, 2, 3, 3, seed=1), rationals(2, 8, 3, 3, seed=2)
    one = np.eye(2, dtype=int).astype(object)
    for projections in ({"w_q": one}, {"w_k": one}, {"w_q": one, "w_k": one}):
        assert same(pssa(x, w, **projections), pssa(x, w))


@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (4, 1)], ids=str)
def test_an_even_kernel_is_refused(kernel):
    with pytest.raises(ValueError, match="kernel") as error:
        pssa(np.ones((1, 1, 5, 5)), np.ones((1, 4, *kernel)))
    assert str(error.value) == f"kernel sides must be odd for 'same' padding, not {kernel}"


def test_kernels_must_take_a_map_per_direction_and_channel():
    with pytest.raises(ValueError, match="channels") as error:
        pssa(np.ones((1, 3, 4, 4)), np.ones((2, 3, 3, 3)))
    sentence = "x must have 3 channels, which w (2, 3, 3, 3) with groups=1 takes, not 12"
    assert str(error.value) == sentence


def test_a_projection_from_other_channels_is_refused():
    with pytest.raises(ShapeError, match=r"pssa must be given .* w_q \(c_q c\), not"):
        pssa(np.ones((1, 3, 4, 4)), np.ones((2, 12, 3, 3)), w_q=np.ones((3, 2)))
