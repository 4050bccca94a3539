"""exp, 1/x and 1/√x: every word of at most 16 bits and chosen binary32 ones, against mpmath."""

from fractions import Fraction
from math import factorial

import mpmath
import numpy as np
import pytest

from refimpl.bitexact.exponential import COEFFICIENTS, MARGIN, exp64, hard_words
from refimpl.bitexact.formats import FORMATS, decode, default_cast, encode, from_words, words_of
from refimpl.bitexact.transcendental import Function, correct, evaluate, function_of, table_of
from tests.refimpl.bitexact.fractions_model import nearest

NARROW = ("fp8_e4m3", "fp8_e5m2", "bf16", "fp16")
REAL = {
    "exp": mpmath.exp,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
}


def judged(name, x, form):
    """mpmath at 200 bits, rounded once; None where the result is beyond the format."""
    with mpmath.workprec(200):
        sign, mantissa, exponent, _ = REAL[name](mpmath.mpf(x))._mpf_
    exact = Fraction(int(mantissa)) * Fraction(2) ** exponent * (-1 if sign else 1)
    try:
        return float(nearest(exact, FORMATS[form]))
    except OverflowError:
        return None


def inputs(name, form):
    of = FORMATS[form]
    words = from_words(np.arange(1 << of.bits, dtype=of.word), of)
    x = decode(words)
    x = x[np.isfinite(x) & (x != 0)]
    if name == "rsqrt":
        x = x[x > 0]
    return x[np.abs(x) < 200] if name == "exp" else x


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("form", NARROW)
def test_every_word_is_rounded_correctly(name, form):
    """bf16 and fp16: every seventh word here; ``make check-exp`` takes them all."""
    x = inputs(name, form)
    x = x if FORMATS[form].bits == 8 else x[::7]
    for value, got in zip(x.tolist(), correct(name, x, form).tolist(), strict=True):
        expected = judged(name, value, form)
        if expected is None:
            assert abs(got) in (np.inf, FORMATS[form].largest)
        else:
            assert got == expected, value


EDGES = [0x42B17217, 0x42B17218, 0xC2CFF1B4, 0xC2CFF1B5, 0xC2AEAC4F, 0xC2AEAC50, 1, 0x80000001]


@pytest.mark.parametrize("name", REAL)
def test_binary32_is_rounded_correctly_at_its_edges_and_at_random(name):
    words = np.random.default_rng(3).integers(0, 2**32, 1500, dtype=np.uint32)
    words = np.concatenate([words, np.array(EDGES, np.uint32)])
    x = decode(from_words(words, FORMATS["fp32"]))
    x = x[np.isfinite(x) & (x != 0) & ((x > 0) | (name != "rsqrt"))]
    x = x[np.abs(x) < 200] if name == "exp" else x
    for value, got in zip(x.tolist(), correct(name, x, "fp32").tolist(), strict=True):
        expected = judged(name, value, "fp32")
        beyond = np.copysign(np.inf, value if name == "reciprocal" else 1.0)
        assert got == (beyond if expected is None else expected), value


@pytest.mark.small
def test_zeros_infinities_and_nans_are_as_ieee_754_says():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(correct("exp", x, "fp32"), [1, 1, np.inf, 0, np.nan])
    np.testing.assert_array_equal(
        correct("reciprocal", x, "fp32"), [np.inf, -np.inf, 0, -0.0, np.nan]
    )
    np.testing.assert_array_equal(correct("rsqrt", x, "fp32"), [np.inf, -np.inf, 0, np.nan, np.nan])


def test_the_margin_of_the_exponential_holds_on_a_sample():
    rng = np.random.default_rng(8)
    for x in rng.uniform(-104, 89, 2000).astype(np.float32).tolist():
        with mpmath.workprec(200):
            exact = mpmath.exp(mpmath.mpf(x))
            assert abs(mpmath.mpf(exp64(x)) - exact) <= MARGIN / 2 * exact


def test_hard_inputs_of_a_range_are_found_and_rounded_correctly():
    found = np.empty(100, np.int64)
    count = hard_words(0x3F000000, 0x3F200000, found)
    assert count < 10
    for word in found[:count]:
        x = float(np.uint32(word).view(np.float32))
        assert correct("exp", np.array([x]), "fp32").item() == judged("exp", x, "fp32")


def round_to(value, form="fp32"):
    return float(nearest(Fraction(value), FORMATS[form]))


def double(value):
    return nearest(value, FORMATS["fp64"])


@pytest.mark.parametrize("interpolation", ["nearest", "linear"])
@pytest.mark.parametrize("form", ["fp32", "bf16"])
def test_a_table_reads_the_entry_that_its_index_bits_say(interpolation, form):
    of = Function(name="exp", kind="table", format=form, index_bits=5, interpolation=interpolation)
    x = decode(encode(-np.random.default_rng(2).uniform(0, 17, 300), default_cast(form)))
    entries = [judged("exp", -16 + at / 2, form) for at in range(33)]
    assert table_of(of, {}).tolist() == entries
    for value, got in zip(x.tolist(), evaluate(of, x, {}).tolist(), strict=True):
        place = double(Fraction(max(value, -16.0)) + 16) * 2
        if interpolation == "nearest":
            expected = entries[int(place + Fraction(1, 2))]
        else:
            at = min(int(place), 31)
            step = double(Fraction(entries[at + 1]) - Fraction(entries[at]))
            rise = double(step * double(place - at))
            expected = round_to(double(Fraction(entries[at]) + rise), form)
        assert got == expected


@pytest.mark.small
def test_piecewise_shift_and_user_tables_are_their_formulas():
    x = np.array([-0.75, -3.0, -20.0])
    piece = Function(name="exp", kind="piecewise", index_bits=4)
    ends = {at: judged("exp", float(at), "fp32") for at in (-1, 0, -3, -2)}
    slope = round_to(Fraction(ends[0]) - Fraction(ends[-1]))
    expected = round_to(Fraction(round_to(Fraction(slope) / 4)) + Fraction(ends[-1]))
    assert evaluate(piece, x, {})[0] == expected
    assert evaluate(piece, x, {})[1] == ends[-3]
    shift = Function(name="exp", kind="pow2_shift")
    log2_e = round_to(float.fromhex("0x1.71547652b82fep+0"))
    t = Fraction(round_to(Fraction(-3) * Fraction(log2_e)))
    assert evaluate(shift, x, {})[1] == round_to((1 + t + 5) / 32)  # ⌊t⌋ = −5
    entries = encode(np.array([1.0, 2.0, 4.0]), default_cast("bf16"))
    mine = Function(name="exp", kind="user_table", index_bits=1, entries="mine")
    assert evaluate(mine, x, {"mine": entries}).tolist() == [4.0, 4.0, 1.0]


@pytest.mark.small
@pytest.mark.parametrize("name", ["reciprocal", "rsqrt"])
def test_a_table_of_significands_serves_every_exponent(name):
    of = Function(name=name, kind="table", index_bits=12, interpolation="linear")
    x = np.array([1.0, 4.0, 0.25, 3e-20, 7e30, 2.5, -3.0 if name == "reciprocal" else 3.0])
    got = evaluate(of, x, {})
    np.testing.assert_allclose(got, correct(name, x, "fp32"), rtol=1e-6)
    assert got[:3].tolist() == correct(name, x[:3], "fp32").tolist()


@pytest.mark.small
@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"kind": "cordic"}, "kind of function must be one of correct"),
        ({"interpolation": "cubic"}, "interpolation must be one of nearest, truncated, linear"),
        ({"index_bits": 0}, "index_bits must be from 1 to 16, not 0"),
        ({"kind": "user_table"}, "entries must name the tensor of a user table"),
        ({"low": -3.0, "high": 0.0}, "a table must be a power of two wide"),
        ({"speed": 1}, "a function must not have the fields speed"),
        ({"name": "rsqrt"}, "the function here must be exp, not 'rsqrt'"),
    ],
)
def test_a_function_there_is_not_is_refused_in_one_sentence(choice, sentence):
    with pytest.raises(ValueError, match=sentence):
        function_of(choice, "exp")
    with pytest.raises(ValueError, match="must stand for exp, not rsqrt"):
        Function(name="rsqrt", kind="pow2_shift")


@pytest.mark.small
def test_the_words_of_results_are_in_the_format():
    y = correct("exp", np.array([0.1]), "bf16")
    assert words_of(encode(y, default_cast("bf16"))).tolist() == [0x3F8D]


def test_the_error_recurrence_of_the_page_gives_the_margin_with_room_to_spare():
    """docs/correct-rounding.md: E_i ≤ E_{i+1}·|r| + u(1 + 8u)(a_{i+1}|r| + a_i) + γ_i, exactly."""
    r, u = Fraction(3466, 10000), Fraction(1, 2**53)
    once = u * (1 + 8 * u)
    exact = [Fraction(1, factorial(i)) for i in range(14)]
    own = [abs(Fraction(c) - e) for c, e in zip(COEFFICIENTS, exact, strict=True)]
    a, error = Fraction(COEFFICIENTS[13]), own[13]
    for i in range(12, -1, -1):
        product = a * r
        a = product + Fraction(COEFFICIENTS[i])
        error = error * r + once * product + own[i] + once * a
    assert error < Fraction(267, 10**18)
    truncation = r**14 * exact[13] / 14 * Fraction(105, 100)
    total = (error + truncation) / Fraction(7071, 10000) + Fraction(28, 10**18)
    assert total < Fraction(42, 10**17) < Fraction(MARGIN) / 2
