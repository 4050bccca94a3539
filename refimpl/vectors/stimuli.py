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
from refimpl.bitexact.operators import OPERATORS
from refimpl.ops.shift_product import FOUR_DIRECTIONS
from refimpl.vectors.case import Case, Choices, ordered, shown

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

    def __post_init__(self) -> None:
        for name in (each.name for each in fields(self)):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, not {self.kernel}")
        if self.numbers > MOST_NUMBERS:
            raise ValueError(
                f"a random case must gather at most {MOST_NUMBERS:,} numbers at once, not "
                f"{self.numbers:,}: make batch, channels, outputs, height, width or kernel smaller"
            )

    @property
    def numbers(self) -> int:
        """Numbers in the largest array of any operator: all taps of all pixels, or the kernels."""
        taps = (1 + len(FOUR_DIRECTIONS)) * self.channels * self.kernel**2
        return taps * max(self.batch * self.height * self.width, self.outputs)


def random_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """One seeded case per operator and arithmetic.

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
        if operator not in OPERATORS:
            raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, not {operator!r}")
    make = {"int8": _random_int8, "fp32": _random_fp32}
    return [
        make[arithmetic](operator, sizes, choices, seed)
        for operator in dict.fromkeys(operators)
        for arithmetic in dict.fromkeys(choices.arithmetics)
    ]


def _geometry(sizes: Sizes) -> dict[str, Any]:
    pad = sizes.dilation * (sizes.kernel - 1) // 2
    return {
        "stride": [sizes.stride, sizes.stride],
        "padding": [pad, pad],
        "dilation": [sizes.dilation, sizes.dilation],
    }


def _shifts() -> dict[str, Any]:
    directions = [list(each) for each in FOUR_DIRECTIONS]
    return {"directions": directions, "length": 1, "boundary": "circular"}


def _attributes(operator: str, geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by operator: shifts where it shifts, geometry where it convolves."""
    shifts = {} if operator == "conv2d" else _shifts()
    return shifts if operator == "shift_product" else {**geometry, **shifts}


def _kernel_shapes(operator: str, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Shape of every kernel array of an operator, by the suffix of its branch."""
    c, d, k = sizes.channels, len(FOUR_DIRECTIONS), sizes.kernel
    inputs = {
        "conv2d": {"": c},
        "shift_product": {},
        "pssa": {"": d * c},
        "xvolution": {"_c": c, "_a": d * c},
        "xvolution_fused": {"": (1 + d) * c},
    }[operator]
    return {suffix: (sizes.outputs, many, k, k) for suffix, many in inputs.items()}


def _random_id(operator: str, arithmetic: str, sizes: Sizes, seed: str) -> str:
    shape = f"n{sizes.batch}c{sizes.channels}o{sizes.outputs}h{sizes.height}w{sizes.width}"
    steps = f"k{sizes.kernel}s{sizes.stride}"
    apart = "" if sizes.dilation == 1 else f"d{sizes.dilation}"
    return f"{operator.replace('_', '-')}-{arithmetic}-{shape}{steps}{apart}-{seed}"


def _random_int8(operator: str, sizes: Sizes, choices: Choices, seed: str) -> Case:
    name = _random_id(operator, "int8", sizes, seed)

    def draw(tensor: str, shape: tuple[int, ...], low: int, high: int, dtype: Any) -> Array:
        return random.integers(name, tensor, shape, low, high).astype(dtype)

    image = (sizes.batch, sizes.channels, sizes.height, sizes.width)
    tensors: dict[str, Array] = {"x": draw("x", image, -128, 127, np.int8)}
    zeros = {"x_zero": -7}
    if operator != "conv2d":
        zeros["t_zero"] = 5
        tensors |= {
            "t_multiplier": np.array([1518500250], np.int32),  # 2^30.5: about 1/91 with its shift,
            "t_shift": np.array([37], np.int8),  # so that the largest products saturate
        }
    for suffix, shape in _kernel_shapes(operator, sizes).items():
        taps = shape[1] * shape[2] * shape[3]
        deviation = isqrt(taps * 74 * 74 * 74 * 74)  # of a sum of products of uniform int8 numbers
        zeros["y_zero"] = 3
        tensors |= {
            f"w{suffix}": draw(f"w{suffix}", shape, -127, 127, np.int8),
            f"b{suffix}": draw(f"b{suffix}", shape[:1], -deviation, deviation, np.int32),
            f"multiplier{suffix}": draw(
                f"multiplier{suffix}", shape[:1], 2**30, 2**31 - 1, np.int32
            ),
            f"shift{suffix}": np.full(
                shape[:1], 31 + (deviation // 256).bit_length(), np.int8
            ),  # a standard deviation of about the range: some outputs saturate, most do not
        }
    return Case(
        id=name,
        operator=operator,
        arithmetic="int8",
        attributes={
            **_attributes(operator, _geometry(sizes)),
            **zeros,
            "rounding": choices.rounding,
            **shown(operator, choices),
        },
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _random_fp32(operator: str, sizes: Sizes, choices: Choices, seed: str) -> Case:
    name = _random_id(operator, "fp32", sizes, seed)

    def draw(tensor: str, shape: tuple[int, ...]) -> Array:
        return random.bell(name, tensor, shape).astype(np.float32)

    image = (sizes.batch, sizes.channels, sizes.height, sizes.width)
    tensors = {"x": draw("x", image)}
    for suffix, shape in _kernel_shapes(operator, sizes).items():
        tensors |= {
            f"w{suffix}": draw(f"w{suffix}", shape),
            f"b{suffix}": draw(f"b{suffix}", shape[:1]),
        }
        if operator == "xvolution":
            tensors |= {f"{each}{suffix}": draw(each + suffix, shape[:1]) for each in "st"}
    return Case(
        id=name,
        operator=operator,
        arithmetic="fp32",
        attributes=_attributes(operator, _geometry(sizes)) | ordered(operator, choices),
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _random_stimulus(seed: str) -> dict[str, Any]:
    return {"class": "random", "generator": random.GENERATOR, "seed": seed}
