"""Bugs between the accumulator and the output word: bias, scale, rounding, zero point, rails."""

from refimpl.score.mutant import Bug, bug

PARAMETERS: tuple[Bug, ...] = (
    bug(
        "bias-dropped",
        "missing shift",
        "the bias, with the batch normalisation's shift, is left out",
        "b",
        "constant",
        to=0,
    ),
    bug(
        "bias-neighbour",
        "parameters",
        "every output uses the bias of the one before it",
        "b",
        "neighbour",
    ),
    bug(
        "multiplier-first",
        "parameters",
        "every output uses the multiplier of the first",
        "multiplier",
        "first_for_all",
    ),
    bug(
        "multiplier-of-tile",
        "parameters",
        "a tile of outputs uses the multiplier of its first",
        "multiplier",
        "first_of_tile",
        tile="c_out",
    ),
    bug(
        "shift-first",
        "parameters",
        "every output uses the shift of the first",
        "shift",
        "first_for_all",
    ),
    bug(
        "multiplier-16",
        "width",
        "the multiplier's low 16 bits are not connected",
        "multiplier",
        "lose_low_bits",
        bits=16,
    ),
    bug(
        "multiplier-23",
        "width",
        "the multiplier's low 8 bits are not connected",
        "multiplier",
        "lose_low_bits",
        bits=8,
    ),
    bug("shift-one-more", "parameters", "shifts by one bit too many", "shift", "add", by=1),
    bug(
        "scaled-low-bits",
        "width",
        "the low 8 bits of what is scaled are not connected",
        "to_scale",
        "lose_low_bits",
        bits=8,
    ),
)
RULE_BUGS = (
    ("half-up", "half_up", "ties upwards"),
    ("half-even", "half_even", "ties to even"),
    ("floor", "floor", "truncated in two's complement"),
    ("tflite-double", "tflite_double", "rounded twice"),
    ("half-away", "half_away", "ties away from zero"),
    ("half-to-zero", "half_to_zero", "ties towards zero"),
    ("half-down", "half_down", "ties downwards"),
    ("half-odd", "half_odd", "ties to odd"),
    ("to-zero", "toward_zero", "truncated in sign and magnitude"),
    ("ceil", "ceil", "rounded upwards"),
    ("up-late", "up_late", "a quarter added before truncation instead of a half"),
)
ALIKE = {"tflite_double": ("tflite_double", "tosa_double")}  # the same bits from shifts of 31 on


def rounding_bugs(prefix: str, site: str, says: str, ids: tuple[str, ...]) -> tuple[Bug, ...]:
    """A requantiser that rounds by another rule than the declared one; ``says`` introduces it."""
    return tuple(
        bug(
            f"{prefix}round-{id_}",
            "rounding",
            f"{says}{what}",
            site,
            "rule",
            name=name,
            unless={"rounding": ALIKE.get(name, name)},
        )
        for id_, name, what in RULE_BUGS
        if id_ in ids
    )


ROUNDING: tuple[Bug, ...] = rounding_bugs("", "rounding", "", tuple(id_ for id_, *_ in RULE_BUGS))
RAILS: tuple[Bug, ...] = (
    bug(
        "scaled-16",
        "width",
        "the scaled value kept in 16 bits before it is clipped",
        "scaled",
        "wrap",
        bits=16,
    ),
    bug(
        "scaled-9",
        "width",
        "the scaled value kept in 9 bits before it is clipped",
        "scaled",
        "wrap",
        bits=9,
    ),
    bug(
        "y-zero-dropped", "sign", "the output's zero point is not added", "y_zero", "constant", to=0
    ),
    bug(
        "y-zero-subtracted",
        "sign",
        "the output's zero point is subtracted",
        "y_zero",
        "scale",
        by=-1,
    ),
    bug(
        "clip-before-zero",
        "saturation",
        "clipped before the zero point is added, then wraps",
        "scaled",
        "saturate",
        bits=8,
    ),
    bug(
        "output-wraps",
        "saturation",
        "the output wraps instead of saturating",
        "output",
        "known",
        name="before",
    ),
    bug(
        "output-wraps-high",
        "saturation",
        "the output wraps at the upper rail only",
        "output",
        "clip_one_side",
        wraps="high",
    ),
    bug(
        "output-wraps-low",
        "saturation",
        "the output wraps at the lower rail only",
        "output",
        "clip_one_side",
        wraps="low",
    ),
    bug("rail-minus-127", "saturation", "the lower rail is -127", "limits", "limits", low=-127),
    bug("rail-126", "saturation", "the upper rail is 126", "limits", "limits", high=126),
    bug(
        "rail-zero",
        "saturation",
        "negative results are clipped at the zero point",
        "limits",
        "limits",
        low="zero",
    ),
    bug(
        "clipped-twice",
        "saturation",
        "the output passes the clip a second time",
        "output",
        "saturate",
        bits=8,
        equivalent="a clip is idempotent: what is inside the rails stays as it is",
    ),
)
REQUANTISATION = PARAMETERS + ROUNDING + RAILS
