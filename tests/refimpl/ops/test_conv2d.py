"""conv2d against the sum in its docstring, written out, and against SciPy."""

import re
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import signal

from proofs.rings import rationals, same
from refimpl import conv2d, conv2d_backward
from refimpl.arrays import ShapeError
from refimpl.ops.conv2d import conv_geometry, same_padding

exactly = settings(deadline=None, derandomize=True, max_examples=80)


class Layer(NamedTuple):
    """A convolution that fits: shapes and options."""

    image: tuple[int, int, int, int]
    kernels: tuple[int, int, int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    @property
    def options(self):
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }


@st.composite
def layers(draw):
    """Small layers; the image is often smaller than the kernel, and then padded to fit it."""
    groups = draw(st.integers(1, 3))
    image = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    lacking = [d * (k - 1) + 1 - size for d, k, size in zip(dilation, kernel, image, strict=True)]
    padding = tuple(max(0, -(-lack // 2)) + draw(st.integers(0, 2)) for lack in lacking)
    channels, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    return Layer(
        (draw(st.integers(1, 2)), groups * channels, *image),
        (groups * outputs, channels, *kernel),
        (draw(st.integers(1, 3)), draw(st.integers(1, 4))),
        padding,
        dilation,
        groups,
    )


ONE_PIXEL = Layer((1, 1, 1, 1), (1, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1)
ONE_PIXEL_FAR = Layer((2, 3, 1, 1), (3, 1, 3, 1), (3, 2), (3, 2), (3, 1), 3)


def reads(layer):
    """Yield every product in the sum: output (n, o, i, j), tap (o, c, u, v), pixel or None."""
    (images, _, *sides), (outputs, channels, *kernel) = layer.image, layer.kernels
    steps = zip(sides, kernel, layer.stride, layer.padding, layer.dilation, strict=True)
    places = [
        [
            [first + tap * apart - pad for tap in range(taps)]
            for first in range(0, side + 2 * pad - apart * (taps - 1), stride)
        ]
        for side, taps, stride, pad, apart in steps
    ]
    for n, o, (i, rows), (j, cols) in product(
        range(images), range(outputs), enumerate(places[0]), enumerate(places[1])
    ):
        first = o // (outputs // layer.groups) * channels
        for c, (u, row), (v, col) in product(range(channels), enumerate(rows), enumerate(cols)):
            inside = 0 <= row < sides[0] and 0 <= col < sides[1]
            yield (n, o, i, j), (o, c, u, v), (n, first + c, row, col) if inside else None


def literal(layer, x, w, b):
    sums = {}
    for output, tap, pixel in reads(layer):
        term = w[tap] * x[pixel] if pixel else Fraction(0)
        sums[output] = sums.get(output, b[output[1]]) + term
    shape = tuple(1 + max(each) for each in zip(*sums, strict=True))
    return np.array([sums[at] for at in np.ndindex(shape)], object).reshape(shape)


@exactly
@example(ONE_PIXEL)
@example(ONE_PIXEL_FAR)
@given(layers())
def test_conv2d_is_the_sum_written_out(layer):
    x, w = rationals(*layer.image, seed=1), rationals(*layer.kernels, seed=2)
    b = rationals(layer.kernels[0], seed=3)
    assert same(conv2d(x, w, b, **layer.options), literal(layer, x, w, b))


@exactly
@example(ONE_PIXEL)
@example(ONE_PIXEL_FAR)
@given(layers())
def test_the_gradients_are_the_sums_written_out(layer):
    x, w = rationals(*layer.image, seed=1), rationals(*layer.kernels, seed=2)
    dy = rationals(*conv2d(x, w, **layer.options).shape, seed=4)
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w), object)
    for output, tap, pixel in reads(layer):
        if pixel:
            dx[pixel] += dy[output] * w[tap]
            dw[tap] += dy[output] * x[pixel]
    for output, upstream in np.ndenumerate(dy):
        db[output[1]] += upstream
    grads = conv2d_backward(dy, x, w, **layer.options)
    assert same(grads.x, dx)
    assert same(grads.w, dw)
    assert same(grads.b, db)


@exactly
@given(layers())
def test_on_floats_it_is_scipys_correlation(layer):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal(layer.image), rng.standard_normal(layer.kernels)
    pads = [(0, 0), (0, 0), *((p, p) for p in layer.padding)]
    padded, (down, right) = np.pad(x, pads), layer.stride
    apart_h, apart_w = layer.dilation
    spread = np.zeros(
        (
            *w.shape[:2],
            apart_h * (w.shape[2] - 1) + 1,
            apart_w * (w.shape[3] - 1) + 1,
        )
    )
    spread[:, :, ::apart_h, ::apart_w] = w
    channels, per_group = w.shape[1], len(w) // layer.groups
    expected = [
        [
            signal.correlate(image[g * channels : (g + 1) * channels], kernel, "valid", "direct")[
                0, ::down, ::right
            ]
            for g, kernel in ((o // per_group, spread[o]) for o in range(len(w)))
        ]
        for image in padded
    ]
    np.testing.assert_allclose(conv2d(x, w, **layer.options), expected, rtol=0, atol=1e-12)


def test_a_kernel_is_not_flipped():
    x, w = np.zeros((1, 1, 1, 3)), np.array([[[[1.0, 2.0, 3.0]]]])
    x[..., 1] = 1
    np.testing.assert_array_equal(conv2d(x, w, padding=(0, 1))[0, 0, 0], [3.0, 2.0, 1.0])


def test_without_bias_is_with_a_bias_of_zero():
    x, w = rationals(1, 2, 3, 3, seed=1), rationals(2, 2, 2, 2, seed=2)
    assert same(conv2d(x, w), conv2d(x, w, np.zeros(2, object)))


def test_groups_are_convolutions_of_their_own():
    x, w = rationals(2, 6, 3, 4, seed=1), rationals(9, 2, 2, 3, seed=2)
    apart = [conv2d(x[:, 2 * g : 2 * g + 2], w[3 * g : 3 * g + 3]) for g in range(3)]
    assert same(conv2d(x, w, groups=3), np.concatenate(apart, axis=1))


def test_it_is_linear_in_the_image_and_in_the_kernel():
    x, y = rationals(1, 2, 3, 4, seed=1), rationals(1, 2, 3, 4, seed=2)
    w, v = rationals(2, 2, 3, 2, seed=3), rationals(2, 2, 3, 2, seed=4)
    assert same(conv2d(2 * x + y, w - v), 2 * conv2d(x, w - v) + conv2d(y, w) - conv2d(y, v))


def test_pixels_that_no_window_reads_have_no_gradient():
    x, w = rationals(1, 1, 4, 4, seed=1), rationals(1, 1, 1, 1, seed=2)
    dx = conv2d_backward(rationals(1, 1, 2, 2, seed=3), x, w, stride=3).x
    read = np.zeros((4, 4), bool)
    read[::3, ::3] = True
    assert not np.any(dx[0, 0][~read])


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 1), (1, 7)], ids=str)
@pytest.mark.parametrize("dilation", [1, 2, (3, 1)], ids=str)
def test_same_padding_keeps_the_size_of_any_image(kernel, dilation):
    padding = same_padding(kernel, dilation)
    for sides in product((1, 2, 5), repeat=2):
        shapes = (1, 1, *sides), (1, 1, *kernel)
        assert conv_geometry(*shapes, padding=padding, dilation=dilation).output == sides


@pytest.mark.parametrize("kernel", [(2, 3), (3, 4), (2, 2)], ids=str)
def test_same_padding_of_an_even_kernel_is_refused(kernel):
    with pytest.raises(ValueError, match="kernel") as error:
        same_padding(kernel)
    assert str(error.value) == f"kernel sides must be odd for 'same' padding, not {kernel}"


IMAGE, KERNELS = (1, 4, 3, 5), (2, 4, 3, 3)


@pytest.mark.parametrize(
    ("kernels", "options", "sentence"),
    [
        (
            (2, 4, 4, 3),
            {},
            (
                "kernel must fit in the padded image: it spans (4, 3), and "
                "the image with padding is (3, 5)"
            ),
        ),
        (
            (2, 4, 3, 6),
            {},
            (
                "kernel must fit in the padded image: it spans (3, 6), and "
                "the image with padding is (3, 5)"
            ),
        ),
        (
            KERNELS,
            {"dilation": (1, 4), "padding": (0, 1)},
            (
                "kernel must fit in the padded image: it spans (3, 9), and "
                "the image with padding is (3, 7)"
            ),
        ),
        (
            (2, 3, 3, 3),
            {},
            "x must have 3 channels, which w (2, 3, 3, 3) with groups=1 takes, not 4",
        ),
        (
            KERNELS,
            {"groups": 2},
            "x must have 8 channels, which w (2, 4, 3, 3) with groups=2 takes, not 4",
        ),
        ((3, 2, 3, 3), {"groups": 2}, "groups must divide the 3 output channels, not be 2"),
        (KERNELS, {"groups": 0}, "groups must be a positive integer, not 0"),
        (KERNELS, {"groups": 1.0}, "groups must be a positive integer, not 1.0"),
        (
            KERNELS,
            {"stride": 0},
            "stride must be an integer or a pair of integers of at least 1, not 0",
        ),
        (
            KERNELS,
            {"stride": (1, 2, 1)},
            "stride must be an integer or a pair of integers of at least 1, not (1, 2, 1)",
        ),
        (
            KERNELS,
            {"padding": -1},
            "padding must be an integer or a pair of integers of at least 0, not -1",
        ),
        (
            KERNELS,
            {"dilation": 1.5},
            "dilation must be an integer or a pair of integers of at least 1, not 1.5",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(kernels, options, sentence):
    x, w = np.ones(IMAGE), np.ones(kernels)
    with pytest.raises(ValueError, match="must") as forward:
        conv2d(x, w, **options)
    with pytest.raises(ValueError, match="must") as backward:
        conv2d_backward(np.ones((1, len(w), 1, 1)), x, w, **options)
    assert str(forward.value) == str(backward.value) == sentence


@pytest.mark.parametrize(
    ("arguments", "given_shapes"),
    [
        (((4, 3, 5), KERNELS), "x (4, 3, 5), w (2, 4, 3, 3)"),
        ((IMAGE, (2, 4, 9)), "x (1, 4, 3, 5), w (2, 4, 9)"),
        ((IMAGE, KERNELS, (3,)), "x (1, 4, 3, 5), w (2, 4, 3, 3), b (3,)"),
        ((IMAGE, KERNELS, (2, 1)), "x (1, 4, 3, 5), w (2, 4, 3, 3), b (2, 1)"),
    ],
    ids=["x without batch", "w with one spatial axis", "b too long", "b with two axes"],
)
def test_a_wrong_shape_is_named_beside_the_one_wanted(arguments, given_shapes):
    wanted = ("x (n c h w)", "w (o c_g k_h k_w)", "b (o)")[: len(arguments)]
    sentence = f"conv2d must be given {', '.join(wanted)}, not {given_shapes}"
    with pytest.raises(ShapeError, match=f"^{re.escape(sentence)}$"):
        conv2d(*(np.ones(shape) for shape in arguments))


@pytest.mark.parametrize("dy", [(2, 2, 1, 3), (1, 3, 1, 3)], ids=["images", "channels"])
def test_an_upstream_gradient_of_other_images_or_channels_is_refused(dy):
    sentence = (
        f"conv2d_backward must be given dy (n o i j), x (n c h w), w (o c_g k_h k_w), "
        f"not dy {dy}, x {IMAGE}, w {KERNELS}"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(sentence)}$"):
        conv2d_backward(np.ones(dy), np.ones(IMAGE), np.ones(KERNELS))
