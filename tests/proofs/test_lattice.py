"""Sets of offsets, by hand."""

from proofs.lattice import HERE, box_radius, connects, level, minkowski, stack
from refimpl import EIGHT_DIRECTIONS, FOUR_DIRECTIONS


def test_one_level_reads_the_pixel_and_its_neighbours():
    assert level([(0, 1)], 2, 1) == {(0, 0), (0, 2)}
    assert level([(0, 1)], 1, 3) == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1, 2)}


def test_a_stack_adds_and_none_reads_the_pixel_alone():
    assert stack(FOUR_DIRECTIONS, (), 3) == HERE
    assert minkowski(frozenset({(0, 1)}), frozenset({(2, 3)})) == {(2, 4)}
    assert len(stack(FOUR_DIRECTIONS, (1, 1), 1)) == 13
    assert stack(EIGHT_DIRECTIONS, (1,), 1) == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}


def test_the_box_holds_all_offsets():
    assert box_radius(frozenset({(0, 0), (-3, 1)})) == 3


def test_two_by_two_is_connected_by_two_steps_or_one_diagonal():
    assert not connects(FOUR_DIRECTIONS, (1,), 2)
    assert connects(FOUR_DIRECTIONS, (1, 1), 2)
    assert connects(EIGHT_DIRECTIONS, (1,), 2)
    assert connects(FOUR_DIRECTIONS, (), 1)
