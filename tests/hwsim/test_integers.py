from fractions import Fraction
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.integers import ceil_div, chunks

positive = st.integers(1, 10_000)


@settings(deadline=None)
@given(positive, positive)
def test_ceil_div_rounds_an_exact_quotient_up(dividend, divisor):
    assert ceil_div(dividend, divisor) == ceil(Fraction(dividend, divisor))


@settings(deadline=None)
@given(positive, positive)
def test_chunks_are_full_but_for_the_last_and_add_up(total, size):
    sizes = chunks(total, size)
    assert sum(sizes) == total
    assert set(sizes[:-1]) <= {size}
    assert 1 <= sizes[-1] <= size
