"""Binary32 in Python integers: the judge of float sums. Knows nothing of NumPy's arithmetic."""

from fractions import Fraction

SIGN, INFINITY, FRACTION = 1 << 31, 0xFF << 23, (1 << 23) - 1


def unpack(bits: int) -> Fraction:
    """Exact value of a finite binary32 word."""
    exponent, fraction = (bits & ~SIGN) >> 23, bits & FRACTION
    if exponent == 255:
        raise OverflowError("only finite numbers have an exact value")
    magnitude = (
        Fraction(fraction | 1 << 23) * Fraction(2) ** (exponent - 150)
        if exponent
        else Fraction(fraction, 2**149)
    )
    return -magnitude if bits & SIGN else magnitude


def pack(value: Fraction, *, negative_zero: bool = False) -> int:
    """Round to the nearest binary32 word, ties to even; the sign of a zero is given."""
    if value == 0:
        return SIGN if negative_zero else 0
    sign, magnitude = (SIGN if value < 0 else 0), abs(value)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2) ** exponent:
        exponent -= 1
    quantum = max(exponent, -126) - 23
    steps, rest = divmod(magnitude, Fraction(2) ** quantum)
    twice = 2 * rest / Fraction(2) ** quantum
    steps += twice > 1 or (twice == 1 and steps % 2 == 1)
    # The hidden bit of a normal number carries into the exponent field by itself.
    return sign | min(((quantum + 149) << 23) + int(steps), INFINITY)


def multiply(a: int, b: int) -> int:
    return pack(unpack(a) * unpack(b), negative_zero=bool((a ^ b) & SIGN))


def add(a: int, b: int) -> int:
    return pack(unpack(a) + unpack(b), negative_zero=bool(a & b & SIGN))
