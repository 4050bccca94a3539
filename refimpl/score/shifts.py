"""The shift product and the operators around it, opened up as ``device.py`` opens the convolution.

Sites of the shift product, in order (those it shares with the convolution come first):

    x  zero  centred         as the convolution has them
    offset   (down, right) of each direction      wrapped   the pixel that each pixel reads
    neighbour  x' − zero     wide   (x − z)(x' − z)         t_multiplier t_shift t_rounding
    t_scaled t_zero t_before t_limits t_output    channels  products in their order
                               ("rounding" is that of every requantiser)

and of X-volution: branch, total in the sum of both; augmented, zeros in the fused form. The parts
of a composed operator are the scopes "product", "conv", "convolution" and "attention" (branches of
X-volution): the site ``product.x`` is x where the shift product reads it.
"""

from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Attributes, Stages, Tensors
from refimpl.bitexact.requantise import rounding_rule
from refimpl.ops.shift_product import offsets
from refimpl.score.device import INT32, convolve_int8, wrap
from refimpl.score.site import Probe


class Neighbour(NamedTuple):
    """Row and column that each pixel's partner is read from, and which are outside, (h, w) each."""

    row: Array
    col: Array
    outside: Array


def conv2d_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.conv2d_int8`` with a bug."""
    x = tensors["x"]
    return convolve_int8(x, _same(attributes["x_zero"], x), tensors, attributes, at)


def shift_product_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.shift_product_int8`` with a bug."""
    x = at("x", tensors["x"].astype(np.int32))
    zero = at("zero", _same(attributes["x_zero"], x))[:, None, None]
    centred = at("centred", x - zero, raw=x, zero=zero)
    reached = at("offset", offsets(_directions(attributes), attributes["length"]))
    boundary = at("boundary", attributes["boundary"])
    neighbours = [neighbour(centred, offset, boundary, at) for offset in reached]
    own = np.tile(centred, (1, len(reached), 1, 1))
    shifted = np.concatenate(neighbours, axis=1)
    shifted = at("neighbour", shifted, zero=attributes["x_zero"], own=own)
    wide = at("wide", own.astype(np.int64) * shifted, own=own, other=shifted)
    multiplier, shift = (
        at(site, tensors[site].astype(np.int64)) for site in ("t_multiplier", "t_shift")
    )
    rule = at("rounding", at("t_rounding", rounding_rule(attributes["rounding"])))
    rounded = at("t_scaled", rule(wide * multiplier, shift))
    before = at("t_before", rounded + at("t_zero", attributes["t_zero"]))
    low, high = at("t_limits", (-128, 127), zero=attributes["t_zero"])
    product = at("t_output", np.clip(before, low, high), before=before)
    product = at("channels", product, directions=len(reached))
    return {
        "shifted": wrap(shifted + attributes["x_zero"], 8).astype(np.int8),
        "wide_product": wrap(wide, 32).astype(np.int32),
        "product_before_clip": np.clip(before, *INT32).astype(np.int32),
        "product": wrap(product, 8).astype(np.int8),
    }


def neighbour(image: Array, offset: tuple[int, int], boundary: str, at: Probe) -> Array:
    """The pixel at p + offset, wrapping around or real 0 outside."""
    height, width = image.shape[2:]
    row = np.broadcast_to(np.arange(height)[:, None] + offset[0], (height, width))
    col = np.broadcast_to(np.arange(width)[None] + offset[1], (height, width))
    beyond = (row < 0) | (row >= height) | (col < 0) | (col >= width)
    outside = beyond if boundary == "zero" else np.zeros_like(beyond)
    reads = Neighbour(row % height, col % width, outside)
    reads = at("wrapped", reads, row=row, col=col, size=(height, width), boundary=boundary)
    seen = image[:, :, np.clip(reads.row, 0, height - 1), np.clip(reads.col, 0, width - 1)]
    return np.where(reads.outside, 0, seen)


def pssa_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.pssa_int8`` with a bug."""
    products = shift_product_int8(tensors, attributes, at.inside("product"))
    image = products["product"]
    zero = at("product_zero", _same(attributes["t_zero"], image), x_zero=attributes["x_zero"])
    return products | convolve_int8(image, zero, tensors, attributes, at.inside("conv"))


def xvolution_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.xvolution_int8`` with a bug."""
    declared = {**attributes, "y_zero": at("branch_zero", 0, y_zero=attributes["y_zero"])}
    conv = conv2d_int8(_branch(tensors, "c"), declared, at.inside("convolution"))
    attention = pssa_int8(_branch(tensors, "a"), declared, at.inside("attention"))
    branches = [
        at("branch", stages["output"].astype(np.int32), before=stages["before_clip"], which=which)
        for stages, which in ((conv, "conv"), (attention, "attention"))
    ]
    total = at("total", sum(branches) + at("sum_zero", attributes["y_zero"]))
    return {
        **{f"conv_{name}": array for name, array in conv.items()},
        **{f"attention_{name}": array for name, array in attention.items()},
        "before_clip": np.clip(total, *INT32).astype(np.int32),
        "output": wrap(
            at("sum", np.clip(total, -128, 127), before=total, branches=branches), 8
        ).astype(np.int8),
    }


def xvolution_fused_int8(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.xvolution_fused_int8`` with a bug."""
    products = shift_product_int8(tensors, attributes, at.inside("product"))
    x, product = tensors["x"], products["product"]
    augmented = at("augmented", np.concatenate([x, product], axis=1), channels=x.shape[1])
    zeros = np.concatenate([_same(attributes["x_zero"], x), _same(attributes["t_zero"], product)])
    zeros = at("zeros", zeros, channels=x.shape[1])
    return products | convolve_int8(augmented, zeros, tensors, attributes, at.inside("conv"))


def _same(zero: int, image: Array) -> Array:
    return np.full(image.shape[1], zero, np.int32)


def _directions(attributes: Attributes) -> list[tuple[int, int]]:
    return [(int(down), int(right)) for down, right in attributes["directions"]]


def _branch(tensors: Tensors, which: str) -> dict[str, Array]:
    """Tensors of one branch, under the names its operator knows them by; shared ones stay."""
    end = f"_{which}"
    own = {name.removesuffix(end): array for name, array in tensors.items() if name.endswith(end)}
    shared = {name: tensors[name] for name in ("x", "t_multiplier", "t_shift") if name in tensors}
    return shared | own
