"""Operators in declared arithmetic, with every stage between input and output.

int8 (x − z exact in 9 bits, products summed modulo 2³², then ``requantise``):

    conv2d           acc = Σ (x − z_x)·w ; biased = acc + b ; before_clip = rule(biased) + z_y
    shift_product    wide = (x − z_x)·(x' − z_x) ; before_clip = rule(wide) + z_t
    pssa             shift_product, then conv2d on the product with zero point z_t
    xvolution        conv2d and pssa, each to the output scale with zero point 0 and saturated;
                     sum = conv + attention + z_y, saturated
    xvolution_fused  one accumulator over x (zero point z_x) and the product (z_t)

fp32 (``accumulate.Accumulation`` says the order): the same stages without scales; in xvolution each
branch is fl(fl(acc + b)·s) + t rounded after every operation, then the branches are added.

Outside the image a convolution reads real 0, the zero point. A circular shift wraps; one with zero
boundary reads real 0 too. Weights have zero point 0. Every function maps input tensors by name to
stages by name, in the order of computation, the last one the output.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import (
    Accumulation,
    kernel_rows,
    patches,
    sum_float32,
    sum_int32,
)
from refimpl.bitexact.requantise import Factor, requantise, saturate
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets

Tensors: TypeAlias = Mapping[str, Array]
Stages: TypeAlias = dict[str, Array]
Attributes: TypeAlias = Mapping[str, Any]
Pipeline: TypeAlias = Callable[[Tensors, Attributes], Stages]


def conv2d_int8(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve int8 ``x`` with int8 ``w``; add int32 ``b``; requantise per output channel."""
    centred = _centre(tensors["x"], attributes["x_zero"])
    return _requantised(_sum_int8(centred, tensors["w"], attributes), tensors, attributes)


def shift_product_int8(tensors: Tensors, attributes: Attributes) -> Stages:
    """Multiply int8 ``x`` with its shifted copies; requantise to scale s_T, zero point z_T."""
    x, zero = tensors["x"], attributes["x_zero"]
    centred = _centre(x, zero)
    shifted = _shifted(centred, attributes)
    wide = (np.tile(centred, (1, len(attributes["directions"]), 1, 1)) * shifted).astype(np.int32)
    factor = Factor(tensors["t_multiplier"], tensors["t_shift"])
    before = requantise(
        wide, factor, rounding=attributes["rounding"], zero_point=attributes["t_zero"]
    )
    return {
        "shifted": (shifted + zero).astype(np.int8),
        "wide_product": wide,
        "product_before_clip": before.astype(np.int32),
        "product": saturate(before),
    }


def pssa_int8(tensors: Tensors, attributes: Attributes) -> Stages:
    """Shift, multiply, requantise the product, convolve it, requantise."""
    products = shift_product_int8(tensors, attributes)
    centred = _centre(products["product"], attributes["t_zero"])
    sums = _sum_int8(centred, tensors["w"], attributes)
    return products | _requantised(sums, tensors, attributes)


def xvolution_int8(tensors: Tensors, attributes: Attributes) -> Stages:
    """Requantise each branch to the output scale and saturate it; add them, saturating."""
    branch = {**attributes, "y_zero": 0}
    conv_tensors = _branch(tensors, "c")
    conv = conv2d_int8(conv_tensors, branch)
    attention = pssa_int8(_branch(tensors, "a"), branch)
    total = conv["output"].astype(np.int32) + attention["output"] + attributes["y_zero"]
    return {
        **_prefixed("conv_", conv),
        **_prefixed("attention_", attention),
        "before_clip": total.astype(np.int32),
        "output": saturate(total),
    }


def xvolution_fused_int8(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve [x; product] in one int32 accumulator; each channel group has its zero point."""
    products = shift_product_int8(tensors, attributes)
    augmented = np.concatenate(
        [
            _centre(tensors["x"], attributes["x_zero"]),
            _centre(products["product"], attributes["t_zero"]),
        ],
        axis=1,
    )
    sums = _sum_int8(augmented, tensors["w"], attributes)
    return products | _requantised(sums, tensors, attributes)


def conv2d_fp32(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve binary32 ``x`` with ``w`` in the declared order."""
    return _sum_fp32(tensors["x"], tensors, attributes)


def shift_product_fp32(tensors: Tensors, attributes: Attributes) -> Stages:
    """Multiply binary32 ``x`` with its shifted copies, one rounding each."""
    x = tensors["x"]
    shifted = _shifted(x, attributes)
    product = np.tile(x, (1, len(attributes["directions"]), 1, 1)) * shifted
    return {"shifted": shifted, "product": product}


def pssa_fp32(tensors: Tensors, attributes: Attributes) -> Stages:
    """Shift, multiply, convolve."""
    products = shift_product_fp32(tensors, attributes)
    return products | _sum_fp32(products["product"], tensors, attributes)


def xvolution_fp32(tensors: Tensors, attributes: Attributes) -> Stages:
    """Scale and shift each branch (its batch normalisation as s, t), then add them."""
    conv = conv2d_fp32(_branch(tensors, "c"), attributes)
    attention = pssa_fp32(_branch(tensors, "a"), attributes)
    conv["scaled"], attention["scaled"] = (
        affine_fp32(branch["output"], tensors[f"s_{which}"], tensors[f"t_{which}"])
        for branch, which in ((conv, "c"), (attention, "a"))
    )
    return {
        **_prefixed("conv_", conv),
        **_prefixed("attention_", attention),
        "output": conv["scaled"] + attention["scaled"],
    }


def xvolution_fused_fp32(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve [x; product] in one accumulator."""
    products = shift_product_fp32(tensors, attributes)
    augmented = np.concatenate([tensors["x"], products["product"]], axis=1)
    return products | _sum_fp32(augmented, tensors, attributes)


def affine_fp32(x: Array, s: Array, t: Array) -> Array:
    """fl(fl(x·s) + t) per channel."""
    return x * s[:, None, None] + t[:, None, None]


def geometry_of(x: Array, w: Array, attributes: Attributes) -> ConvGeometry:
    """Where a convolution with these attributes reads; padding None is "same"."""
    dilation = tuple(attributes.get("dilation", (1, 1)))
    padding = attributes.get("padding")
    return conv_geometry(
        x.shape,
        (w.shape[0], w.shape[1], *w.shape[2:]),
        stride=tuple(attributes.get("stride", (1, 1))),
        padding=same_padding(w.shape[2:], dilation) if padding is None else tuple(padding),
        dilation=dilation,
    )


def accumulation_of(attributes: Attributes) -> Accumulation:
    """The declared float accumulation."""
    return Accumulation(
        order=attributes.get("order", "cuv"), bias=attributes.get("bias_at", "last")
    )


def _shifted(x: Array, attributes: Attributes) -> Array:
    reached = offsets([tuple(each) for each in attributes["directions"]], attributes["length"])
    boundary = attributes["boundary"]
    return np.concatenate([shift(x, offset=d, boundary=boundary) for d in reached], axis=1)


def _centre(x: Array, zero: int) -> Array:
    return x.astype(np.int32) - np.int32(zero)


def _sum_int8(centred: Array, w: Array, attributes: Attributes) -> Array:
    geometry = geometry_of(centred, w, attributes)
    sums = sum_int32(kernel_rows(w, "cuv"), patches(centred, geometry, "cuv"))
    return sums.reshape(len(centred), len(w), *geometry.output)


def _requantised(accumulator: Array, tensors: Tensors, attributes: Attributes) -> Stages:
    wrapped = accumulator.astype(np.int64) + tensors["b"].astype(np.int64)[:, None, None]
    biased = wrapped.astype(np.int32)
    before = requantise(
        biased,
        Factor(tensors["multiplier"], tensors["shift"]),
        rounding=attributes["rounding"],
        zero_point=attributes["y_zero"],
    )
    clipped = np.clip(before, -(2**31), 2**31 - 1).astype(np.int32)
    return {
        "accumulator": accumulator,
        "biased": biased,
        "before_clip": clipped,
        "output": saturate(before),
    }


def _sum_fp32(x: Array, tensors: Tensors, attributes: Attributes) -> Stages:
    w, b = tensors["w"], tensors.get("b")
    declared, geometry = accumulation_of(attributes), geometry_of(x, w, attributes)
    start = b if declared.bias == "first" else None
    sums = sum_float32(
        kernel_rows(w, declared.order), patches(x, geometry, declared.order), start
    ).reshape(len(x), len(w), *geometry.output)
    last = b is not None and declared.bias == "last"
    return {
        "accumulator": sums,
        "output": sums + b[:, None, None] if last and b is not None else sums,
    }


def _branch(tensors: Tensors, which: str) -> Stages:
    """Tensors of one branch, under the names its operator knows them by; shared ones stay."""
    end = f"_{which}"
    own = {name.removesuffix(end): array for name, array in tensors.items() if name.endswith(end)}
    shared = {name: tensors[name] for name in ("x", "t_multiplier", "t_shift") if name in tensors}
    return shared | own


def _prefixed(prefix: str, stages: Stages) -> Stages:
    return {prefix + name: array for name, array in stages.items()}


PIPELINES: dict[tuple[str, str], Pipeline] = {
    ("conv2d", "int8"): conv2d_int8,
    ("shift_product", "int8"): shift_product_int8,
    ("pssa", "int8"): pssa_int8,
    ("xvolution", "int8"): xvolution_int8,
    ("xvolution_fused", "int8"): xvolution_fused_int8,
    ("conv2d", "fp32"): conv2d_fp32,
    ("shift_product", "fp32"): shift_product_fp32,
    ("pssa", "fp32"): pssa_fp32,
    ("xvolution", "fp32"): xvolution_fp32,
    ("xvolution_fused", "fp32"): xvolution_fused_fp32,
}
OPERATORS: tuple[str, ...] = tuple(dict.fromkeys(operator for operator, _ in PIPELINES))
