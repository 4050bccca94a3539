"""A recipe: a designed case as data. ``stimuli.py`` cooks it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Bias: TypeAlias = Literal["random", "ties", "near-ties", "edges", "rails", "huge", "zero"]
Scale: TypeAlias = Literal["fit", "exact", "unit", "fine"]
Values: TypeAlias = Literal[
    "uniform",
    "rails",
    "large",
    "impulse",
    "small",
    "edges",
    "pairs",
    "bell",
    "absorbing",
    "cancelling",
    "subnormal",
    "tiny",
    "spread",
    "opposed",
    "sweep",
]
Directions: TypeAlias = tuple[tuple[int, int], ...]
FOUR: Directions = ((0, -1), (0, 1), (-1, 0), (1, 0))
EIGHT: Directions = (*FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Sizes, attributes, and which class of values, biases and scales.

    Values of x and w: uniform int8 · rails and zero points · "large", all at the rail that is
    farther from the zero point · one impulse per channel · small · edges that show (``witnesses``)
    · pairs whose products are ties · and for binary32: bell-shaped · absorbing (2²⁴, 1, −2²⁴) ·
    cancelling · around the smallest normal number · subnormal, made to show · of very different
    magnitude. Attention alone has opposed queries and keys, and values that sweep every word.

    Biases: random · solved so that an output is a tie of the rounding rule, or within the reach of
    a second rounding · solved to lie next to a rounding edge, or at a rail · huge (16 to 32
    bits) · zero.
    Of attention alone: heads, the kind of softmax, and whether the projections are *plain*, so that
    queries, keys and values are the image's own channels. Of batch normalisation: statistics.
    Scales: fit to the values · exact powers of two · nearly 1 · fine, so that huge sums fit.
    """

    name: str
    batch: int = 1
    channels: int = 3
    outputs: int = 5
    height: int = 5
    width: int = 4
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] | None = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    directions: Directions = FOUR
    length: int = 1
    boundary: Literal["circular", "zero"] = "circular"
    values: Values = "uniform"
    bias: Bias = "random"
    scale: Scale = "fit"
    t_scale: Scale = "fit"
    x_zero: int = -7
    t_zero: int = 5
    y_zero: int = 3
    ready: str = "1"
    heads: int = 1
    softmax: Literal["float", "bf16", "table"] = "float"
    plain: bool = False
    statistics: Literal["given", "batch"] = "given"
