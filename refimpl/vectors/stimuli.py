"""Seeded random cases: the same case id gives the same bytes everywhere.

int8 tensors are uniform over their range, with requantisation chosen so that outputs reach both
rails and mostly lie between; fp32 tensors are bell-shaped with unit variance.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isqrt
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.formats import default_cast, encode, format_named, to_integers
from refimpl.bitexact.operators import (
    ALL_OPERATORS,
    FLOAT_ARITHMETICS,
    INTEGER_ARITHMETICS,
    OPERATORS,
)
from refimpl.bitexact.quantise import WIDTHS
from refimpl.bitexact.records import ATTENTION, SUMS
from refimpl.ops.shift_product import FOUR_DIRECTIONS, offsets
from refimpl.vectors.case import Case, Choices, identified, ordered, shown
from refimpl.vectors.convolutions import convolves
from refimpl.vectors.declare import declared_case, must_read_declared
from refimpl.vectors.draws import Extent, drawn

GROUPED = (
    "conv2d",
    "pssa",
    "xvolution",
    "xvolution_training",
    "conv2d_backward",
    "pssa_backward",
    "xvolution_backward",
)
"""Operators whose convolutions may be in groups; the fused form's x and products are one input."""
MOST_NUMBERS = 2**27  # ours: 1 GB of 64-bit accumulator operands
SEED = re.compile(r"[a-z0-9._-]{1,32}")  # it becomes part of case ids, which become directories


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Shape of a random case."""

    batch: int = 2
    channels: int = 3
    outputs: int = 4
    height: int = 7
    width: int = 6
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self)):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, not {self.kernel}")
        if self.channels % self.groups or self.outputs % self.groups:
            raise ValueError(
                f"groups must divide the {self.channels} channels and the {self.outputs} outputs, "
                f"not be {self.groups}"
            )
        self.must_fit("conv2d")

    def must_fit(self, operator: str, directions: int = len(FOUR_DIRECTIONS)) -> None:
        """Refuse what would not fit memory: all taps of all pixels, or the kernels.

        Raises
        ------
        ValueError
            If the largest array of the operator has too many numbers.
        """
        images = 1 + directions
        if operator in {"conv2d", "conv2d_backward"}:
            images = 1
        elif operator in {"pssa", "pssa_backward"}:
            images = directions
        taps = images * self.channels * self.kernel**2
        numbers = taps * max(self.batch * self.height * self.width, self.outputs)
        if numbers > MOST_NUMBERS:
            raise ValueError(
                f"a random case of {operator} must gather at most {MOST_NUMBERS:,} numbers at "
                f"once, not {numbers:,}: make batch, channels, outputs, height, width or kernel "
                f"smaller"
            )


def random_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """One seeded case per operator and arithmetic.

    Stimuli follow from the name alone, so two rounding rules meet the same operands. Where a choice
    changes the case, its id says so (``case.identified``).

    Raises
    ------
    ValueError
        If an operator is unknown, or no case reads a declared field of a record that one has.
    """
    cases = seeded_cases(operators, sizes, choices, seed=seed)
    must_read_declared(cases, choices)
    return cases


def seeded_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """The same, for a set of more cases than these: one of the others may read what is declared."""
    cases = named_cases(operators, sizes, choices, seed=seed)
    plain = Choices(arithmetics=choices.arithmetics)
    if choices == plain:
        return [identified(case, default=case) for case in cases]
    defaults = named_cases(operators, sizes, plain, seed=seed)
    return [
        identified(case, default=default) for case, default in zip(cases, defaults, strict=True)
    ]


def named_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """Seeded cases under their bare names, for who changes them further and then identifies them.

    Raises
    ------
    ValueError
        If an operator is unknown.
    """
    if not SEED.fullmatch(seed):
        raise ValueError(
            f"seed must be 1 to 32 of a-z, 0-9, dot, dash and underscore, not {seed!r}"
        )
    for operator in operators:
        if operator not in ALL_OPERATORS:
            known = ", ".join(ALL_OPERATORS)
            raise ValueError(f"operator must be one of {known}, not {operator!r}")
        if sizes.groups > 1 and operator not in GROUPED:
            raise ValueError(
                f"groups must be 1 for {operator}, not {sizes.groups}: of {', '.join(GROUPED)} "
                "they may be more"
            )
    for operator in operators:
        sizes.must_fit(operator, directions_of(choices))
    make = dict.fromkeys(INTEGER_ARITHMETICS, _random_integer)
    make |= dict.fromkeys(FLOAT_ARITHMETICS, _random_float)
    return [
        declared_case(
            (make[arithmetic] if operator in OPERATORS else _random_drawn)(
                operator, arithmetic, sizes, choices, seed
            ),
            choices,
        )
        for operator in dict.fromkeys(operators)
        for arithmetic in dict.fromkeys(choices.arithmetics)
    ]


def sums_over_taps(operator: str, arithmetic: str) -> bool:
    """Whether floats are summed over channels and taps: attention's 1×1 kernels have no order."""
    floats = arithmetic in FLOAT_ARITHMETICS and operator not in ATTENTION
    return floats and "accumulation" in SUMS[operator]


def _geometry(sizes: Sizes) -> dict[str, Any]:
    pad = sizes.dilation * (sizes.kernel - 1) // 2
    return {
        "stride": [sizes.stride, sizes.stride],
        "padding": [pad, pad],
        "dilation": [sizes.dilation, sizes.dilation],
        **({"groups": sizes.groups} if sizes.groups > 1 else {}),
    }


def _shifts() -> dict[str, Any]:
    directions = [list(each) for each in FOUR_DIRECTIONS]
    return {"directions": directions, "length": 1, "boundary": "circular"}


def _attributes(operator: str, geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by operator: shifts where it shifts, geometry where it convolves."""
    shifts = {} if operator == "conv2d" else _shifts()
    return shifts if operator == "shift_product" else {**geometry, **shifts}


def directions_of(choices: Choices) -> int:
    """How many directions a shift product has: four unless others are declared.

    Raises
    ------
    ValueError
        If there are none, or one is none.
    """
    return len(offsets(choices.declared.get("directions", FOUR_DIRECTIONS), 1))


def _kernel_shapes(operator: str, sizes: Sizes, d: int) -> dict[str, tuple[int, ...]]:
    """Shape of every kernel array of an operator of d directions, by its branch's suffix."""
    c, k = sizes.channels, sizes.kernel
    inputs = {
        "conv2d": {"": c},
        "shift_product": {},
        "pssa": {"": d * c},
        "xvolution": {"_c": c, "_a": d * c},
        "xvolution_fused": {"": (1 + d) * c},
    }[operator]
    return {suffix: (sizes.outputs, many // sizes.groups, k, k) for suffix, many in inputs.items()}


def _random_id(operator: str, arithmetic: str, sizes: Sizes, seed: str) -> str:
    shape = f"n{sizes.batch}c{sizes.channels}o{sizes.outputs}h{sizes.height}w{sizes.width}"
    steps = f"k{sizes.kernel}s{sizes.stride}"
    apart = "" if sizes.dilation == 1 else f"d{sizes.dilation}"
    split = "" if sizes.groups == 1 else f"g{sizes.groups}"
    return f"{operator.replace('_', '-')}-{arithmetic}-{shape}{steps}{apart}{split}-{seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """How integers of a format are drawn: deviation of a uniform one, zero points, factors.

    Factors are m/2^s with m of the arithmetic's multipliers (``WIDTHS``). ``t_shift`` makes the
    largest products saturate.
    """

    deviation: int
    x_zero: int
    t_zero: int
    y_zero: int
    t_multiplier: int
    t_shift: int


SPREADS = {
    "int8": _Spread(
        deviation=74, x_zero=-7, t_zero=5, y_zero=3,
        t_multiplier=1518500250, t_shift=37,  # 2^30.5: about 1/91
    ),
    "int4": _Spread(
        deviation=5, x_zero=-1, t_zero=1, y_zero=1,
        t_multiplier=1518500250, t_shift=33,  # about 1/6
    ),
    "int16": _Spread(
        deviation=18918, x_zero=-7, t_zero=5, y_zero=3,
        t_multiplier=23170, t_shift=29,  # 2^14.5: about 1/23000
    ),
}  # fmt: skip


def _random_integer(
    operator: str, arithmetic: str, sizes: Sizes, choices: Choices, seed: str
) -> Case:
    name = _random_id(operator, arithmetic, sizes, seed)
    of, form, widths = SPREADS[arithmetic], format_named(arithmetic), WIDTHS[arithmetic]
    top = widths.multiplier

    def draw(tensor: str, shape: tuple[int, ...], low: int, high: int, to: str) -> Array:
        return to_integers(random.integers(name, tensor, shape, low, high), to)

    image = (sizes.batch, sizes.channels, sizes.height, sizes.width)
    tensors: dict[str, Array] = {"x": draw("x", image, *form.limits, arithmetic)}
    zeros: dict[str, Any] = {"x_zero": of.x_zero}
    if operator != "conv2d":
        zeros["t_zero"] = of.t_zero
        tensors |= {
            "t_multiplier": np.array([of.t_multiplier], np.int32),
            "t_shift": np.array([of.t_shift], np.int8),
        }
    weights = format_named(widths.weights)
    for suffix, shape in _kernel_shapes(operator, sizes, directions_of(choices)).items():
        taps = shape[1] * shape[2] * shape[3]
        spread = of.deviation * SPREADS[widths.weights].deviation
        deviation = isqrt(taps * spread * spread)  # of a sum of products of uniform numbers
        zeros["y_zero"] = of.y_zero
        tensors |= {
            f"w{suffix}": draw(
                f"w{suffix}", shape, -weights.limits[1], weights.limits[1], widths.weights
            ),
            f"b{suffix}": draw(f"b{suffix}", shape[:1], -deviation, deviation, "int32"),
            f"multiplier{suffix}": draw(
                f"multiplier{suffix}", shape[:1], 2 ** (top - 1), 2**top - 1, "int32"
            ),
            f"shift{suffix}": np.full(
                shape[:1], top + (deviation >> form.bits).bit_length(), np.int8
            ),  # a standard deviation of about the range: some outputs saturate, most do not
        }
    if widths.accumulator != 32 and operator != "shift_product":
        zeros["accumulator"] = {"bits": widths.accumulator}
    return Case(
        id=name,
        operator=operator,
        arithmetic=arithmetic,
        attributes={
            **_attributes(operator, _geometry(sizes)),
            **zeros,
            "rounding": choices.rounding,
            **shown(operator, choices),
        },
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _random_drawn(
    operator: str, arithmetic: str, sizes: Sizes, choices: Choices, seed: str
) -> Case:
    """A case of an operator whose tensors ``draws`` knows."""
    name = _random_id(operator, arithmetic, sizes, seed)
    extent = Extent(
        n=sizes.batch, c=sizes.channels, o=sizes.outputs, h=sizes.height, w=sizes.width,
        k=sizes.kernel, stride=sizes.stride, g=sizes.groups, d=sizes.dilation,
        many=directions_of(choices),
    )  # fmt: skip
    tensors, attributes = drawn(operator, arithmetic, name, extent, choices.rounding)
    if sums_over_taps(operator, arithmetic) and choices.order != Choices().order:
        attributes["order"] = choices.order
    if convolves(operator, arithmetic):
        attributes |= shown(operator, choices)
    return Case(
        id=name,
        operator=operator,
        arithmetic=arithmetic,
        attributes=attributes,
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _random_float(
    operator: str, arithmetic: str, sizes: Sizes, choices: Choices, seed: str
) -> Case:
    name = _random_id(operator, arithmetic, sizes, seed)

    def draw(tensor: str, shape: tuple[int, ...], to: str = "fp32") -> Array:
        return encode(random.bell(name, tensor, shape), default_cast(to))

    image = (sizes.batch, sizes.channels, sizes.height, sizes.width)
    tensors = {"x": draw("x", image, arithmetic)}
    for suffix, shape in _kernel_shapes(operator, sizes, directions_of(choices)).items():
        tensors |= {
            f"w{suffix}": draw(f"w{suffix}", shape, arithmetic),
            f"b{suffix}": draw(f"b{suffix}", shape[:1]),
        }
        if operator == "xvolution":
            tensors |= {f"{each}{suffix}": draw(each + suffix, shape[:1]) for each in "st"}
    return Case(
        id=name,
        operator=operator,
        arithmetic=arithmetic,
        attributes=_attributes(operator, _geometry(sizes)) | ordered(operator, choices),
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _random_stimulus(seed: str) -> dict[str, Any]:
    return {"class": "random", "generator": random.GENERATOR, "seed": seed}
