"""The integer convolution of the bit-exact model, opened up: every site where a bug can sit.

Healthy, it gives the bits of ``refimpl.bitexact`` (the tests hold it to that). Its sites, in order:

    x w b multiplier shift rounding y_zero        operands and parameters as the hardware has them
    zero       zero point of each input channel   window    kernel, stride, padding, dilation
    centred    x − zero                           reads     which pixels each tap reads, and outside
    outside    what is read outside the image     product, partial, tile    inside the accumulator
    accumulator  biased  scaled  before_clip  limits  output

The array of the probe (``array.py``) says where the tiles of the tile bugs end.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import sum_int32
from refimpl.bitexact.operators import Attributes, Stages, Tensors
from refimpl.bitexact.requantise import rounding_rule
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.score.site import Probe

INT32 = (-(2**31), 2**31 - 1)


class Window(NamedTuple):
    """What steers the reads of a convolution; each is (vertical, horizontal)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


class Reads(NamedTuple):
    """Row and column that tap (u, v) reads for output (i, j); which of them are outside.

    ``row`` (k_h, o_h) and ``col`` (k_w, o_w), or all four axes where a bug mixes them; ``outside``
    (k_h, o_h, k_w, o_w).
    """

    row: Array
    col: Array
    outside: Array


def convolve_int8(
    x: Array, zero: Array, tensors: Tensors, attributes: Attributes, at: Probe
) -> Stages:
    """Convolve int8 ``x``, whose channels have zero points ``zero`` (c,), and requantise."""
    accumulator, shape = accumulate_int8(x, zero, tensors, attributes, at)
    sums = at("accumulator", accumulator.reshape(shape)).astype(np.int32)
    return requantised(sums, tensors, attributes, at)


def accumulate_int8(
    x: Array, zero: Array, tensors: Tensors, attributes: Attributes, at: Probe
) -> tuple[Array, tuple[int, ...]]:
    """Accumulators (n, o, pixels) and the shape (n, o, i, j) that they fill."""
    w_zero = np.reshape(attributes.get("w_zero", 0), (-1, 1, 1, 1))  # one, or one per output
    groups = int(attributes.get("groups", 1))
    kernels = at("w", tensors["w"].astype(np.int32), groups=groups) - w_zero
    raw = at("x", x.astype(np.int32))
    per_channel = at("zero", zero)[:, None, None]
    centred = at("centred", raw - per_channel, raw=raw, zero=per_channel)
    geometry = window_geometry(x, tensors["w"], attributes)
    seen = gather(centred, geometry, at, zero=per_channel)  # (n, c, k_h, k_w, pixels)
    seen = at("seen", seen, groups=groups)
    bias = _bias(tensors, len(kernels), at)
    taps, split = prod(geometry.kernel), (np.split(kernels, groups), np.split(bias, groups))
    parts = [
        _summed(rows.reshape(len(rows), -1), of.reshape(len(x), -1, of.shape[-1]), own, at, taps)
        for rows, own, of in zip(*split, np.split(seen, groups, axis=1), strict=True)
    ]
    return np.concatenate(parts, axis=1), (len(x), len(kernels), *geometry.output)


def gather(image: Array, geometry: ConvGeometry, at: Probe, *, zero: Array) -> Array:
    """What each tap sees: (n, c, h, w) to (n, c, k_h, k_w, pixels); outside is real 0."""
    height, width = image.shape[2:]
    window = at(
        "window", Window(geometry.kernel, geometry.stride, geometry.padding, geometry.dilation)
    )
    reads = at("reads", _reads(window, geometry.output, (height, width)), size=(height, width))
    rows, cols = (
        np.clip(index if index.ndim == 4 else np.expand_dims(index, axes), 0, size - 1)
        for index, axes, size in ((reads.row, (2, 3), height), (reads.col, (0, 1), width))
    )
    seen = image[:, :, rows, cols]
    outside = at("outside", np.zeros_like(seen), zero=zero, seen=seen)
    seen = np.where(reads.outside, outside, seen)
    shape = (*image.shape[:2], *geometry.kernel, -1)
    return np.ascontiguousarray(seen.swapaxes(3, 4)).reshape(shape)


def window_geometry(x: Array, w: Array, attributes: Attributes) -> ConvGeometry:
    """Where a convolution with these attributes reads.

    Padding None is "same"; of four numbers (others' test cases have such) it is top, left, bottom,
    right, and ``padding`` of the result are the first two.
    """
    dilation = tuple(attributes.get("dilation", (1, 1)))
    padding = attributes.get("padding")
    ends = same_padding(w.shape[2:], dilation) if padding is None else tuple(padding)
    top, left, bottom, right = (*ends, *ends)[:4]
    room = (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)
    unpadded = conv_geometry(
        room,
        w.shape,
        stride=tuple(attributes.get("stride", (1, 1))),
        dilation=dilation,
        groups=int(attributes.get("groups", 1)),
    )
    return unpadded._replace(padding=(top, left))


def requantised(sums: Array, tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """Bias, scale, round, add the zero point, clip."""
    bias = _bias(tensors, sums.shape[1], at)[:, None, None]
    biased = wrap(at("biased", sums.astype(np.int64) + bias, sums=sums, bias=bias), 32)
    before = scaled(biased, (tensors["multiplier"], tensors["shift"]), attributes, at)
    return {
        "accumulator": sums,
        "biased": biased.astype(np.int32),
        **clipped(before, attributes, at),
    }


def clipped(rounded: Array, attributes: Attributes, at: Probe) -> Stages:
    """Add the zero point, clip to int8."""
    before = at("before_clip", rounded + at("y_zero", attributes["y_zero"], scale=False))
    low, high = at("limits", (-128, 127), zero=attributes["y_zero"])
    output = at("output", np.clip(before, low, high), before=before)
    return {
        "before_clip": np.clip(before, *INT32).astype(np.int32),
        "output": wrap(output, 8).astype(np.int8),
    }


def scaled(values: Array, factor: tuple[Array, Array], attributes: Attributes, at: Probe) -> Array:
    """Round values · m/2^s by the declared rule; parameters are per channel."""
    multiplier, shift = (
        at(site, each.astype(np.int64))[:, None, None]
        for site, each in zip(("multiplier", "shift"), factor, strict=True)
    )
    rule = at("rounding", rounding_rule(attributes["rounding"]))
    wide = at("to_scale", values.astype(np.int64), zero=attributes.get("y_zero", 0))
    return at("scaled", rule(wide * multiplier, shift))


def wrap(values: Array, bits: int) -> Array:
    """Two's complement of so many bits."""
    half = np.int64(1) << (bits - 1)
    return ((values.astype(np.int64) + half) & ((np.int64(1) << bits) - 1)) - half


def _bias(tensors: Tensors, outputs: int, at: Probe) -> Array:
    """The bias of each output (o,); a convolution without one adds 0."""
    if "b" not in tensors:
        return np.zeros(outputs, np.int64)
    return np.asarray(at("b", tensors["b"].astype(np.int64)))


def _reads(window: Window, output: tuple[int, int], size: tuple[int, int]) -> Reads:
    row, col = (
        np.arange(many) * step + np.arange(taps)[:, None] * apart - pad
        for many, step, taps, apart, pad in zip(
            output, window.stride, window.kernel, window.dilation, window.padding, strict=True
        )
    )
    beyond_row, beyond_col = (
        (at < 0) | (at >= length) for at, length in zip((row, col), size, strict=True)
    )
    return Reads(row, col, beyond_row[:, :, None, None] | beyond_col[None, None])


def _summed(rows: Array, columns: Array, bias: Array, at: Probe, taps: int) -> Array:
    """Σ over taps modulo 2³²; step by step only where a bug sits inside."""
    if at.sits_at("product", "partial"):
        return _step_by_step(rows, columns, at)
    if at.sits_at("tile"):
        return _tile_by_tile(rows, columns, bias, at, taps)
    return sum_int32(rows, columns)


def _step_by_step(rows: Array, columns: Array, at: Probe) -> Array:
    total = np.zeros((len(columns), len(rows), columns.shape[2]), np.int64)
    for k in range(rows.shape[1]):
        product = rows[None, :, k, None].astype(np.int64) * columns[:, None, k]
        total = at("partial", total + at("product", product, w=rows[:, k], x=columns[:, k]))
    return wrap(total, 32).astype(np.int32)


def _tile_by_tile(rows: Array, columns: Array, bias: Array, at: Probe, taps: int) -> Array:
    """Partial sums of a tile of input channels at a time."""
    total = np.zeros((len(columns), len(rows), columns.shape[2]), np.int64)
    step = at.array.c_in * taps
    starts = range(0, rows.shape[1], step)
    for first in starts:
        known: dict[str, Any] = {
            "part": sum_int32(rows[:, first : first + step], columns[:, first : first + step]),
            "first": first == 0,
            "last": first == starts[-1],
            "ragged": first + step > rows.shape[1],
            "bias": bias[:, None],
        }
        total = at("tile", total + known["part"], before=total, **known)
    return wrap(total, 32).astype(np.int32)
