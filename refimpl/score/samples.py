"""What coverage points see of a case: its samples, as arrays."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.ops.shift_product import offsets
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.device import gather, window_geometry
from refimpl.score.models import operator_of, run_probed
from refimpl.score.seen import Macs, Seen, Values, divided
from refimpl.score.shifts import neighbour
from refimpl.score.site import HEALTHY, Probe
from refimpl.score.summation import SMALLEST_NORMAL, SUMMATIONS
from refimpl.vectors.case import Case

if TYPE_CHECKING:
    from collections.abc import Callable

KERNELS = ("w", "w_c", "w_a")
FLAGS = frozenset({"above", "below", "left", "right", "outside", "circular", "subnormal"})


def look(case: Case, stages: Stages) -> Seen:
    """Collect the samples of a case whose ``stages`` are known."""
    own = CATALOGUE[operator_of(case)].look
    if own is not None:
        return own(case, stages)
    convolutions = _convolutions(case, stages)
    events: dict[str, list[Values]] = {"output": [], "product": [], "sum": [], "branch": []}
    for each in convolutions:
        events["output" if case.arithmetic == "int8" else "sum"].append(each.outputs(case))
    if case.operator != "conv2d":
        prefix = "attention_" if case.operator == "xvolution" else ""
        events["product"] += _products(case, stages, prefix)
    if case.operator == "xvolution":
        events["branch"].append(_branches(case, stages))
    return Seen(_sizes(case, convolutions), events, [each.macs(case) for each in convolutions])


class _Convolution(NamedTuple):
    """One convolution inside an operator: its image, zero points, kernels and stages."""

    image: Array
    zero: Array
    end: str
    stages: Stages

    def macs(self, case: Case) -> Macs:
        """Operands of every multiply-accumulate, and where each was read."""
        w = case.tensors[f"w{self.end}"]
        geometry = window_geometry(self.image, w, case.attributes)
        n, c, height, width = self.image.shape
        wide = np.int64 if case.arithmetic == "int8" else np.float64
        own = self.image.astype(wide) - self.zero[:, None, None]
        seen = gather(own, geometry, HEALTHY, zero=self.zero)
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
            spread = np.broadcast_to(flags, shape).reshape(
                -1, geometry.output[0] * geometry.output[1]
            )
            return np.tile(spread, (c, 1))[None]

        rows, cols = row[:, None, :, None], col[None, :, None, :]
        flags = {
            "above": everywhere(rows < 0),
            "below": everywhere(rows >= height),
            "left": everywhere(cols < 0),
            "right": everywhere(cols >= width),
        }
        flags["outside"] = flags["above"] | flags["below"] | flags["left"] | flags["right"]
        zero = np.repeat(self.zero, geometry.kernel[0] * geometry.kernel[1])[:, None]
        kernels = np.tile(w.reshape(len(w), -1), (1, c // w.shape[1])).astype(wide)
        return Macs({"x": centred + zero, "centred": centred, **flags}, {"w": kernels}, len(w))

    def outputs(self, case: Case) -> Values:
        """Every output element from its accumulator on."""
        if case.arithmetic != "int8":
            return _sums(case, self)
        own = {
            name: self.stages[name].astype(np.int64)
            for name in ("accumulator", "biased", "before_clip")
        }
        bias, multiplier, shift = (
            case.tensors[f"{name}{self.end}"].astype(np.int64)[:, None, None]
            for name in ("b", "multiplier", "shift")
        )
        zero = 0 if self.end else case.attributes["y_zero"]
        return own | {"bias": bias, "zero": zero} | divided(own["biased"], multiplier, shift)


def _convolutions(case: Case, stages: Stages) -> list[_Convolution]:
    x, attributes = case.tensors["x"], case.attributes
    x_zero = np.full(x.shape[1], attributes.get("x_zero", 0))
    if case.operator == "conv2d":
        return [_Convolution(x, x_zero, "", stages)]
    if case.operator == "shift_product":
        return []
    if case.operator == "xvolution":
        conv, attention = (
            {
                name.removeprefix(which): array
                for name, array in stages.items()
                if name.startswith(which)
            }
            for which in ("conv_", "attention_")
        )
        product = attention["product"]
        t_zero = np.full(product.shape[1], attributes.get("t_zero", 0))
        return [
            _Convolution(x, x_zero, "_c", conv),
            _Convolution(product, t_zero, "_a", attention),
        ]
    product = stages["product"]
    t_zero = np.full(product.shape[1], attributes.get("t_zero", 0))
    if case.operator == "pssa":
        return [_Convolution(product, t_zero, "", stages)]
    augmented = np.concatenate([x, product], axis=1)
    return [_Convolution(augmented, np.concatenate([x_zero, t_zero]), "", stages)]


def _sizes(case: Case, convolutions: list[_Convolution]) -> Values:
    """Sizes and attributes under the names that points know."""
    x, attributes = case.tensors["x"], case.attributes
    batch, channels, height, width = x.shape
    values: Values = {
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
    if convolutions:
        first = convolutions[-1]
        w = case.tensors[f"w{first.end}"]
        geometry = window_geometry(first.image, w, attributes)
        for name in ("kernel", "stride", "padding", "dilation"):
            values |= dict(zip((f"{name}_h", f"{name}_w"), getattr(geometry, name), strict=True))
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
        values |= {
            "c_in": first.image.shape[1],
            "c_out": len(w),
            "pixels": geometry.output[0] * geometry.output[1],
            "unread_rows": unread[0],
            "unread_columns": unread[1],
        }
    return values


def _products(case: Case, stages: Stages, prefix: str) -> list[Values]:
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


def _branches(case: Case, stages: Stages) -> Values:
    names = {"conv": "conv_output", "attention": "attention_output", "result": "output"}
    if case.arithmetic == "int8":
        names["before_clip"] = "before_clip"
    wide = np.int64 if case.arithmetic == "int8" else np.float64
    return {name: stages[stage].astype(wide) for name, stage in names.items()} | {
        "zero": case.attributes.get("y_zero", 0)
    }


def _sums(case: Case, of: _Convolution) -> Values:
    """The declared sums, and what other orders make of the same products."""
    end, attributes = of.end, case.attributes
    alone = Case(
        id=case.id,
        operator="conv2d",
        arithmetic="fp32",
        attributes=attributes,
        tensors={"x": of.image, "w": case.tensors[f"w{end}"]}
        | ({"b": case.tensors[f"b{end}"]} if f"b{end}" in case.tensors else {}),
        stimulus={},
    )

    def summed(name: str, site: str, value: Any) -> Array:
        return run_probed(alone, Probe(site, lambda _, **__: value))[name]

    order = "uvc" if attributes.get("order", "cuv") == "cuv" else "cuv"
    moved = "first" if attributes.get("bias_at", "last") == "last" else "last"
    declared = run_probed(alone, HEALTHY)
    magnitude: Callable[[Array], Array] = np.abs
    absolute = run_probed(
        Case(
            id=case.id,
            operator="conv2d",
            arithmetic="fp32",
            attributes=attributes,
            stimulus={},
            tensors={name: magnitude(alone.tensors[name]) for name in ("x", "w")},
        ),
        HEALTHY,
    )
    return {
        "accumulator": declared["accumulator"],
        "result": declared["output"],  # "output" is a keyword where points are written out
        **{
            name: summed("accumulator", "summation", SUMMATIONS[name])
            for name in ("backwards", "pairwise", "tiled", "fused")
        },
        "other_order": summed("accumulator", "order", order),
        "bias_moved": summed("output", "bias_at", moved),
        "magnitude": absolute["accumulator"],
        "subnormal": (np.abs(declared["accumulator"]) < SMALLEST_NORMAL)
        & (declared["accumulator"] != 0),
    }
