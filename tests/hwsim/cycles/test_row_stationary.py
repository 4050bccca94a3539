"""Cycles and words of a row-stationary pass are those of elements that convolve step by step."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwsim.cycles import row_stationary as module
from hwsim.cycles.row_stationary import Mapping, Shape, Wires
from hwsim.literal.row_stationary import simulate

small = st.integers(1, 4)
mappings = st.builds(Mapping, n=small, e=small, p=small, q=small, r=small, t=small)
wires = st.builds(Wires, filter_per_set=st.integers(1, 2), sums=st.integers(1, 5))


@st.composite
def convolutions(draw):
    kernel_h, kernel_w, stride = draw(small), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    assume(kernel_h >= stride)
    height = draw(st.integers(kernel_h, 8))
    width = draw(st.integers(kernel_w, 6))
    return Shape(
        N=draw(st.integers(1, 3)),
        M=draw(st.integers(1, 7)),
        C=draw(st.integers(1, 7)),
        R=kernel_h,
        S=kernel_w,
        E=(height - kernel_h) // stride + 1,
        F=(width - kernel_w) // stride + 1,
        U=stride,
        W=width,
    )


def convolved(image, filters, shape):
    out = np.zeros((shape.N, shape.M, shape.E, shape.F), int)
    for y in range(shape.E):
        for x in range(shape.F):
            top, left = y * shape.U, x * shape.U
            window = image[:, :, top : top + shape.R, left : left + shape.S]
            out[:, :, y, x] = np.einsum("nchw,mchw->nm", window, filters)
    return out


def agrees(shape, mapping, wire):
    rng = np.random.default_rng(5)
    height = (shape.E - 1) * shape.U + shape.R
    image = rng.integers(-9, 9, (shape.N, shape.C, height, shape.W))
    filters = rng.integers(-9, 9, (shape.M, shape.C, shape.R, shape.S))
    ran = simulate(
        image,
        filters,
        shape.U,
        mapping._asdict(),
        filter_wire=wire.filter_per_set,
        sum_wire=wire.sums,
    )
    assert np.array_equal(ran.output, convolved(image, filters, shape))
    cost = module.row_stationary_cost(shape, mapping, wire)
    return ran[1:] == (cost.total, cost.ifmap_words, cost.sum_words, cost.filter_words)


@settings(max_examples=80, deadline=None)
@given(convolutions(), mappings, wires)
def test_the_closed_form_counts_what_the_literal_array_takes(shape, mapping, wire):
    assert agrees(shape, mapping, wire)


EXACT = module.pieces_of
CASES = [
    (Shape(N=2, M=7, C=5, R=3, S=2, E=5, F=4, U=1, W=5), Mapping(2, e, 2, 2, 1, 2), Wires(1, 1))
    for e in (2, 3, 5)
]


def without_remainders(total, size):
    return (size, total // size), (0, 0)


def only_full_pieces(total, size):
    return (size, -(-total // size)), (0, 0)


@pytest.mark.parametrize("broken", [without_remainders, only_full_pieces])
def test_a_broken_formula_is_seen_to_fail(monkeypatch, broken):
    assert all(agrees(*case) for case in CASES)
    monkeypatch.setattr(module, "pieces_of", broken)
    assert not all(agrees(*case) for case in CASES)


def test_slow_wires_are_waited_for_and_fast_ones_are_not():
    shape, mapping, _ = CASES[0]
    cycles = [module.row_stationary_cost(shape, mapping, Wires(1, w)).total for w in (1, 4, 10**6)]
    assert cycles[0] > cycles[1] >= cycles[2]


def test_a_pass_by_hand():
    """CONV5 of AlexNet as Eyeriss maps it: 4 x 16 x 3 x 13 x 3 products, 16 x 3 x 9 words."""
    shape = Shape(N=4, M=32, C=6, R=3, S=3, E=13, F=13, U=1, W=15)
    cost = module.row_stationary_cost(shape, Mapping(4, 13, 16, 3, 2, 2))
    assert cost.compute == 4 * 16 * 3 * 13 * 3 == 7488
    assert cost.total == 7488 + 16 * 3 * 9
    assert cost.ifmap_words == 4 * 6 * 15 * 15
    assert cost.sum_words == 2 * 4 * 32 * 13 * 13


@given(convolutions(), st.builds(module.Files, *[st.integers(1, 14)] * 5))
def test_a_mapping_that_is_found_fits_the_elements(shape, files):
    assume(module.mappable(shape, files))
    mapping = module.fitting_mapping(shape, files)
    assert min(mapping) >= 1
    assert mapping.e <= files.cols
    assert mapping.r * mapping.t <= max(1, files.rows // shape.R * (files.cols // mapping.e))
    assert mapping.p <= files.psum_words
    assert mapping.q * shape.S <= files.ifmap_words
    assert mapping.p * mapping.q * shape.S <= files.filter_words


@given(convolutions(), st.builds(module.Files, *[st.integers(1, 4)] * 5))
def test_a_kernel_has_a_mapping_iff_it_is_no_larger_than_array_and_files(shape, files):
    fits = files.rows >= shape.R and min(files.ifmap_words, files.filter_words) >= shape.S
    assert bool(module.mappable(shape, files)) is fits
