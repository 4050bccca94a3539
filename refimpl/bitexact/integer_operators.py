"""Convolution, shift product, PSSA and X-volution in integers, every stage between.

    conv2d           acc = Σ (x − z_x)·(w − z_w) ; biased = acc + b
                     before_clip = rule(biased) + z_y
    shift_product    wide = (x − z_x)·(x' − z_x) ; before_clip = rule(wide) + z_t
    pssa             shift_product, then conv2d on the product with zero point z_t; or, with
                     "product": "wide", conv2d on the wide product itself (int17)
    xvolution        conv2d and pssa, each to the output scale with zero point 0 and saturated to
                     the output's format; sum = conv + attention + z_y, saturated
    xvolution_fused  one accumulator over x (zero point z_x) and the product (z_t, or wide)

Outside the image a convolution reads real 0, the zero point. A circular shift wraps; one with zero
boundary reads real 0 too. ``integer_sum`` says what the accumulator is, ``requantise`` what a rule
is; the output saturates to "output_format", that of x unless declared, or to "clip" [low, high]
within it.

Sources: Jacob et al., arXiv:1712.05877 (2018), Eq. 4 to 7; the compositions are stated here.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, patches
from refimpl.bitexact.call import (
    Attributes,
    Stages,
    Tensors,
    branch,
    by_group,
    geometry_of,
    groups_of,
    must_be_whole,
    pass_stages,
    prefixed,
    repeated,
    shifted,
)
from refimpl.bitexact.dense import convolve_narrow, pays
from refimpl.bitexact.formats import (
    NumberFormat,
    format_of,
    integer_format,
    integers_of,
    to_integers,
)
from refimpl.bitexact.integer_output import AfterSum, after_sum
from refimpl.bitexact.integer_sum import (
    IntegerAccumulator,
    IntegerSums,
    fits_int16,
    integer_accumulator,
    sum_integers,
)
from refimpl.bitexact.requantise import factor_of, requantise, scaling
from refimpl.ops.conv2d import ConvGeometry

SHARED = ("x", "t_multiplier", "t_shift")


def conv2d_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve ``x`` with ``w``; add int32 ``b``; requantise per output channel."""
    centred = centre(tensors["x"], attributes["x_zero"])
    return convolve(centred, tensors, attributes, format_of(tensors["x"]).name)


def shift_product_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Multiply ``x`` with its shifted copies; requantise to scale s_T, zero point z_T."""
    x, zero = tensors["x"], attributes["x_zero"]
    name = format_of(x).name
    centred = centre(x, zero).astype(np.int64)
    copies = shifted(centred, attributes)
    wide = repeated(centred, attributes) * copies
    stages = {
        "shifted": to_integers(copies + zero, name),
        "wide_product": to_wide(wide, x, attributes),
    }
    if is_wide(attributes):
        return stages
    before = requantise(
        wide,
        factor_of(tensors, "t_"),
        rounding=attributes["rounding"],
        zero_point=attributes["t_zero"],
        bits=max(product_bits(x), 32),
    )
    stages["product_before_clip"] = to_integers(before, "int32")
    stages["product"] = to_product(before, attributes, name)
    return stages


def pssa_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Shift, multiply, requantise the product or keep it wide, convolve it, requantise."""
    products = shift_product_integer(tensors, attributes)
    centred = centred_product(products, attributes)
    name = format_of(tensors["x"]).name
    return products | convolve(centred, tensors, attributes, name)


def xvolution_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Requantise each branch to the output scale and saturate it; add them, saturating."""
    alone = {key: value for key, value in attributes.items() if key != "clip"} | {"y_zero": 0}
    conv = conv2d_integer(branch(tensors, "c", SHARED), alone)
    attention = pssa_integer(branch(tensors, "a", SHARED), alone)
    total = integers_of(conv["output"]) + integers_of(attention["output"]) + attributes["y_zero"]
    return {
        **prefixed("conv_", conv),
        **prefixed("attention_", attention),
        "before_clip": to_integers(total, "int32"),
        "output": clip(total, attributes, format_of(tensors["x"]).name),
    }


def xvolution_fused_integer(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve [x; product] in one accumulator; each channel group has its zero point."""
    must_be_whole(attributes)
    products = shift_product_integer(tensors, attributes)
    both = (centre(tensors["x"], attributes["x_zero"]), centred_product(products, attributes))
    name = format_of(tensors["x"]).name
    return products | convolve(np.concatenate(both, axis=1), tensors, attributes, name)


def centre(x: Array, zero: int) -> Array:
    """Subtract the zero point, exactly: int16 where that is wide enough, or else int64."""
    if x.dtype in (np.int8, np.uint8) and abs(zero) < 2**14:
        return np.subtract(x, np.int16(zero), dtype=np.int16)
    return integers_of(x) - zero


def centred_product(products: Stages, attributes: Attributes) -> Array:
    """What the convolution after a shift product reads: the wide product, or product − z_t."""
    if "product" not in products:
        return integers_of(products["wide_product"])
    return centre(products["product"], attributes["t_zero"])


def convolve(centred: Array, tensors: Tensors, attributes: Attributes, name: str) -> Stages:
    """Sum, add the bias, requantise, saturate to the format ``name`` unless attributes say."""
    sums = summed(centred, tensors, attributes)
    return {**sums, **finish(sums["accumulator"], tensors, attributes, name)._asdict()}


def summed(centred: Array, tensors: Tensors, attributes: Attributes) -> Stages:
    """Sum a centred image with the kernels ``w``: its passes, and the accumulator."""
    if groups_of(attributes) > 1:
        return by_group(summed, centred, tensors, attributes)
    of = integer_accumulator(attributes.get("accumulator"), loops="cuv")
    w, zero = tensors["w"], attributes.get("w_zero", 0)
    if zero or w.dtype != np.int8:
        w = centre(w, zero)
    geometry = geometry_of(centred, w, attributes)
    shape = (len(centred), len(w), *geometry.output)
    sums = _sums(centred, w, geometry, of)
    return {
        **pass_stages(to_integers(sums.passes, of.carrier), shape),
        "accumulator": to_integers(sums.total.reshape(shape), of.carrier),
    }


def _sums(centred: Array, w: Array, geometry: ConvGeometry, of: IntegerAccumulator) -> IntegerSums:
    """Every output's sum; where no order can be seen, in the fastest one."""
    products = len(centred) * w.size * prod(geometry.output)
    if of.is_plain and pays(products) and fits_int16(centred) and fits_int16(w):
        image, kernels = (
            each if each.dtype.itemsize <= 2 else each.astype(np.int16) for each in (centred, w)
        )
        total = convolve_narrow(image, kernels, geometry)
        if of.bits < 32:
            total = of.fit(total.astype(np.int64)).astype(np.int32)
        return IntegerSums(total, total[:, None])
    return sum_integers(
        kernel_rows(w, of.order, of.tiles), patches(centred, geometry, of.order, of.tiles), of
    )


def finish(total: Array, tensors: Tensors, attributes: Attributes, name: str) -> AfterSum:
    """Add the bias to sums (n, o, i, j), requantise per output channel, saturate to ``name``."""
    of = integer_accumulator(attributes.get("accumulator"))
    return after_sum(
        total,
        integers_of(tensors["b"]) if "b" in tensors else None,
        of,
        scaling(factor_of(tensors), rounding=attributes["rounding"], bits=of.bits),
        zero_point=attributes["y_zero"],
        limits=limits_of(attributes, name),
        into=output_format(attributes, name),
    )


def scaled(biased: Array, tensors: Tensors, attributes: Attributes, name: str) -> Stages:
    """Requantise per output channel and saturate."""
    before = requantise(
        biased,
        factor_of(tensors),
        rounding=attributes["rounding"],
        zero_point=attributes["y_zero"],
        bits=integer_accumulator(attributes.get("accumulator")).bits,
    )
    return {
        "before_clip": to_integers(before, "int32"),
        "output": clip(before, attributes, name),
    }


def output_format(attributes: Attributes, name: str) -> NumberFormat:
    """The format of an output: ``name`` unless attributes declare another."""
    return integer_format(attributes.get("output_format", name), "output_format")


def limits_of(attributes: Attributes, name: str) -> tuple[int, int]:
    """What an output saturates to: its format, or the declared "clip" within it.

    Raises
    ------
    ValueError
        If the limits are not two integers, in order and within the format.
    """
    into = output_format(attributes, name)
    low, high = into.limits
    declared = attributes.get("clip", (low, high))
    whole = isinstance(declared, Sequence) and len(declared) == 2
    if not (whole and all(type(each) is int for each in declared)):
        raise ValueError(f"clip must be two integers [low, high], not {declared!r}")
    least, most = declared
    if not low <= least <= most <= high:
        raise ValueError(
            f"clip must be [low, high] with low <= high, within [{low}, {high}] of the output's "
            f"format {into.name}, not {list(declared)}"
        )
    return least, most


def clip(values: Array, attributes: Attributes, name: str) -> Array:
    """Saturate to the output's format, or to the declared limits (a fused activation) within it."""
    limits = limits_of(attributes, name)
    return to_integers(np.clip(values, *limits), output_format(attributes, name).name)


def product_bits(x: Array) -> int:
    """Bits of a product of differences of two numbers of the format of x: 17 of int8."""
    return 2 * format_of(x).bits + 1


def is_wide(attributes: Attributes) -> bool:
    """Whether a shift product is kept wide, not requantised."""
    return bool(attributes.get("product", "requantised") == "wide")


def to_wide(product: Array, x: Array, attributes: Attributes) -> Array:
    """A wide product by the type that carries it: the next wider one where it is kept.

    Where it is requantised, it is held in int32, of int16 in int64, as an accumulator is.
    """
    least = 8 if is_wide(attributes) else 32
    bits = max(1 << (product_bits(x) - 1).bit_length(), least)
    return to_integers(product, f"int{bits}")


def to_product(before: Array, attributes: Attributes, name: str) -> Array:
    """Saturate a shift product to "product_format", ``name`` unless declared."""
    into = integer_format(attributes.get("product_format", name), "product_format")
    return to_integers(before, into.name)
