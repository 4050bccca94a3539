"""Real tensors of a layer in an arithmetic: quantised or cast by a rule that the case states.

Floats are rounded once from the real numbers. Integers take their scales and zero points from the
ranges of these very tensors (``bitexact/quantise.py``), in the formats that are declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.describe_parts import cast_text
from refimpl.bitexact.formats import default_cast, encode, format_named, integer_format
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.quantise import (
    WIDTHS,
    Affine,
    affine,
    quantise,
    quantise_bias,
    quantise_weights,
)
from refimpl.bitexact.requantise import FLOAT_RULE, Factor, fixed_point
from refimpl.vectors.case import Choices


class Call(NamedTuple):
    """An operator call, and what is said of how its tensors came about."""

    operator: str
    tensors: dict[str, Array]
    attributes: dict[str, Any]
    said: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integers:
    """Formats and widths of an integer arithmetic, as they are declared of a layer."""

    name: str
    weights: str
    output: str
    product: str
    wide: bool
    accumulator: int
    multiplier: int
    rounding: str

    @property
    def attributes(self) -> dict[str, Any]:
        """Those that every call in this arithmetic has."""
        wide = {"accumulator": {"bits": self.accumulator}} if self.accumulator != 32 else {}
        return {"rounding": self.rounding, **wide}

    @property
    def most_bits_lost(self) -> int:
        """Bits that one scale for two kernel groups may cost the smaller: two must be left."""
        return format_named(self.weights).bits - 2

    def activation(self, x: Array) -> Affine:
        """Scale and zero point of what enters the layer."""
        if not np.isfinite(x).all():
            raise ValueError(f"what enters the layer must be finite to be {self.name}")
        return affine(x, self.name)

    def factor(self, factors: Array, prefix: str = "", suffix: str = "") -> dict[str, Array]:
        """Multipliers and shifts of real factors, as tensors."""
        found: Factor = fixed_point(factors, self.multiplier)
        return {
            f"{prefix}multiplier{suffix}": found.multiplier.astype(np.int32),
            f"{prefix}shift{suffix}": found.shift.astype(np.int8),
        }

    def kernels(
        self, w: Array, b: Array, input_scale: float, y: Affine, suffix: str = ""
    ) -> dict[str, Array]:
        """Kernels, int32 bias and requantisation of one convolution to the output's scale."""
        kernels = quantise_weights(w, self.weights)
        accumulator_scale = kernels.scale * input_scale
        return {
            f"w{suffix}": kernels.w,
            f"b{suffix}": quantise_bias(b, accumulator_scale),
            **self.factor(accumulator_scale / y.scale, suffix=suffix),
        }

    def image(self, x: Array, to: Affine) -> Array:
        """What enters the layer, quantised."""
        return quantise(x, to, self.name)


def integers(arithmetic: str, choices: Choices) -> Integers:
    """An integer arithmetic with what is declared of its formats and its accumulator."""
    own, declared = WIDTHS[arithmetic], choices.declared
    formats = {
        of: integer_format(declared.get(f"{of}_format", arithmetic), f"{of}_format").name
        for of in ("output", "product")
    }
    sums = declared.get("accumulator", {})
    bits = sums.get("bits", own.accumulator) if isinstance(sums, Mapping) else own.accumulator
    narrower = 63 - bits if type(bits) is int and 32 < bits <= 48 else own.multiplier
    return Integers(
        name=arithmetic,
        weights=own.weights,
        wide=declared.get("product") == "wide",
        accumulator=own.accumulator,
        multiplier=min(own.multiplier, narrower),
        rounding=choices.rounding,
        **formats,
    )


def scales(**of: Affine) -> dict[str, Any]:
    """Real value of a step of each tensor, for whoever reads the numbers as real ones."""
    return {f"{name}_scale": each.scale for name, each in of.items()}


def in_floats(
    operator: str, real: Mapping[str, Array], attributes: Mapping[str, Any], arithmetic: str
) -> Call:
    """A call on real tensors, each rounded once; how many lie beyond the format is said."""
    casts = {name: _cast(name, arithmetic) for name in real}
    beyond = {
        name: int(np.count_nonzero(np.abs(array) > format_named(casts[name].format).largest))
        for name, array in real.items()
    }
    return Call(
        operator,
        {name: encode(array, casts[name]) for name, array in real.items()},
        dict(attributes),
        {"beyond_range": {name: count for name, count in beyond.items() if count}},
    )


def _cast(name: str, arithmetic: str) -> Any:
    """Images and kernels have the arithmetic's format; biases, scales and offsets are binary32."""
    return default_cast(arithmetic if name[0] in "xw" else "fp32")


def rule(operator: str, arithmetic: str, choices: Choices) -> str:
    """How real tensors became those of a case, in words."""
    kernels, shifts = operator != "shift_product", operator != "conv2d"
    if arithmetic in FLOAT_ARITHMETICS:
        own = cast_text(default_cast(arithmetic))
        others = "s, t" if operator == "xvolution" else "b"
        rest = f"; {others}: {cast_text(default_cast('fp32'))}" if kernels else ""
        return (
            f"x{' and kernels' if kernels else ''}: {own}{rest}; each once, from the real number; "
            "beyond_range counts the numbers beyond the largest"
        )
    of = integers(arithmetic, choices)
    text = [f"x: {_range_text(of.name)}, of this input"]
    if shifts:
        text.append(
            "product: kept wide, scale = x scale squared, zero = 0"
            if of.wide
            else f"product: {_range_text(of.product)}, of the fp32 product"
        )
    if kernels:
        top = format_named(of.weights).limits[1]
        text.append(
            f"kernels: {of.weights}, per output channel, scale = max|w|/{top}, or 1 where all "
            "are 0, zero = 0; bias: round(b / (input scale * w scale)), int32"
        )
        text.append(f"output: {_range_text(of.output)}, of the fp32 output")
    if operator == "xvolution_fused":
        text.append("kernels that read the product: w * (product scale / x scale), then as above")
    scale = ", then the nearest binary32 scale" if of.rounding == FLOAT_RULE else ""
    text.append(f"multipliers: nearest, of {of.multiplier} bits{scale}; rounding: ties to even")
    return "; ".join(text)


def _range_text(form: str) -> str:
    low, high = format_named(form).limits
    return (
        f"{form}, scale = (max - min)/{high - low} with 0 inside [min, max], or 1 where all is 0, "
        "zero = "
        f"clip(round({low} - min/scale), {low}, {high})"
    )
