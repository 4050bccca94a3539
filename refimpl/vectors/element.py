"""The part of a case that one element reads, as a case of its own: the same bits, fewer numbers.

    after a convolution    its taps alone, a conv2d of one pixel
    of a shift product     its pixel and the one it is multiplied with, a shift_product
    of both branches, or
    where no one image has room for two zero points: the rows and columns that the element reads

A part is kept only if it gives the golden bits of the element again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import groups_of, reached, without_groups
from refimpl.bitexact.formats import format_of, integers_of, to_integers, words_of
from refimpl.bitexact.operators import OPERATORS
from refimpl.ops.conv2d import ConvGeometry
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import (
    Convolution,
    convolution_of,
    convolutions_of,
    geometry,
    padded_input,
    zeros_of,
)
from refimpl.vectors.stages import stages
from refimpl.vectors.sums import is_integer

Index = tuple[int, ...]
AFTER_SUM = ("accumulator", "biased", "before_clip", "output")
OF_PRODUCT = ("shifted", "wide_product", "product_before_clip", "product")
OF_SHIFT = ("directions", "length", "boundary", "t_zero", "product", "product_format")
OF_SUM = ("stride", "padding", "dilation", "groups", "y_zero", "clip", "output_format", "output")
SHOWN = ("k_tile", "im2col")
NOT_OF_CONV = (*OF_SHIFT, "product_cast", *SHOWN)
NOT_OF_PRODUCT = (*OF_SUM, *SHOWN, "order", "bias_at", "accumulator")


class Part(NamedTuple):
    """A smaller case, where the element is in it, its stages' names there, and what was kept."""

    case: Case
    at: Index
    names: Mapping[str, str]
    kept: str


def part_of(case: Case, golden: Mapping[str, Array], stage: str, index: Index) -> Part | None:
    """The smallest part that gives ``stage[index]`` again, bit for bit; None where none does."""
    if case.operator not in OPERATORS or golden[stage].ndim < len("nchw"):
        return None
    for make in (_taps, _product, _crop):
        part = make(case, golden, stage, index)
        if part is not None and _same(part, golden, index):
            return part
    return None


def _same(part: Part, golden: Mapping[str, Array], index: Index) -> bool:
    """Whether the part has the golden bits of the element, in every stage that both show."""
    with np.errstate(all="ignore"):
        again = stages(part.case)
    for name, own in part.names.items():
        if own not in again or again[own].dtype != golden[name].dtype:
            return False
        if words_of(again[own][part.at]) != words_of(golden[name][index]):
            return False
    return True


def _taps(case: Case, golden: Mapping[str, Array], stage: str, index: Index) -> Part | None:
    """A convolution of one pixel that has the same products, in the same order."""
    own = convolution_of(case, stage)
    if own is None or not stage.endswith(AFTER_SUM):
        return None
    arrays = {**case.tensors, **golden}
    n, o, i, j = index
    where = geometry(own, arrays, case.attributes)
    padded = padded_input(own, arrays, case.attributes)
    rows = i * where.stride[0] + np.arange(where.kernel[0]) * where.dilation[0]
    columns = j * where.stride[1] + np.arange(where.kernel[1]) * where.dilation[1]
    channels = case.tensors[own.kernels].shape[1]
    first = o * groups_of(case.attributes) // len(case.tensors[own.kernels]) * channels
    x = padded[n : n + 1, first : first + channels, rows[:, None], columns]
    attributes = _without(without_groups(case.attributes), NOT_OF_CONV)
    attributes |= {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}
    attributes |= _of_branch(own, case, attributes)
    if is_integer(case):
        zeros = zeros_of(own, arrays, case.attributes)[first : first + channels]
        moved = _with_one_zero(x, zeros)
        if moved is None:
            return None
        x, attributes["x_zero"] = moved
    tensors = {"x": np.ascontiguousarray(x)}
    for name in ("w", "b", "multiplier", "shift"):
        source = f"{name}{own.suffix}"
        if source in case.tensors:
            tensors[name] = case.tensors[source][o : o + 1]
    part = replace(case, operator="conv2d", attributes=attributes, tensors=tensors, formats={})
    names = {f"{own.prefix}{each}": each for each in AFTER_SUM if f"{own.prefix}{each}" in golden}
    return Part(_without_idle_channels(part), (0, 0, 0, 0), names, "its taps are kept")


def _of_branch(own: Convolution, case: Case, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What a convolution's output is: of a branch of X-volution it has no zero point, no clip."""
    if not is_integer(case):
        return {"output": accumulation_of(attributes).cast.as_json()} if own.prefix else {}
    form = attributes.get("output_format", format_of(case.tensors["x"]).name)
    if not own.prefix:
        return {"output_format": form} if attributes.get("product") == "wide" else {}
    return {"y_zero": 0, "clip": list(format_limits(form))}


def format_limits(name: str) -> tuple[int, int]:
    """Smallest and largest integer of a format."""
    return format_of(to_integers(np.zeros(0, np.int64), name)).limits


def _with_one_zero(x: Array, zeros: Array) -> tuple[Array, int] | None:
    """The same real numbers (1, c, h, w) around one zero point; None if no format's room is enough.

    The first channel's zero point is kept if it can be, or else the nearest one that can.
    """
    form = format_of(x)
    low, high = form.limits
    real = integers_of(x) - zeros[:, None, None]
    least, most = low - int(real.min()), high - int(real.max())
    if least > most:
        return None
    zero = min(max(int(zeros[0]), least), most)
    return to_integers(real + zero, form.name), zero


def _without_idle_channels(case: Case) -> Case:
    """Leave out channels whose products are all zero, where that changes no bit: in integers."""
    x, w = case.tensors["x"], case.tensors["w"]
    if not is_integer(case):
        return case
    products = (integers_of(x[0]) - case.attributes["x_zero"]) * integers_of(w[0])
    live = products.reshape(len(w[0]), -1).any(axis=1)
    kept = np.flatnonzero(live) if live.any() else np.array([0])
    return replace(case, tensors={**case.tensors, "x": x[:, kept], "w": w[:, kept]})


def _product(case: Case, golden: Mapping[str, Array], stage: str, index: Index) -> Part | None:
    """A shift product of one channel in one direction, over the pixels between both factors."""
    prefix = next((p for p in ("", "attention_") if stage.removeprefix(p) in OF_PRODUCT), None)
    if prefix is None or "directions" not in case.attributes:
        return None
    n, channel, *pixel = index
    x = case.tensors["x"]
    which, c = divmod(channel, x.shape[1])
    circular = case.attributes["boundary"] == "circular"
    kept, at = [], []
    for axis, (place, offset) in enumerate(
        zip(pixel, reached(case.attributes)[which], strict=True)
    ):
        rows = _reached(range(min(place, place + offset), max(place, place + offset) + 1),
                        x.shape[2 + axis], circular=circular)  # fmt: skip
        kept.append(rows)
        at.append(rows.index(place))
    attributes = _without(without_groups(case.attributes), NOT_OF_PRODUCT)
    attributes["directions"] = [case.attributes["directions"][which]]
    if "bias" in attributes.get("accumulation", {}):
        attributes["accumulation"] = _without(attributes["accumulation"], ("bias",))
    tensors = {"x": x[n : n + 1, c : c + 1][:, :, kept[0]][:, :, :, kept[1]]}
    tensors |= {key: case.tensors[key] for key in case.tensors if key.startswith("t_m")}
    tensors |= {key: case.tensors[key] for key in ("t_shift",) if key in case.tensors}
    part = replace(
        case, operator="shift_product", attributes=attributes, tensors=tensors, formats={}
    )
    names = {f"{prefix}{each}": each for each in OF_PRODUCT if f"{prefix}{each}" in golden}
    return Part(part, (0, 0, *at), names, "both of its pixels are kept")


def _crop(case: Case, golden: Mapping[str, Array], stage: str, index: Index) -> Part | None:
    """The case on the rows and columns that an element after its sums reads; one output of it."""
    every = convolutions_of(case)
    ended = stage.endswith((*AFTER_SUM, "scaled", "partial_sums")) or "partial_" in stage
    if not every or not ended:
        return None
    arrays = {**case.tensors, **golden}
    where = max(geometry(each, arrays, case.attributes) for each in every)  # the widest kernel
    length = int(case.attributes.get("length", 0))
    steps = np.abs(np.array(case.attributes.get("directions", [[0, 0]]))).max(axis=0)
    circular = case.attributes.get("boundary") == "circular"
    x, kept, at = case.tensors["x"], [], []
    for axis, place in enumerate(index[-2:]):
        found = _rows(where, axis, place, x.shape[2 + axis], int(steps[axis]) * length, circular)
        if found is None:
            return None
        kept.append(found[0])
        at.append(found[1])
    n, o = index[-4:-2]
    tensors = {**case.tensors, "x": x[n : n + 1][:, :, kept[0]][:, :, :, kept[1]]}
    if groups_of(case.attributes) == 1:
        tensors |= one_output(case, o)
        o = 0
    names = {name: name for name, array in golden.items() if array.shape == golden[stage].shape}
    names = {name: name for name in names if name.endswith((*AFTER_SUM, "scaled"))} | {stage: stage}
    part = replace(case, tensors=tensors, formats={})
    return Part(part, (*index[:-4], 0, o, *at), names, "the rows and columns it reads are kept")


def one_output(case: Case, o: int) -> dict[str, Array]:
    """Kernels, biases and factors of one output channel, of a case without groups."""
    found = {}
    for each in convolutions_of(case):
        count = len(case.tensors[each.kernels])
        for name in ("w", "b", "multiplier", "shift", "s", "t"):
            key = f"{name}{each.suffix}"
            if key in case.tensors and len(case.tensors[key]) == count:
                found[key] = case.tensors[key][o : o + 1]
    return found


def _rows(
    where: ConvGeometry, axis: int, place: int, side: int, reach: int, circular: bool
) -> tuple[list[int], int] | None:
    """Rows that output ``place`` reads along an axis, and its place among the outputs of these."""
    stride, pad = where.stride[axis], where.padding[axis]
    first = place * stride - pad
    taps = range(first, first + (where.kernel[axis] - 1) * where.dilation[axis] + 1)
    inside = [row for row in taps if 0 <= row < side]
    if not inside:
        return None
    for more in range(stride):  # the first row must again be a stride from the padding
        wanted = range(inside[0] - reach - more, inside[-1] + reach + 1)
        rows = _reached(wanted, side, circular=circular)
        new, rest = divmod(rows.index(inside[0]) - (inside[0] - first) + pad, stride)
        if not rest:
            return rows, new
    return None


def _reached(wanted: range, side: int, *, circular: bool) -> list[int]:
    """Rows of an image that are wanted, in order: around the edge, or up to it."""
    return sorted({row % side for row in wanted} if circular else {*wanted} & {*range(side)})


def _without(attributes: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in keys}
