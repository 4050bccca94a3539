"""The convolutions inside an operator: what each one reads, and under which names.

An operator is a chain of stages; where it convolves, the same four things can be asked of it: the
padded input, the im2col columns, the partial sums of each K tile, and the taps of one output. This
table says which tensors are convolved, so that they are asked in one way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.bitexact.float_operators import joined
from refimpl.bitexact.formats import format_of
from refimpl.bitexact.operators import INTEGER_ARITHMETICS, accumulation_of, geometry_of
from refimpl.ops.conv2d import ConvGeometry
from refimpl.vectors.case import Case
from refimpl.vectors.im2col import to_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """One convolution: prefix of its stages, what it reads, its zero points, its kernels' suffix.

    ``sources`` are concatenated along channels, each with the zero point that ``zeros`` names.
    """

    prefix: str = ""
    sources: tuple[str, ...] = ("x",)
    zeros: tuple[str, ...] = ("x_zero",)
    suffix: str = ""

    @property
    def kernels(self) -> str:
        """Name of the kernels' tensor."""
        return f"w{self.suffix}"

    @property
    def bias(self) -> str:
        """Name of the bias's tensor."""
        return f"b{self.suffix}"


_BRANCHES = (
    Convolution(prefix="conv_", suffix="_c"),
    Convolution(
        prefix="attention_", sources=("attention_product",), zeros=("t_zero",), suffix="_a"
    ),
)
CONVOLUTIONS: Mapping[str, tuple[Convolution, ...]] = {
    "conv2d": (Convolution(),),
    "pssa": (Convolution(sources=("product",), zeros=("t_zero",)),),
    "xvolution": _BRANCHES,
    "xvolution_training": _BRANCHES,
    "xvolution_backward": _BRANCHES,
    "xvolution_fused": (Convolution(sources=("x", "product"), zeros=("x_zero", "t_zero")),),
}


def convolves(operator: str, arithmetic: str) -> bool:
    """Whether an operator shows the sum of a convolution: a float gradient shows none."""
    silent = operator == "xvolution_backward" and arithmetic not in INTEGER_ARITHMETICS
    return operator in CONVOLUTIONS and not silent


def convolutions_of(case: Case) -> tuple[Convolution, ...]:
    """The convolutions of a case; none where its operator has none.

    Where the product is kept wide, that is what they read, and its zero point is 0.
    """
    found = CONVOLUTIONS.get(case.operator, ())
    wide = case.arithmetic in INTEGER_ARITHMETICS and case.attributes.get("product") == "wide"
    if not wide:
        return found
    return tuple(
        replace(
            each,
            sources=tuple(name.replace("product", "wide_product") for name in each.sources),
            zeros=tuple("" if zero == "t_zero" else zero for zero in each.zeros),
        )
        for each in found
    )


def convolution_of(case: Case, stage: str) -> Convolution | None:
    """The convolution whose accumulator a stage is, or comes from by elementwise steps."""
    found = [each for each in convolutions_of(case) if stage.startswith(each.prefix)]
    steps = ("padded", "columns", "partial_sums", "accumulator", "biased", "before_clip", "output")
    return next((each for each in found if stage.removeprefix(each.prefix) in steps), None)


def input_of(
    convolution: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> Array:
    """What is convolved (n, c, h, w), as it is stored: zero points still in it."""
    parts = [arrays[name] for name in convolution.sources]
    if len(parts) == 2 and format_of(parts[0]).kind == "float":
        return joined(parts[0], parts[1], accumulation_of(attributes))
    return np.concatenate(parts, axis=1)


def zeros_of(
    convolution: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> Array:
    """Zero point of each channel of what is convolved, int64 (c,); zeros for floats."""
    parts = [
        np.full(arrays[name].shape[1], attributes.get(zero, 0), np.int64)
        for name, zero in zip(convolution.sources, convolution.zeros, strict=True)
    ]
    return np.concatenate(parts)


def geometry(
    convolution: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> ConvGeometry:
    """Where it reads."""
    return geometry_of(
        input_of(convolution, arrays, attributes), arrays[convolution.kernels], attributes
    )


def padded_input(
    convolution: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> Array:
    """What is convolved with its padding around it: each channel's zero point, the real value 0."""
    x = input_of(convolution, arrays, attributes)
    (top, left), (height, width) = geometry(convolution, arrays, attributes).padding, x.shape[2:]
    zeros = zeros_of(convolution, arrays, attributes).astype(x.dtype)
    wide = np.empty((*x.shape[:2], height + 2 * top, width + 2 * left), x.dtype)
    wide[...] = zeros[:, None, None]
    wide[:, :, top : top + height, left : left + width] = x
    return wide


def columns_of_padded(
    convolution: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> Array:
    """The padded input as im2col, in the declared order of columns, group after group."""
    where = geometry(convolution, arrays, attributes)
    padded = arrays[f"{convolution.prefix}padded"]
    return to_columns(padded, where, attributes["im2col"], groups_of(attributes))
