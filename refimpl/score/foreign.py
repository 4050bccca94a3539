"""Test cases of other projects as subjects of a score: convolutions of ONNX and of TOSA.

Others' words become ours without changing a product: uint8 is int8 with 128 taken from word and
zero point; channels-last images and kernels are transposed. Floats that are whole numbers of int8
are taken as they are, other floats are quantised by ``refimpl.bitexact.quantise``. A case without
requantisation lets one observe the sum with its bias, not the output.

Sources: ONNX operators Conv-22, ConvInteger-10, QLinearConv-10; TOSA 1.0, section 2.3.2 (CONV2D).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.quantise import affine, quantise, quantise_bias, quantise_weights
from refimpl.bitexact.requantise import Factor, fixed_point
from refimpl.score.kill import Subject
from refimpl.vectors.case import Case

Zeros: TypeAlias = tuple[int, ...]
NO_FACTOR = Factor(np.array([2**30]), np.array([31]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution as others describe it: arrays in our axes, padding top, left, bottom, right.

    ``w_zero`` is subtracted from the weights, one value or one per output. ``b`` may be missing.
    """

    id: str
    source: str
    x: Array
    w: Array
    b: Array | None = None
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    x_zero: int = 0
    w_zero: Zeros = (0,)

    def attributes(self) -> dict[str, Any]:
        """Geometry as our operators take it; padding of four numbers where a side's ends differ."""
        return {
            "stride": list(self.stride),
            "dilation": list(self.dilation),
            "padding": list(self.pads[:2] if self.pads[:2] == self.pads[2:] else self.pads),
            **({"groups": self.groups} if self.groups > 1 else {}),
        }


def integer_subject(of: Convolution) -> Subject:
    """An integer convolution whose int32 sums, bias included, are observed.

    Raises
    ------
    ValueError
        If its words are neither int8 nor uint8.
    """
    x, (x_zero,) = _signed(of.x, (of.x_zero,), "x")
    w, w_zero = _signed(of.w, of.w_zero, "w")
    return Subject(_case(of, x, w, x_zero, w_zero, NO_FACTOR, 0), "biased")


def requantised_subject(of: Convolution, factors: Array, y_zero: int) -> Subject:
    """A convolution with requantisation by real factors (o,), ties to even, to an unsigned output.

    Raises
    ------
    ValueError
        If its words are neither int8 nor uint8, or a factor is out of range.
    """
    x, (x_zero,) = _signed(of.x, (of.x_zero,), "x")
    w, w_zero = _signed(of.w, of.w_zero, "w")
    factor = fixed_point(np.broadcast_to(factors, (len(w),)))
    return Subject(_case(of, x, w, x_zero, w_zero, factor, y_zero - 128))


def float_subjects(of: Convolution) -> list[Subject]:
    """A float convolution twice: in binary32, and as the int8 convolution that it quantises to."""
    tensors = {"x": of.x, "w": of.w} | ({} if of.b is None else {"b": of.b})
    single = Case(
        id=of.id,
        operator="conv2d",
        arithmetic="fp32",
        attributes=of.attributes() | {"order": "cuv", "bias_at": "last"},
        tensors={name: array.astype(np.float32) for name, array in tensors.items()},
        stimulus={"kind": "foreign", "source": of.source},
    )
    return [Subject(single), Subject(_quantised(of), "biased")]


def _quantised(of: Convolution) -> Case:
    x, w = of.x, of.w
    b = np.zeros(len(w), np.float32) if of.b is None else of.b
    if all(_is_int8(array) for array in (x, w)) and (np.rint(b) == b).all():
        whole = {"x": x.astype(np.int8), "w": w.astype(np.int8), "b": b.astype(np.int32)}
        return _case(_with_bias(of, whole["b"]), whole["x"], whole["w"], 0, (0,), NO_FACTOR, 0)
    scale = affine(x)
    weights = quantise_weights(w)
    bias = quantise_bias(b, weights.scale * scale.scale)
    quantised = quantise(x, scale)
    return _case(_with_bias(of, bias), quantised, weights.w, scale.zero_point, (0,), NO_FACTOR, 0)


def _case(
    of: Convolution, x: Array, w: Array, x_zero: int, w_zero: Zeros, factor: Factor, y_zero: int
) -> Case:
    outputs = len(w)
    zeros: dict[str, Any] = {"x_zero": x_zero, "y_zero": y_zero}
    if any(w_zero):
        zeros["w_zero"] = list(w_zero)
    return Case(
        id=of.id,
        operator="conv2d",
        arithmetic="int8",
        attributes=of.attributes() | zeros | {"rounding": "half_even"},
        tensors={
            "x": x,
            "w": w,
            "b": np.zeros(outputs, np.int32) if of.b is None else of.b.astype(np.int32),
            "multiplier": np.broadcast_to(factor.multiplier, (outputs,)).astype(np.int32),
            "shift": np.broadcast_to(factor.shift, (outputs,)).astype(np.int8),
        },
        stimulus={"kind": "foreign", "source": of.source},
    )


def _with_bias(of: Convolution, b: Array) -> Convolution:
    return Convolution(
        id=of.id,
        source=of.source,
        x=of.x,
        w=of.w,
        b=b,
        stride=of.stride,
        dilation=of.dilation,
        pads=of.pads,
        groups=of.groups,
    )


def _signed(array: Array, zeros: Zeros, name: str) -> tuple[Array, Zeros]:
    if array.dtype == np.uint8:
        return (array.astype(np.int16) - 128).astype(np.int8), tuple(each - 128 for each in zeros)
    if array.dtype != np.int8:
        raise ValueError(
            f"{name} of a quantised convolution must be int8 or uint8, not {array.dtype}"
        )
    return array, zeros


def _is_int8(array: Array) -> bool:
    return bool(((np.rint(array) == array) & (array >= -128) & (array <= 127)).all())
