import pytest
from hypothesis import given, settings

from hwsim.workload import (
    Convolution,
    Elementwise,
    Pooling,
    Softmax,
    matrix_product,
)
from tests.hwsim.strategies import convolutions, small


@settings(deadline=None)
@given(convolutions())
def test_macs_count_every_output_tap_and_input_channel(conv):
    taps = conv.kernel_h * conv.kernel_w * conv.in_channels // conv.groups
    assert conv.macs == conv.out_elements * taps


@settings(deadline=None)
@given(convolutions())
def test_output_rows_are_the_window_positions_that_lie_in_the_padded_image(conv):
    last_start = conv.height + 2 * conv.padding - conv.dilation * (conv.kernel_h - 1) - 1
    assert conv.out_height == len(range(0, last_start + 1, conv.stride))


@settings(deadline=None)
@given(small, small, small, small)
def test_a_matrix_product_is_a_convolution_with_its_macs(m, n, k, count):
    product = matrix_product(m, n, k, count=count)
    assert product.macs == m * n * k * count
    assert product.out_elements == m * n * count


def test_labels_take_no_part_in_comparisons():
    assert matrix_product(2, 3, 4, label="scores") == matrix_product(2, 3, 4, label="other")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"height": 0}, "convolution height must be an integer of at least 1, not 0"),
        ({"padding": -1}, "convolution padding must be an integer of at least 0, not -1"),
        ({"groups": 2}, "groups must divide both channel counts, not be 2 for 3 and 4"),
        ({"kernel_h": 9}, "kernel 9x1 must fit in the padded image, not exceed 5x5 with padding 0"),
    ],
)
def test_an_impossible_convolution_is_refused_in_one_sentence(changes, sentence):
    shape = {"in_channels": 3, "height": 5, "width": 5, "out_channels": 4} | changes
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Convolution(**shape)


def test_a_fused_primitive_moves_nothing_and_others_read_every_input():
    plain = Elementwise(kind="multiply", elements=10, inputs=2)
    fused = Elementwise(kind="relu", elements=10, fused=True)
    assert (plain.operations, plain.read_elements, plain.write_elements) == (10, 20, 10)
    assert (fused.operations, fused.read_elements, fused.write_elements) == (10, 0, 0)


def test_pooling_and_softmax_read_and_write_each_number_once():
    pool = Pooling(kind="maximum", inputs=100, outputs=25, window=9)
    assert (pool.operations, pool.read_elements, pool.write_elements) == (225, 100, 25)
    softmax = Softmax(rows=3, cols=7)
    assert (softmax.operations, softmax.read_elements, softmax.write_elements) == (21, 21, 21)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Elementwise(kind="power", elements=1), "elementwise kind must be one of"),
        (lambda: Elementwise(kind="add", elements=1, inputs=2, fused=True), "must have one input"),
        (lambda: Pooling(kind="median", inputs=1, outputs=1, window=1), "pooling kind must be"),
        (lambda: Softmax(rows=0, cols=1), "softmax rows must be an integer of at least 1"),
    ],
)
def test_an_impossible_vector_primitive_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
