"""Points of scaling, rounding and clipping: of a convolution's output or of a shift product."""

from refimpl.score.point import Point, Sample, point
from refimpl.score.ties import NEAR


def requantisation(sample: Sample, prefix: str, scaled: str) -> tuple[Point, ...]:
    """Points of one requantiser; ``scaled`` is what enters it.

    ``quotient`` and ``remainder`` are those of scaled·m by 2^s, ``half`` is 2^(s−1).
    """
    ties = tuple(
        point(
            f"{prefix}.tie-{parity}-{sign}",
            sample,
            f"remainder == half and quotient % 2 == {odd} and {scaled} {relation} 0",
            f"a tie above an {parity} integer, {sign}",
        )
        for parity, odd in (("even", 0), ("odd", 1))
        for sign, relation in (("positive", ">"), ("negative", "<"))
    )
    return (
        *ties,
        point(
            f"{prefix}.just-below-tie",
            sample,
            f"remainder < half and remainder >= half - {NEAR}",
            "so little below a tie that rounding twice carries it over",
        ),
        point(
            f"{prefix}.just-above-tie",
            sample,
            f"remainder > half and remainder <= half + {NEAR}",
            "so little above a tie",
        ),
        point(f"{prefix}.exact", sample, f"remainder == 0 and {scaled} != 0", "nothing to round"),
        point(f"{prefix}.high", sample, "before_clip > 127", "the upper rail saturates"),
        point(f"{prefix}.low", sample, "before_clip < -128", "the lower rail saturates"),
        point(f"{prefix}.at-127", sample, "before_clip == 127", "exactly the upper rail"),
        point(f"{prefix}.at-128", sample, "before_clip == 128", "one beyond the upper rail"),
        point(f"{prefix}.at-minus-128", sample, "before_clip == -128", "exactly the lower rail"),
        point(f"{prefix}.at-minus-129", sample, "before_clip == -129", "one beyond the lower rail"),
        point(
            f"{prefix}.beyond-9-bits",
            sample,
            "abs(before_clip) > 255",
            "so far beyond a rail that 9 bits wrap",
        ),
        point(
            f"{prefix}.beyond-16-bits",
            sample,
            "abs(before_clip) > 32767",
            "so far beyond a rail that 16 bits wrap",
        ),
        point(f"{prefix}.at-zero-point", sample, "before_clip == zero", "real zero"),
    )
