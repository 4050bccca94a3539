"""What convolutions and shift products show coverage points: operands, places, sizes."""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Attributes, Stages
from refimpl.ops.shift_product import offsets
from refimpl.score.device import gather, window_geometry
from refimpl.score.seen import Macs, Values, divided
from refimpl.score.shifts import neighbour
from refimpl.score.site import HEALTHY, Probe
from refimpl.vectors.case import Case


def macs_of(image: Array, zero: Array, w: Array, attributes: Attributes) -> Macs:
    """Operands of every multiply-accumulate of a convolution, and where each was read."""
    geometry = window_geometry(image, w, attributes)
    n, c, height, width = image.shape
    wide = np.int64 if image.dtype.kind == "i" else np.float64
    own = image.astype(wide) - zero[:, None, None]
    seen = gather(own, geometry, HEALTHY, zero=zero)
    centred = seen.reshape(n, -1, seen.shape[-1])
    row, col = (
        np.arange(size) * step + np.arange(many)[:, None] * apart - pad
        for size, step, many, apart, pad in zip(
            geometry.output,
            geometry.stride,
            geometry.kernel,
            geometry.dilation,
            geometry.padding,
            strict=True,
        )
    )
    shape = (geometry.kernel[0], geometry.kernel[1], geometry.output[0], geometry.output[1])

    def everywhere(flags: Array) -> Array:
        spread = np.broadcast_to(flags, shape).reshape(-1, geometry.output[0] * geometry.output[1])
        return np.tile(spread, (c, 1))[None]

    rows, cols = row[:, None, :, None], col[None, :, None, :]
    flags = {
        "above": everywhere(rows < 0),
        "below": everywhere(rows >= height),
        "left": everywhere(cols < 0),
        "right": everywhere(cols >= width),
    }
    flags["outside"] = flags["above"] | flags["below"] | flags["left"] | flags["right"]
    zeros = np.repeat(zero, geometry.kernel[0] * geometry.kernel[1])[:, None]
    kernels = np.tile(w.reshape(len(w), -1), (1, c // w.shape[1])).astype(wide)
    return Macs({"x": centred + zeros, "centred": centred, **flags}, {"w": kernels}, len(w))


def sizes_of(case: Case) -> Values:
    """Sizes and attributes of a case whose image is ``x``, under the names that points know."""
    x, attributes = case.tensors["x"], case.attributes
    batch, channels, height, width = x.shape
    return {
        "batch": batch,
        "c_in": channels,
        "height": height,
        "width": width,
        "pixels": height * width,
        "c_out": channels * len(attributes.get("directions", [0])),
        "groups": attributes.get("groups", 1),
        "x_zero": attributes.get("x_zero", 0),
        "t_zero": attributes.get("t_zero", 0),
        "y_zero": attributes.get("y_zero", 0),
        "length": attributes.get("length", 1),
        "directions": len(attributes.get("directions", [])),
        "circular": attributes.get("boundary") == "circular",
    }


def window_sizes(image: Array, w: Array, attributes: Attributes) -> Values:
    """What a convolution's geometry adds to them."""
    geometry = window_geometry(image, w, attributes)
    values: Values = {}
    for name in ("kernel", "stride", "padding", "dilation"):
        values |= dict(zip((f"{name}_h", f"{name}_w"), getattr(geometry, name), strict=True))
    height, width = image.shape[2:]
    ends = attributes.get("padding") or geometry.padding
    room = (height + ends[0] + ends[-2], width + ends[1] + ends[-1])
    unread = [
        size - apart * (taps - 1) - 1 - step * (many - 1)
        for size, apart, taps, step, many in zip(
            room,
            geometry.dilation,
            geometry.kernel,
            geometry.stride,
            geometry.output,
            strict=True,
        )
    ]
    return values | {
        "c_in": image.shape[1],
        "c_out": len(w),
        "pixels": geometry.output[0] * geometry.output[1],
        "unread_rows": unread[0],
        "unread_columns": unread[1],
    }


def products_of(case: Case, stages: Stages, prefix: str) -> list[Values]:
    """One block of samples per direction: which edge it crosses is the same in the block."""
    x, attributes = case.tensors["x"], case.attributes
    integer = case.arithmetic == "int8"
    wide_type = np.int64 if integer else np.float64
    zero = attributes.get("x_zero", 0)
    own = x.astype(wide_type) - zero
    height, width = x.shape[2:]
    reached = offsets([(int(a), int(b)) for a, b in attributes["directions"]], attributes["length"])
    partners = np.split(stages[f"{prefix}shifted"], len(reached), axis=1)
    blocks = []
    for at, (offset, partner) in enumerate(zip(reached, partners, strict=True)):
        row = np.arange(height)[:, None] + offset[0] + np.zeros(width, int)
        col = np.arange(width) + offset[1] + np.zeros((height, 1), int)
        block: Values = {
            "x": x.astype(wide_type),
            "partner": partner.astype(wide_type),
            "own": own,
            "other": partner.astype(wide_type) - zero,
            "inner": neighbour(own, offset, "circular", CLAMPED),
            "above": row < 0,
            "below": row >= height,
            "left": col < 0,
            "right": col >= width,
            "zero": attributes.get("t_zero", 0),
        }
        if integer:
            mine = slice(at * x.shape[1], (at + 1) * x.shape[1])
            wide = stages[f"{prefix}wide_product"][:, mine].astype(np.int64)
            before = stages[f"{prefix}product_before_clip"][:, mine].astype(np.int64)
            multiplier, shift = (
                case.tensors[name].astype(np.int64)[:, None, None]
                for name in ("t_multiplier", "t_shift")
            )
            block |= {"wide": wide, "before_clip": before} | divided(wide, multiplier, shift)
        blocks.append(block)
    return blocks


def _clamp(value: Any, **known: Any) -> Any:
    height, width = known["size"]
    return value._replace(
        row=np.clip(known["row"], 0, height - 1), col=np.clip(known["col"], 0, width - 1)
    )


CLAMPED = Probe("wrapped", _clamp)
