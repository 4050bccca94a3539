"""``hwsim.heuristic`` on columns: the same rule, a divisor at a time looked up in a table."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.batch.tables import Ints

Bools: TypeAlias = NDArray[np.bool_]


class Tiles(NamedTuple):
    """Sizes of a tile, how many there are along each axis, and the loop order; by columns.

    ``fits`` is false where not even the smallest tile does; the rest is then meaningless.
    """

    images: Ints
    rows: Ints
    outputs: Ints
    channels: Ints
    batches: Ints
    bands: Ints
    outs: Ints
    slices: Ints
    filter_outer: Bools
    fits: Bools


def tiles(layer: dict[str, Ints], machine: dict[str, Ints], divisors: Ints) -> Tiles:
    """Tiles of every pair of a layer and a machine."""
    channels = _channels(layer, machine, divisors)
    known = np.maximum(channels, 1)
    outputs = _outputs(layer, machine, known, divisors)
    fits = (channels > 0) & (outputs > 0)
    outputs = np.maximum(outputs, 1)
    rows, images = _pixels(layer, machine, known, outputs, divisors)
    batches, bands = layer["batch"] // images, layer["out_height"] // rows
    outs, slices = layer["outs"] // outputs, layer["ins"] // known
    image = batches * bands * images * band_rows(layer, rows) * layer["width"] * layer["ins"]
    image *= layer["groups"]
    weights = layer["outs"] * layer["groups"] * layer["taps"] * layer["ins"]
    pieces, whole = batches * bands, slices == 1
    ifmap_outer = image * np.where(whole, 1, outs)
    ifmap_outer += weights * np.where(whole & (outs == 1), 1, pieces)
    filter_outer = image * np.where(whole & (pieces == 1), 1, outs)
    filter_outer += weights * np.where(whole, 1, pieces)
    chosen = filter_outer < ifmap_outer
    return Tiles(images, rows, outputs, known, batches, bands, outs, slices, chosen, fits)


def band_rows(layer: dict[str, Ints], rows: Ints) -> Ints:
    """Input rows of a band, those of padding included."""
    extent, stride = layer["extent"], layer["stride"]
    return np.where(extent >= stride, (rows - 1) * stride + extent, rows * extent)


def _channels(layer: dict[str, Ints], machine: dict[str, Ints], divisors: Ints) -> Ints:
    line = layer["fewest_lines"] * layer["width"]
    by_ifmap = machine["room_ifmap"] // line
    per_tap = machine["room_filter"] // layer["taps"]
    step = np.minimum(layer["outs"], machine["out_step"])
    wide = _largest(divisors, layer["of_ins"], layer["ins"], np.minimum(by_ifmap, per_tap // step))
    narrow = _largest(divisors, layer["of_ins"], layer["ins"], np.minimum(by_ifmap, per_tap))
    return np.where(wide > 0, wide, narrow)


def _outputs(
    layer: dict[str, Ints], machine: dict[str, Ints], channels: Ints, divisors: Ints
) -> Ints:
    square = np.maximum(machine["out_step"], machine["room_side"])
    by_filter = machine["room_filter"] // (channels * layer["taps"])
    by_sums = machine["room_ofmap"] // (layer["fewest"] * layer["out_width"])
    most = np.minimum(square, np.minimum(by_filter, by_sums))
    return _largest(divisors, layer["of_outs"], layer["outs"], most)


def _pixels(
    layer: dict[str, Ints], machine: dict[str, Ints], channels: Ints, outputs: Ints, divisors: Ints
) -> tuple[Ints, Ints]:
    lines = machine["room_ifmap"] // (layer["width"] * channels)
    extent, stride = layer["extent"], layer["stride"]
    dense = extent >= stride
    apart = np.where(dense, stride, extent)
    by_ifmap = (lines - np.where(dense, extent, 0)) // apart + dense
    by_sums = machine["room_ofmap"] // (layer["out_width"] * outputs)
    most = np.minimum(by_ifmap, by_sums)
    found = _largest(divisors, layer["of_rows"], layer["out_height"], most)
    rows = np.maximum(layer["fewest"], found)
    by_lines = lines // band_rows(layer, rows)
    most = np.minimum(by_lines, by_sums // rows)
    images = _largest(divisors, layer["of_batch"], layer["batch"], most)
    return rows, np.where(rows < layer["out_height"], 1, np.maximum(images, 1))


def _largest(divisors: Ints, offset: Ints, whole: Ints, most: Ints) -> Ints:
    """The largest divisor of ``whole`` that is at most ``most``, 0 if that is below one."""
    return divisors[offset + np.clip(most, 0, whole)]
