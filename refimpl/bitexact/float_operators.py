"""Convolution, shift product, PSSA and X-volution in floats, every stage between.

    conv2d           acc as ``accumulation`` declares ; biased = R(acc + b) ; output = cast(biased)
                     (biased is a stage of its own where the output has another format)
    shift_product    product = cast(x·x')            rounded once, to the format of x by default
    pssa             shift_product, then conv2d on the product
    xvolution        each branch: scaled = R(R(biased·s) + t); output = cast(R(scaled_c + scaled_a))
    xvolution_fused  one accumulator over x and the product, each in its own format

R rounds to the accumulator's format, in its declared way. Tensors may be of any float format, each
its own. "output" and "product_cast" are casts (``formats.Cast``); by default to the format of x.
Outside the image, and outside a zero boundary, +0 is read. Where subnormals are flushed, operands
that are subnormal in their own format are read as ±0 too.

Sources: IEEE 754-2019 for each rounding; the compositions are stated here.
"""

from functools import partial
from math import prod

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, patches
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
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
from refimpl.bitexact.dense import convolve_binary32, pays
from refimpl.bitexact.formats import (
    Cast,
    cast_of,
    decode,
    default_cast,
    encode,
    format_named,
    format_of,
    words_of,
)
from refimpl.bitexact.mac import Sums, accumulate, add_rounded
from refimpl.bitexact.native import is_fused, is_plain
from refimpl.ops.conv2d import ConvGeometry


def conv2d_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve ``x`` with ``w`` in the declared order."""
    return convolve(tensors["x"], tensors, attributes, format_of(tensors["x"]).name)


def shift_product_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Multiply ``x`` with its shifted copies, one rounding each."""
    x = tensors["x"]
    of = accumulation_of(attributes)
    here = operand(x, of)
    cast = cast_of(attributes.get("product_cast"), format_of(x).name)
    product = repeated(here, attributes) * shifted(here, attributes)  # exact in binary64
    return {"shifted": shifted(x, attributes), "product": encode(product, cast)}


def pssa_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Shift, multiply, convolve."""
    products = shift_product_float(tensors, attributes)
    name = format_of(tensors["x"]).name
    return products | convolve(products["product"], tensors, attributes, name)


def xvolution_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Scale and shift each branch (its batch normalisation as s, t), then add them."""
    of = accumulation_of(attributes)
    wide = {**attributes, "output": of.cast.as_json()}
    conv = conv2d_float(branch(tensors, "c", ("x",)), wide)
    attention = pssa_float(branch(tensors, "a", ("x",)), wide)
    for stages, which in ((conv, "c"), (attention, "a")):
        stages["scaled"] = affine_float(
            stages["output"], tensors[f"s_{which}"], tensors[f"t_{which}"], of
        )
    total = add_rounded(operand(conv["scaled"], of), operand(attention["scaled"], of), of)
    return {
        **prefixed("conv_", conv),
        **prefixed("attention_", attention),
        "output": encode(total, cast_of(attributes.get("output"), format_of(tensors["x"]).name)),
    }


def xvolution_fused_float(tensors: Tensors, attributes: Attributes) -> Stages:
    """Convolve [x; product] in one accumulator."""
    must_be_whole(attributes)
    products = shift_product_float(tensors, attributes)
    both = joined(tensors["x"], products["product"], accumulation_of(attributes))
    return products | convolve(both, tensors, attributes, format_of(tensors["x"]).name)


def joined(x: Array, product: Array, of: Accumulation) -> Array:
    """[x; product] along channels; two formats as binary32, or binary64 where that holds not both.

    Subnormal numbers are those of their own format: where they are flushed, it is done here.
    """
    formats = {format_of(each).name for each in (x, product)}
    if len(formats) == 1:
        return np.concatenate([x, product], axis=1)
    narrow = all(format_named(name).bits <= 16 or name == "fp32" for name in formats)
    wide = default_cast("fp32" if narrow else "fp64")
    return np.concatenate([encode(operand(each, of), wide) for each in (x, product)], axis=1)


def affine_float(x: Array, s: Array, t: Array, of: Accumulation) -> Array:
    """R(R(x·s) + t) per channel of (n, c, h, w), in the accumulator's format."""
    times = rounded(operand(x, of) * operand(s, of)[:, None, None], of)
    return encode(add_rounded(decode(times), operand(t, of)[:, None, None], of), of.cast)


def affine_fp32(x: Array, s: Array, t: Array) -> Array:
    """The same in binary32."""
    return affine_float(x, s, t, Accumulation())


def convolve(x: Array, tensors: Tensors, attributes: Attributes, name: str) -> Stages:
    """Sum in the declared order, add the bias, cast to the output's format."""
    if groups_of(attributes) > 1:
        return by_group(partial(convolve, name=name), x, tensors, attributes)
    w, b = tensors["w"], tensors.get("b")
    of, geometry = accumulation_of(attributes), geometry_of(x, w, attributes)
    shape = (len(x), len(w), *geometry.output)
    bias = None if b is None else operand(b, of)
    sums = _sums(x, w, geometry, of, bias if of.bias == "first" else None)
    total = sums.total.reshape(shape)
    stages = {
        **pass_stages(encode(sums.passes, of.cast), shape),
        "accumulator": encode(total, of.cast),
    }
    if bias is not None and of.bias == "last":
        total = add_rounded(total, _like(bias, total)[:, None, None], of)
    to = cast_of(attributes.get("output"), name)
    if to.format != of.format:
        stages["biased"] = encode(total, of.cast)
    return stages | {"output": encode(total, to)}


def _sums(
    x: Array, w: Array, geometry: ConvGeometry, of: Accumulation, start: Array | None
) -> Sums:
    """Every output's sum, each from ``start`` (o,)."""
    plain, fused = is_plain(of), is_fused(of)
    if (plain or fused) and of.order == "cuv" and pays(len(x) * w.size * prod(geometry.output)):
        image, kernels = _binary32(x, of), _binary32(w, of)
        total = convolve_binary32(image, kernels, geometry, start, fused=fused)
        return Sums(total, total[:, None])
    read = _binary32 if plain else operand
    rows = kernel_rows(read(w, of), of.order, of.tiles)
    columns = patches(read(x, of), geometry, of.order, of.tiles)
    return accumulate(rows, columns, of, start)


def _like(bias: Array, total: Array) -> Array:
    """The bias in the type of the sums, if that holds it."""
    narrow = bias.astype(total.dtype)
    return narrow if np.array_equal(narrow, bias) else bias


def _binary32(x: Array, of: Accumulation) -> Array:
    """The numbers of a tensor in binary32, which holds those of every format but fp64."""
    name = format_of(x).name
    if of.subnormals == "flushed" or name not in ("fp32", "fp16", "bf16"):
        return operand(x, of).astype(np.float32)
    if name == "bf16":  # the first half of the word
        return np.left_shift(words_of(x), 16, dtype=np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return x.astype(np.float32, copy=False)  # widening is exact


def operand(x: Array, of: Accumulation) -> Array:
    """The numbers of a tensor in binary64; ±0 for subnormal ones where those are flushed."""
    wide = decode(x)
    if of.subnormals == "kept" or format_of(x).kind != "float":
        return wide
    return decode(encode(wide, Cast(format=format_of(x).name, subnormals="flushed")))


def must_hold(weights: Array, of: Accumulation) -> None:
    """Refuse weights in fp64 for a narrower sum: their products would be rounded twice.

    Raises
    ------
    ValueError
        If they are.
    """
    if format_of(weights).name == "fp64" and of.format != "fp64":
        raise ValueError(
            "probabilities in fp64 must be summed in fp64: declare accumulation_context.format "
            "and accumulation_context.product so, or narrower probabilities"
        )


def scalar(value: float, of: Accumulation) -> Array:
    """A number of the attributes in binary32, as the operand that it is."""
    return operand(encode(np.array(value), Cast(format="fp32")), of)


def rounded(wide: Array, of: Accumulation) -> Array:
    """R of exact binary64 numbers, labelled."""
    return encode(wide, of.cast)
