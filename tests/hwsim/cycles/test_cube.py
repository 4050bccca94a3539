"""A cube's cycles in closed form are those of blocks that are moved one by one."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwsim.cycles import cube as module
from hwsim.literal.cube import simulate

sizes = st.tuples(*[st.integers(1, 9)] * 3)
sides = st.tuples(*[st.integers(1, 3)] * 3)
waits = st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(0, 5))


def agrees(size, cube, wait):
    rng, (m, n, k) = np.random.default_rng(1), size
    a, b = rng.integers(-9, 9, (m, k)), rng.integers(-9, 9, (k, n))
    left, right, sums = wait
    ran = simulate(a, b, cube, left=left, right=right, sums=sums)
    assert np.array_equal(ran.product, a @ b)
    return module.cube_cycles(size, cube, left=left, right=right, sums=sums).total == ran.cycles


@settings(max_examples=300, deadline=None)
@given(sizes, sides, waits)
@example((5, 1, 1), (2, 2, 2), (0, 5, 4))
def test_the_closed_form_counts_what_the_literal_cube_takes(size, cube, wait):
    assert agrees(size, cube, wait)


EXACT = module.cube_cycles


def with_rows_rounded_down(size, cube, **wait):
    m, n, k = size
    return EXACT((max(1, m // cube[0]) * cube[0], n, k), cube, **wait)


def that_never_waits_for_sums(size, cube, *, left, right, sums):
    return EXACT(size, cube, left=left, right=right, sums=0)


def that_hides_the_right_blocks(size, cube, *, left, right, sums):
    exact = EXACT(size, cube, left=left, right=0, sums=sums)
    return exact._replace(total=exact.total + right)


@pytest.mark.parametrize(
    "broken",
    [with_rows_rounded_down, that_never_waits_for_sums, that_hides_the_right_blocks],
)
def test_a_broken_formula_is_seen_to_fail(monkeypatch, broken):
    cases = [((m, 5, 7), (2, 2, 2), (1, 4, 5)) for m in range(1, 7)]
    assert all(agrees(*case) for case in cases)
    monkeypatch.setattr(module, "cube_cycles", broken)
    assert not all(agrees(*case) for case in cases)


def test_a_right_block_of_two_cycles_must_be_held_for_two_steps():
    """16 x 16 x 16, fp16: left blocks of 512 bytes in 1 cycle, right ones in 2."""
    cube = (16, 16, 16)
    one = module.cube_cycles((16, 160, 160), cube, left=1, right=2, sums=0)
    two = module.cube_cycles((32, 160, 160), cube, left=1, right=2, sums=0)
    assert one.streamed * 2 == two.streamed == 200
    assert (one.total, two.total) == (2 + 2 * 100 - 1, 2 + 200)


def test_arrays_give_what_their_elements_give():
    rng = np.random.default_rng(0)
    m, n, k = rng.integers(1, 50, (3, 40))
    whole = module.cube_cycles((m, n, k), (4, 3, 2), left=1, right=5, sums=2).total
    each = [
        module.cube_cycles((x, y, z), (4, 3, 2), left=1, right=5, sums=2).total
        for x, y, z in zip(m, n, k, strict=True)
    ]
    assert whole.tolist() == each
