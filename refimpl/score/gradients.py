"""Gradients of a convolution in the bit-exact model, opened up, in int8 and binary32.

Sites, in order:

    dy x w        operands as read                    dy_zero zero   their zero points (int8)
    window reads outside   what dw reads of x: the sites of ``device.py``
    rows          ∂y as dw and db meet it, (o, (n, i, j))
    dw_sums dx_sums        how floats are summed      dw db          as they are left
    back_w        kernels as dx meets them    back_window    kernel, stride, padding, dilation
    back_reads    which pixel of ∂y each tap reads for each pixel of x, and whether there is one
    dx_accumulator         and the requantiser of dx in the scope "dx" (int8), or dx (binary32)

A convolution in groups is one after another: each group passes every site from rows on.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.backward_integer import accumulator_of
from refimpl.bitexact.call import Attributes, Stages, Tensors, groups_of
from refimpl.bitexact.float_operators import operand
from refimpl.bitexact.formats import cast_of, encode, to_integers
from refimpl.bitexact.gradients import (
    image_by_group,
    in_order,
    input_rows,
    weight_rows,
    weights_by_group,
)
from refimpl.bitexact.integer_sum import sum_integers
from refimpl.bitexact.mac import accumulate
from refimpl.ops.conv2d import ConvGeometry
from refimpl.score.device import Window, clipped, gather, scaled, window_geometry
from refimpl.score.site import Probe


class BackReads(NamedTuple):
    """Row (k_h, h) and column (k_w, w) of ∂y that tap (u, v) reads for pixel (y, x) of x.

    ``row_there`` and ``col_there`` say whether there is one: the steps of the stride leave holes.
    """

    row: Array
    row_there: Array
    col: Array
    col_there: Array


def weight_columns(x: Array, geometry: ConvGeometry, at: Probe, *, zero: Array) -> Array:
    """What each tap meets, (1, (n, i, j), (c, u, v)); outside the image real 0."""
    seen = gather(x, geometry, at, zero=zero)
    n, c, k_h, k_w, pixels = seen.shape
    return seen.transpose(0, 4, 1, 2, 3).reshape(1, n * pixels, c * k_h * k_w)


def input_columns(dy: Array, geometry: ConvGeometry, size: tuple[int, int], at: Probe) -> Array:
    """What each pixel of an image of ``size`` gathers, (n, (o, u, v), pixels)."""
    window = at(
        "back_window", Window(geometry.kernel, geometry.stride, geometry.padding, geometry.dilation)
    )
    rows, cols = geometry.output
    reads = at("back_reads", _back_reads(window, size, geometry.output), size=geometry.output)
    row, col = np.clip(reads.row, 0, rows - 1), np.clip(reads.col, 0, cols - 1)
    seen = dy[:, :, row[:, None, :, None], col[None, :, None, :]]
    there = reads.row_there[:, None, :, None] & reads.col_there[None, :, None, :]
    n, o, k_h, k_w = seen.shape[:4]
    return np.where(there, seen, 0).reshape(n, o * k_h * k_w, size[0] * size[1])


def conv2d_backward_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.backward_integer.conv2d_backward_integer`` with a bug."""
    x, dy = centred(tensors, "x", attributes, at), centred(tensors, "dy", attributes, at)
    zero = np.full(x.shape[1], attributes["x_zero"], np.int64)
    w = at("w", tensors["w"].astype(np.int64))
    total = input_sums(dy, w, x.shape, attributes, at)
    factor = tensors["multiplier"], tensors["shift"]
    return {
        **weight_sums(dy, x, w, zero, attributes, at),
        "dx_accumulator": to_integers(total, accumulator_of(attributes, "dx").carrier),
        **rescaled(total, factor, attributes, "dx", attributes["dx_zero"], at),
    }


def conv2d_backward_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.backward_float.conv2d_backward_float`` with a bug."""
    x, dy, w = tensors["x"], tensors["dy"], tensors["w"]
    found = weight_gradients(dy, x, w, attributes, at)
    return {**found, "dx": input_gradient(dy, x, w, attributes, at)}


def centred(tensors: Tensors, name: str, attributes: Attributes, at: Probe) -> Array:
    """A tensor without its zero point, int64; sites: its name, and its zero point."""
    words = at(name, tensors[name].astype(np.int64))
    zero = at("zero" if name == "x" else f"{name}_zero", np.int64(attributes[f"{name}_zero"]))
    return words - zero


def weight_sums(
    dy: Array, x: Array, w: Array, zero: Array, attributes: Attributes, at: Probe
) -> Stages:
    """Stages dw and db of integers; ``w`` gives the shape, ``zero`` what each channel pads with."""
    if (groups := groups_of(attributes)) > 1:
        own = zero[: len(zero) // groups]
        return weights_by_group(
            lambda d, i, k, alone: weight_sums(d, i, k, own, alone, at), dy, x, w, attributes
        )
    of, geometry = accumulator_of(attributes, "dw"), window_geometry(x, w, attributes)
    sizes = dict(zip("nij", (len(x), *geometry.output), strict=True))
    rows = at("rows", weight_rows(dy), images=len(x))
    rows = in_order(rows, 1, sizes, of.order, dict(of.tiles))
    seen = weight_columns(x, geometry, at, zero=zero)
    columns = in_order(seen, 1, sizes, of.order, dict(of.tiles))
    ones = np.ones((1, rows.shape[1], 1), np.int64)
    dw = at("dw", sum_integers(rows, columns, of).total.reshape(w.shape))
    db = at("db", sum_integers(rows, ones, of).total.reshape(-1))
    return {"dw": to_integers(dw, of.carrier), "db": to_integers(db, of.carrier)}


def input_sums(
    dy: Array, w: Array, shape: tuple[int, ...], attributes: Attributes, at: Probe
) -> Array:
    """The accumulators of what was convolved, an image of ``shape``."""
    if (groups := groups_of(attributes)) > 1:
        own = (shape[0], shape[1] // groups, *shape[2:])
        return image_by_group(
            lambda d, k, alone: input_sums(d, k, own, alone, at), dy, w, attributes
        )
    of = accumulator_of(attributes, "dx")
    geometry = window_geometry(np.empty(shape, np.int8), w, attributes)
    terms = dict(zip("ouv", (len(w), *w.shape[2:]), strict=True))
    rows = in_order(input_rows(at("back_w", w)), 1, terms, of.order, dict(of.tiles))
    seen = input_columns(dy, geometry, (shape[2], shape[3]), at)
    columns = in_order(seen, 1, terms, of.order, dict(of.tiles))
    return at("dx_accumulator", sum_integers(rows, columns, of).total.reshape(shape))


def rescaled(
    total: Array, factor: tuple[Array, Array], attributes: Attributes, name: str, zero: int,
    at: Probe,
) -> Stages:  # fmt: skip
    """Stages ``name``_before_clip and ``name``, whose sites are in the scope ``name``."""
    own, alone = at.inside(name), {**attributes, "y_zero": zero}
    found = clipped(scaled(total, factor, alone, own), alone, own)
    return {f"{name}_before_clip": found["before_clip"], name: found["output"]}


def weight_gradients(dy: Array, x: Array, w: Array, attributes: Attributes, at: Probe) -> Stages:
    """Stages dw and db of floats."""
    if groups_of(attributes) > 1:
        return weights_by_group(
            lambda d, i, k, alone: weight_gradients(d, i, k, alone, at), dy, x, w, attributes
        )
    of = at("dw_sums", accumulation_of(attributes, "accumulation_dw", loops="nij"))
    geometry = window_geometry(x, w, attributes)
    sizes = dict(zip("nij", (len(x), *geometry.output), strict=True))
    tiles = dict(of.tiles)
    rows = at("rows", weight_rows(operand(at("dy", dy), of)), images=len(x))
    rows = in_order(rows, 1, sizes, of.order, tiles)
    seen = weight_columns(operand(at("x", x), of), geometry, at, zero=np.zeros(x.shape[1]))
    columns = in_order(seen, 1, sizes, of.order, tiles)
    ones = np.ones((1, rows.shape[1], 1))
    cast = cast_of(attributes.get("dw"), of.format)
    dw = at("dw", encode(accumulate(rows, columns, of).total.reshape(w.shape), cast))
    return {"dw": dw, "db": at("db", encode(accumulate(rows, ones, of).total.reshape(-1), cast))}


def input_gradient(
    dy: Array, x: Array, w: Array, attributes: Attributes, at: Probe, key: str = "dx"
) -> Array:
    """The gradient of what was convolved, cast to binary32; ``x`` gives its shape."""
    if (groups := groups_of(attributes)) > 1:
        own = x[:, : x.shape[1] // groups]
        return image_by_group(
            lambda d, k, alone: input_gradient(d, own, k, alone, at, key), dy, w, attributes
        )
    of = at("dx_sums", accumulation_of(attributes, "accumulation_dx", loops="ouv"))
    geometry = window_geometry(x, w, attributes)
    sizes = dict(zip("ouv", (len(w), *w.shape[2:]), strict=True))
    tiles = dict(of.tiles)
    seen = input_columns(operand(at("dy", dy), of), geometry, (x.shape[2], x.shape[3]), at)
    rows = input_rows(operand(at("back_w", at("w", w)), of))
    total = accumulate(
        in_order(rows, 1, sizes, of.order, tiles), in_order(seen, 1, sizes, of.order, tiles), of
    ).total
    return at(key, encode(total.reshape(x.shape), cast_of(attributes.get(key), "fp32")))


def _back_reads(window: Window, size: tuple[int, int], output: tuple[int, int]) -> BackReads:
    parts: list[Array] = []
    for many, taps, step, pad, apart, length in zip(
        size, window.kernel, window.stride, window.padding, window.dilation, output, strict=True
    ):
        reach = np.arange(many) + pad - np.arange(taps)[:, None] * apart
        index = reach // step
        parts += [index, (reach % step == 0) & (index >= 0) & (index < length)]
    return BackReads(*parts)
