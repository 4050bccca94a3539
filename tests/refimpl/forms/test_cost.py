"""Costs against what networks count, the ratios of the equations, and each other."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from refimpl.forms import XVolution, cost, fuse_xvolution, run_fused, trained_cost
from refimpl.nets.graph import Network
from refimpl.nets.shapes import node_shapes
from refimpl.nets.sites import site

H, W, C, O = 6, 5, 4, 8  # noqa: E741 - as in the equations
OPERATORS = {
    "xvolution": "pssa",
    "xvolution_local": "local_attention",
    "xvolution_global": "global_attention",
}


def trained_of(operator, *, kernel=3, stride=1):
    """An X-volution of ones with the shapes that a network gives it, and the network's node."""
    (node,) = site(operator, "one", "image", C, O, stride=stride, kernel=kernel)
    arrays = {name: np.ones(shape) for name, shape in node.shapes.items() if name[:2] != "bn"}
    options = {"stride": stride, "window": kernel}
    return XVolution(attention=OPERATORS[operator], arrays=arrays, **options), node


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_trained_forms_cost_what_the_networks_count(operator, kernel, stride):
    trained, node = trained_of(operator, kernel=kernel, stride=stride)
    (row,) = node_shapes(Network(name="one", nodes=(node,)), H, W, channels=C)
    products = sum(part.products for part in row.parts if part.name != "normalisation")
    counted = trained_cost(trained, H, W)
    assert (counted.array_macs, counted.elementwise) == (row.macs, products)


def macs(form, *, kernel=3):
    trained, _ = trained_of("xvolution", kernel=kernel)
    if form == "tied":
        w_c = trained.arrays["w_c"]
        trained = replace(trained, arrays={"w_c": w_c, "w_a": np.concatenate([w_c] * 4, axis=1)})
    return Fraction(cost(fuse_xvolution(trained, form=form), H, W).array_macs, H * W * O * C * 9)


def test_array_macs_over_those_of_the_plain_convolution():
    assert {form: macs(form) for form in ("feature", "two-pass", "square", "shared", "tied")} == {
        "feature": 5,
        "two-pass": 5,
        "square": 9,
        "shared": 5,
        "tied": 1,
    }


def test_two_passes_save_what_embedding_a_small_kernel_wastes():
    assert macs("two-pass", kernel=1) == Fraction(13, 9)
    assert macs("feature", kernel=1) == 5


@pytest.mark.parametrize(
    ("form", "per_number"), [("feature", 4), ("two-pass", 4), ("square", 16), ("shared", 2)]
)
def test_elementwise_operations_per_number_of_the_image(form, per_number):
    trained, _ = trained_of("xvolution", stride=2)
    fused = fuse_xvolution(trained, form=form)
    assert cost(fused, H, W).elementwise == per_number * C * H * W


def test_the_tied_form_takes_a_factor_and_a_sum_a_direction_and_one_product():
    w_c = np.ones((O, C, 3, 3))
    trained = XVolution(arrays={"w_c": w_c, "w_a": np.concatenate([w_c] * 4, axis=1)})
    assert cost(fuse_xvolution(trained, form="tied"), H, W).elementwise == 9 * C * H * W


def test_the_kernel_form_multiplies_at_every_tap():
    trained, _ = trained_of("xvolution")
    fused = cost(fuse_xvolution(trained, form="kernel"), H, W)
    assert fused.elementwise == 4 * C * 9 * H * W
    assert fused.array_macs == 5 * H * W * O * C * 9


def test_the_local_kernel_form_gathers_input_channels_instead_of_output_channels():
    trained, _ = trained_of("xvolution_local")
    before, after = trained_cost(trained, H, W), cost(fuse_xvolution(trained), H, W)
    assert before.array_macs - after.array_macs == H * W * 9 * (O - C)


def test_the_per_image_form_has_no_scores_and_grows_with_pixels_only():
    trained, _ = trained_of("xvolution_global")
    fused = fuse_xvolution(trained)
    small, large = (cost(fused, 10 * times, 10).array_macs for times in (1, 4))
    once = O * O * C
    assert large - once == 4 * (small - once)
    assert small - once == 100 * (O * C * 9 + 2 * O * C + O * O)
    assert trained_cost(trained, 40, 10).array_macs > 4 * trained_cost(trained, 10, 10).array_macs


def test_parameters_are_all_the_numbers_stored():
    trained, _ = trained_of("xvolution")
    assert trained_cost(trained, H, W).parameters == O * C * 9 * 5
    assert cost(fuse_xvolution(trained), H, W).parameters == O * C * 9 * 5 + O


class Counting:
    """A number without a value that counts its products, but by 1 and −1."""

    products = 0

    def __mul__(self, other):
        Counting.products += isinstance(other, Counting) or other not in {1, -1}
        return self

    __rmul__ = __mul__

    def same(self, *_):
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = __neg__ = same


def counting(shape):
    return np.full(shape, Counting(), object)


def multiplied(fused):
    """How many products a form makes of one image."""
    arrays = {name: counting(array.shape) for name, array in fused.arrays.items()}
    Counting.products = 0
    run_fused(replace(fused, arrays=arrays), counting((1, C, H, W)))
    return Counting.products


ALL = ("feature", "two-pass", "tied", "square", "shared", "kernel")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("form", "k_a"), [*((form, 3) for form in ALL), ("feature", 1), ("two-pass", 1)]
)
def test_a_form_with_pixel_shifts_multiplies_as_often_as_its_formula_says(form, k_a, stride):
    """The formula's elementwise operations of the tied and of the square form have sums, too.

    The kernel form reads around the image here: a 0 of padding times another is no counted product.
    """
    w_c, w_a = np.ones((O, C, 3, 3)), np.ones((O, 4 * C, k_a, k_a))
    trained = XVolution(arrays={"w_c": w_c, "w_a": w_a}, stride=stride)
    fused = fuse_xvolution(trained, form=form)
    counted = cost(fused, H, W)
    if form == "kernel":
        fused = replace(fused, options={**fused.options, "padding_mode": "circular"})
    sums = {"tied": 4 * C * H * W, "square": 8 * C * H * W}.get(form, 0)
    assert multiplied(fused) == counted.array_macs + counted.elementwise - sums


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("window", [1, (1, 5)])
def test_the_local_kernel_form_multiplies_as_often_as_its_formula_says(window, stride):
    trained, _ = trained_of("xvolution_local", stride=stride)
    fused = fuse_xvolution(replace(trained, window=window, scale=3))
    counted = cost(fused, H, W)
    assert multiplied(fused) == counted.array_macs + counted.elementwise


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("projected", [False, True])
def test_the_per_image_form_multiplies_as_often_as_its_formula_says(heads, projected):
    trained, _ = trained_of("xvolution_global", stride=2)
    arrays = dict(trained.arrays)
    if projected:
        arrays |= {"w_v": np.ones((6, C)), "w_o": np.ones((O, 6))}
    fused = fuse_xvolution(replace(trained, arrays=arrays, heads=heads, scale=3))
    counted = cost(fused, H, W)
    assert multiplied(fused) == counted.array_macs + counted.elementwise
