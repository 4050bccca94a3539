"""e^x over every binary32 input, and over every word of the narrower formats: ``make check-exp``.

Where both ends of the margin round alike, the rounding is right by the argument in
``docs/correct-rounding.md``; the others are decided by mpmath at 200 bits. Beyond the ends of the
range the function is monotone, so its two last inputs decide. Prints what it saw; exit code 1 if
any input is rounded wrongly.
"""

import sys
from fractions import Fraction

import mpmath
import numpy as np
from rich.console import Console
from rich.progress import Progress

from refimpl.bitexact.exponential import MARGIN, hard_words
from refimpl.bitexact.formats import FORMATS, decode, from_words
from refimpl.bitexact.transcendental import correct
from tests.refimpl.bitexact.fractions_model import nearest

CHUNK = 1 << 24
POSITIVE = (0x00000000, 0x42B17218)  # up to the last input whose result is finite
NEGATIVE = (0x80000000, 0xC2CFF1B5)  # down to the last whose result is not 0
NARROW = ("fp8_e4m3", "fp8_e5m2", "bf16", "fp16")


def judged(x, form):
    """mpmath's e^x, rounded once; None beyond the format."""
    with mpmath.workprec(200):
        _, mantissa, exponent, _ = mpmath.exp(mpmath.mpf(x))._mpf_
    try:
        return float(nearest(Fraction(int(mantissa)) * Fraction(2) ** exponent, FORMATS[form]))
    except OverflowError:
        return None


def number(word):
    return float(np.uint32(word).view(np.float32))


def wrong_ends():
    """The two ends of the range must be the last inputs with a finite, and a non-zero, result."""
    inside = [number(POSITIVE[1] - 1), number(NEGATIVE[1] - 1)]
    outside = [number(POSITIVE[1]), number(NEGATIVE[1])]
    got = correct("exp", np.array(inside + outside), "fp32").tolist()
    right = np.isfinite(got[0]) and got[1] > 0 and got[2] == np.inf and got[3] == 0
    exact = judged(outside[0], "fp32") is None and judged(outside[1], "fp32") == 0
    return [] if right and exact else ["ends of the range"]


def wrong_hard(found):
    """Hard inputs that are rounded wrongly."""
    x = np.array([number(word) for word in found])
    got = correct("exp", x, "fp32").tolist() if len(found) else []
    return [hex(w) for w, v, y in zip(found, x, got, strict=True) if judged(float(v), "fp32") != y]


def wrong_narrow(form):
    """Every finite word of a narrow format."""
    of = FORMATS[form]
    x = decode(from_words(np.arange(1 << of.bits, dtype=of.word), of))
    x = x[np.isfinite(x) & (np.abs(x) < 200)]
    beyond = np.inf if of.infinities else of.largest
    return [
        f"{form} {value}"
        for value, got in zip(x.tolist(), correct("exp", x, form).tolist(), strict=True)
        if got != (beyond if (expected := judged(value, form)) is None else expected)
    ]


def main() -> int:
    out, err = Console(), Console(stderr=True)
    spans = [
        (first, min(first + CHUNK, last))
        for low, last in (POSITIVE, NEGATIVE)
        for first in range(low, last, CHUNK)
    ]
    hard = []
    found = np.empty(1 << 16, np.int64)
    with Progress(console=err) as bar:
        task = bar.add_task("binary32", total=len(spans) + len(NARROW))
        for first, last in spans:
            count = hard_words(first, last, found)
            if count > found.size:
                out.print(f"more hard inputs than there is room for: {count}")
                return 1
            hard += found[:count].tolist()
            bar.advance(task)
        wrong = wrong_ends() + wrong_hard(hard)
        for form in NARROW:
            wrong += wrong_narrow(form)
            bar.advance(task)
    inputs = sum(last - first for first, last in spans)
    out.print(
        f"{inputs:,} binary32 inputs; {len(hard)} within {MARGIN:g} of a midpoint, decided by "
        f"mpmath; every word of {', '.join(NARROW)}; wrongly rounded: {len(wrong)}"
    )
    for each in wrong[:20]:
        out.print(each)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
