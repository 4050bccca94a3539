"""Witnesses: each tells two devices apart, and equal devices have none."""

import numpy as np
import pytest

from refimpl.arrays import Array
from refimpl.score.summation import SUMMATIONS
from refimpl.score.witnesses import OTHER_EDGES, edge_image, order_witness, shows_edges

SAME = {"sequential", "skipping_zeros"}


@pytest.mark.parametrize("name", [each for each in SUMMATIONS if each not in SAME])
@pytest.mark.parametrize("taps", [6, 9])
def test_every_other_summation_has_a_witness_that_shows(name, taps):
    sequential, other = SUMMATIONS["sequential"], SUMMATIONS[name]
    with np.errstate(over="ignore", invalid="ignore"):
        witness = order_witness(sequential, other, taps)
        row, column = witness.weights[None], witness.values[None, :, None]
        first, second = (each(row, column, None).item() for each in (sequential, other))
    assert first != second
    assert witness.sums[0] == first


@pytest.mark.parametrize("name", sorted(SAME))
def test_the_same_sum_has_no_witness(name):
    with pytest.raises(ValueError, match="to have a witness; these do not"):
        order_witness(SUMMATIONS["sequential"], SUMMATIONS[name], 4)


def literal(row: Array, column: Array) -> float:
    total = np.float32(0)
    for weight, value in zip(row, column, strict=True):
        total = np.float32(total + np.float32(weight * value))
    return float(total)


def test_the_declared_sum_is_the_loop_and_backwards_the_loop_from_behind():
    generator = np.random.default_rng(0)
    row = generator.standard_normal(11).astype(np.float32)
    column = generator.standard_normal(11).astype(np.float32)
    for name, step in (("sequential", 1), ("backwards", -1)):
        got = SUMMATIONS[name](row[None], column[None, :, None], None).item()
        assert got == literal(row[::step], column[::step])


@pytest.mark.parametrize("size", [(3, 3), (4, 5), (7, 3)])
@pytest.mark.parametrize("offset", [(0, -1), (0, 1), (-1, 0), (1, 0), (1, -1), (2, 0)])
def test_an_edge_image_shows_every_other_treatment_of_edges_at_every_border_pixel(size, offset):
    image = edge_image(2, *size, [offset])
    assert shows_edges(image, offset)
    flat = np.full_like(image, 3)
    assert not shows_edges(flat, offset)


@pytest.mark.small
def test_there_is_more_than_one_other_treatment_and_small_images_are_refused():
    assert len(OTHER_EDGES) >= 6
    with pytest.raises(ValueError, match="at least 3x3, not 2x5"):
        edge_image(1, 2, 5, [(0, 1)])
