"""exp, 1/x and 1/√x as integers decide them: every rounding of binary64, against mpmath."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact import real_functions
from refimpl.bitexact.formats import FORMATS, decode
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.real_functions import Real, round_real, rounded_function
from refimpl.bitexact.rounding import MODES
from refimpl.bitexact.transcendental import Function, correct, evaluate
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.bitexact.fractions_model import nearest

FP64 = FORMATS["fp64"]
REAL = {
    "exp": mpmath.exp,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
}


def exact(name, x):
    """mpmath at 2400 bits, enough for any binary64 input, as a fraction."""
    with mpmath.workprec(2400):
        sign, mantissa, exponent, _ = REAL[name](mpmath.mpf(x))._mpf_
    return Fraction(int(mantissa)) * Fraction(2) ** exponent * (-1 if sign else 1)


def judged(name, x, rounding="nearest_even", form=FP64):
    return float(nearest(exact(name, x), form, rounding, overflow="infinity"))


def drawn(name):
    rng = np.random.default_rng(6)
    if name == "exp":
        x = np.concatenate([rng.uniform(-17, 1, 800), rng.uniform(-746, 710, 300)])
        edges = [709.782712893384, 709.7827128933841, -745.1332191019411, -745.1332191019412]
        tiny = [sign * 2.0**-k for k in (52, 53, 54, 55, 80, 1074) for sign in (1, -1)]
        return np.concatenate([x, edges, tiny, [800.5, -800.5]])
    x = rng.uniform(1, 4, 800) * 2.0 ** rng.integers(-1070, 1020, 800)
    squares = rng.integers(1, 2**26, 100).astype(float) ** 2
    return np.concatenate([x, squares, [1.0, 4.0, 0.25, 5e-324, 2.0**-1030, 1.7e308]])


@pytest.mark.parametrize("name", REAL)
def test_every_function_in_fp64_is_rounded_correctly(name):
    x = drawn(name)
    for value, got in zip(x.tolist(), correct(name, x, "fp64").tolist(), strict=True):
        assert got == judged(name, value), value.hex()


@pytest.mark.parametrize("rounding", list(MODES))
def test_the_reciprocal_of_a_negative_number_is_rounded_in_the_same_direction(rounding):
    x = -drawn("reciprocal")[:300]
    for value, got in zip(x.tolist(), correct("reciprocal", x, "fp64", rounding), strict=True):
        assert got == judged("reciprocal", value, rounding), value.hex()


def test_far_beyond_its_range_an_exponential_is_0_or_infinite():
    x = np.array([1e300, -1e300, 710.0, -746.0])
    assert correct("exp", x, "fp64").tolist() == [np.inf, 0.0, np.inf, 0.0]
    assert correct("exp", x, "fp64", "toward_zero").tolist() == [FP64.largest, 0, FP64.largest, 0]


def test_the_input_that_binary64_arithmetic_gets_wrong_is_right():
    x = float.fromhex("-0x1.a6b000d358p+1")
    assert correct("exp", np.array([x]), "fp64").item() == judged("exp", x)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("rounding", [each for each in MODES if each != "nearest_even"])
@pytest.mark.parametrize("form", ["fp64", "fp32", "fp16", "fp8_e5m2"])
def test_entries_are_rounded_correctly_in_every_declared_way(name, rounding, form):
    of = FORMATS[form]
    x = drawn(name)[::7]
    got = correct(name, x, form, rounding)
    for value, each in zip(x.tolist(), got.tolist(), strict=True):
        assert each == judged(name, value, rounding, of), value.hex()


@given(st.integers(1, 2**80), st.integers(-1300, 1000), st.booleans())
@settings(deadline=None, max_examples=300)
def test_a_number_with_something_after_it_rounds_as_a_fraction_does(significand, exponent, more):
    significand <<= 70  # as wide as any that a function gives
    real = Real(significand, exponent, exact=not more)
    value = (significand + Fraction(int(more), 3)) * Fraction(2) ** exponent
    for rounding in MODES:
        expected = float(nearest(value, FP64, rounding, overflow="infinity"))
        assert round_real(real, rounding) == expected
    odd, below = round_real(real, "odd"), float(nearest(value, FP64, "toward_zero", overflow="x"))
    ends_in_one = int(np.float64(below).view(np.int64)) % 2 == 1
    assert odd == (below if ends_in_one or below == value else np.nextafter(below, np.inf))


def test_more_digits_are_taken_until_the_rounding_is_certain(monkeypatch):
    monkeypatch.setattr(real_functions, "FIRST_BITS", 70)  # next to nothing beyond what is kept
    x = np.array([-3.3, 2.0**-30, 0.1, -700.1])
    found = rounded_function("exp", x, "nearest_even")
    assert found.tolist() == [judged("exp", each) for each in x.tolist()]


def test_attention_in_fp64_has_the_exponentials_of_mpmath():
    declared = {"softmax": {"format": "fp64"}}
    sizes = Sizes(batch=1, channels=3, outputs=4, height=4, width=3)
    choices = Choices(arithmetics=("int8",), declared=declared)
    (case,) = random_cases(["global_attention"], sizes, choices)
    found = PIPELINES["global_attention", "int8"](case.tensors, case.attributes)
    for name, source in (("exp", "exp_input"), ("reciprocal", "row_sum")):
        target = {"exp": "exp_output", "reciprocal": "reciprocal"}[name]
        x, y = (decode(found[each]).reshape(-1).tolist() for each in (source, target))
        assert y == [judged(name, each) for each in x]


def test_a_power_of_two_by_a_shift_is_rounded_once_in_fp64():
    """R(2^n·(1 + t − n)) of t just below 0, where two additions would meet a tie; and far away."""
    of = Function(name="exp", kind="pow2_shift", format="fp64")
    log2_e = Fraction(float.fromhex("0x1.71547652b82fep+0"))
    x = [-(2.0**-53) / float(log2_e) * (1 + k * 2.0**-52) for k in range(-4, 5)]
    x += [-700.5, -742.25, 700.5, -3.7, 1e-20]
    for value, got in zip(x, evaluate(of, np.array(x), {}).tolist(), strict=True):
        t = nearest(Fraction(value) * log2_e, FP64)
        n = t.numerator // t.denominator
        assert got == float(nearest(Fraction(2) ** n * (1 + t - n), FP64)), value
    assert evaluate(of, np.array([-800.0, 800.0]), {}).tolist() == [0.0, np.inf]
