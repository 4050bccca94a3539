"""The accumulator of a convolution inside any operator, from what was gathered for it.

A convolution is a matrix product of kernels (o, k) and columns (n, k, outputs), k in the declared
order. So its sum is that of a 1×1 convolution over k channels, which every arithmetic has a
pipeline for: K tiles, and stages computed of a device's own columns, need no arithmetic of theirs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows
from refimpl.bitexact.accumulation import accumulation_of, term_order
from refimpl.bitexact.call import groups_of, without_groups
from refimpl.bitexact.formats import integers_of
from refimpl.bitexact.integer_operators import summed
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.operators import INTEGER_ARITHMETICS, PIPELINES, Stages
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, geometry, zeros_of
from refimpl.vectors.im2col import to_columns

Arrays = Mapping[str, Array]
ONE = {"padding": [0, 0], "stride": [1, 1], "dilation": [1, 1]}


def is_integer(case: Case) -> bool:
    """Whether a case computes in integers."""
    return case.arithmetic in INTEGER_ARITHMETICS


def loops(case: Case) -> tuple[str, Mapping[str, int]]:
    """The order in which a case's convolutions sum, and the tiles that it names."""
    if is_integer(case):
        of = integer_accumulator(case.attributes.get("accumulator"))
        return of.order, of.tiles
    declared = accumulation_of(case.attributes)
    return declared.order, declared.tiles


def taps_in_order(each: Convolution, arrays: Arrays, case: Case) -> Array:
    """Flat taps (c·K_h + u)·K_w + v in the order in which they are summed."""
    order, tiles = loops(case)
    sizes = dict(zip("cuv", arrays[each.kernels].shape[1:], strict=True))
    return term_order(sizes, order, tiles)


def rows_of(each: Convolution, arrays: Arrays, case: Case) -> Array:
    """Kernels (o, k) in the declared order, as they are stored."""
    order, tiles = loops(case)
    return kernel_rows(arrays[each.kernels], order, tiles)


def columns_of(each: Convolution, arrays: Arrays, case: Case, source: str, group: int = 0) -> Array:
    """What a group gathered (n, k, outputs) in the declared order: ``padded``, or ``columns``."""
    groups = groups_of(case.attributes)
    part = np.split(arrays[source], groups, axis=1)[group]
    if source.endswith("columns"):
        channels, *sides = arrays[each.kernels].shape[1:]
        gathered = part
        if case.attributes["im2col"] == "uvc":
            turned = gathered.reshape(len(gathered), sides[0] * sides[1], channels, -1)
            gathered = turned.swapaxes(1, 2).reshape(gathered.shape)
    else:
        gathered = to_columns(part, geometry(each, arrays, case.attributes), "cuv")
    return gathered[:, taps_in_order(each, arrays, case)]


def accumulated(
    each: Convolution,
    case: Case,
    arrays: Arrays,
    source: str,
    taps: int | None = None,
    *,
    backwards: bool = False,
) -> Stages:
    """Stages of the sum over the first ``taps`` taps, or all: its passes, and the accumulator.

    ``backwards`` sums floats from the last tap to the first.
    """
    rows = rows_of(each, arrays, case)[:, :taps]
    output = geometry(each, arrays, case.attributes).output
    shape = (len(arrays[source]), len(rows), *output)
    parts = []
    for group in range(groups_of(case.attributes)):
        own = outputs_of(group, len(rows), case)
        columns = columns_of(each, arrays, case, source, group)[:, :taps]
        if backwards:
            rows_own, columns = rows[own][:, ::-1], columns[:, ::-1]
        else:
            rows_own = rows[own]
        parts.append(_one_by_one(each, case, arrays, (rows_own, columns), own))
    return {
        name: np.concatenate([part[name] for part in parts], axis=1).reshape(shape)
        for name in parts[0]
        if name == "accumulator" or name.startswith("partial_")
    }


def outputs_of(group: int, outputs: int, case: Case) -> slice:
    """The output channels of a group."""
    many = outputs // groups_of(case.attributes)
    return slice(group * many, (group + 1) * many)


def _one_by_one(
    each: Convolution, case: Case, arrays: Arrays, of: tuple[Array, Array], outputs: slice
) -> Stages:
    """Stages of the 1×1 convolution of rows (o, k) and columns (n, k, p)."""
    rows, columns = of
    tensors = {"w": rows[:, :, None, None], "x": columns[:, :, None, :]}
    attributes = without_groups({**case.attributes, **ONE})
    if is_integer(case):
        group = (outputs.start or 0) * groups_of(case.attributes) // len(arrays[each.kernels])
        zeros = np.split(zeros_of(each, arrays, case.attributes), groups_of(case.attributes))[group]
        per_tap = np.repeat(zeros, rows_taps(each, arrays))[taps_in_order(each, arrays, case)]
        centred = integers_of(tensors["x"]) - per_tap[: rows.shape[1], None, None]
        return summed(centred.astype(np.int32), tensors, attributes)
    if each.bias in arrays:
        tensors["b"] = arrays[each.bias][outputs]
    return PIPELINES["conv2d", case.arithmetic](tensors, attributes)


def sums_by_tap(each: Convolution, case: Case, arrays: Arrays, index: tuple[int, ...]) -> Array:
    """The accumulator of one output (n, o, i, j) after each tap, in the declared order.

    Lanes that are added to each other first, or cut to one exponent, show one sum a group: the taps
    of a group all have it.
    """
    n, o, i, j = index
    width = geometry(each, arrays, case.attributes).output[1]
    rows = rows_of(each, arrays, case)[o : o + 1]
    source = f"{each.prefix}padded"
    pixel = i * width + j
    group = o * groups_of(case.attributes) // len(arrays[each.kernels])
    columns = columns_of(each, arrays, case, source, group)[n : n + 1, :, pixel : pixel + 1]
    record = "accumulator" if is_integer(case) else "accumulation"
    declared = dict(case.attributes.get(record, {}))
    group = declared.get("lanes", 1) if declared.get("pass_terms", 0) == 0 else 0
    if group:
        declared["pass_terms"] = group
    one = replace(case, attributes={**case.attributes, record: declared})
    shown = _one_by_one(each, one, arrays, (rows, columns), slice(o, o + 1))
    passes = [shown[name] for name in shown if name.startswith("partial_")]
    found = [each.reshape(-1)[0] for each in passes or [shown["accumulator"]]]
    size = group or declared["pass_terms"]
    return np.array([found[min(k // size, len(found) - 1)] for k in range(rows.shape[1])])


def tiles(each: Convolution, case: Case, arrays: Arrays, source: str) -> Iterator[Array]:
    """The accumulator after each K tile of ``k_tile`` taps; the last may be ragged."""
    taps, size = arrays[each.kernels][0].size, case.attributes["k_tile"]
    for end in (*range(size, taps, size), taps):
        yield accumulated(each, case, arrays, source, end)["accumulator"]


def rows_taps(each: Convolution, arrays: Arrays) -> int:
    """Taps of a kernel for one channel."""
    height, width = arrays[each.kernels].shape[2:]
    return int(height * width)
