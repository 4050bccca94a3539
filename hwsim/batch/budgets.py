"""Budgets and traffic of pairs of a layer and a machine, by columns.

The same sums as ``hwsim.search.run`` takes for one pair: array cycles by ``hwsim.cycles``, waiting
by ``hwsim.uniform``, under the mapping of ``hwsim.heuristic``.
"""

from typing import Any, NamedTuple

import numpy as np

from hwsim.batch.mapping import Bools, Tiles, band_rows, tiles
from hwsim.batch.tables import (
    ADDER_TREES,
    CUBE,
    OUTER_PRODUCT,
    ROW_STATIONARY,
    SYSTOLIC,
    Ints,
    LayerTable,
    MachineTable,
)
from hwsim.cycles.adder_tree import adder_tree_cycles
from hwsim.cycles.cube import cube_cycles
from hwsim.cycles.fed import Feed, fed_cycles, pace
from hwsim.cycles.outer_product import outer_product_cycles
from hwsim.cycles.row_stationary import (
    Files,
    Shape,
    Wires,
    fitting_mapping,
    mappable,
    row_stationary_cost,
)
from hwsim.cycles.systolic import ArrayCycles, overlapped_cycles, serial_cycles
from hwsim.integers import ceil_div
from hwsim.machine import OPERANDS
from hwsim.uniform import Again, Cuts, Doubled, Times, reads, total_cycles

CHUNK = 1 << 13
"""Pairs worked on at once: ours, so that their columns stay in a core's cache."""
Columns = dict[str, Ints]
FREE = -1
"""In place of a rate that nothing waits for."""
PARTS = ("bytes", "above", "below")


class Budgets(NamedTuple):
    """Per pair: the parts of its cycles, bytes through DRAM, and whether a tile fits at all.

    Where ``fits`` is false everything else is zero.
    """

    compute_cycles: Ints
    fragmentation_cycles: Ints
    fill_drain_cycles: Ints
    buffer_stall_cycles: Ints
    l2_stall_cycles: Ints
    stall_cycles: Ints
    ifmap_bytes: Ints
    filter_bytes: Ints
    ofmap_bytes: Ints
    macs: Ints
    fits: Bools

    @property
    def cycles(self) -> Ints:
        """Total cycles: the sum of the six parts."""
        return self[0] + self[1] + self[2] + self[3] + self[4] + self[5]

    @property
    def dram_bytes(self) -> Ints:
        """Bytes of all operands."""
        return self.ifmap_bytes + self.filter_bytes + self.ofmap_bytes


def evaluate(layers: LayerTable, machines: MachineTable, layer: Ints, machine: Ints) -> Budgets:
    """Budget of each pair of a row of ``layers`` and one of ``machines``, as many of both."""
    if layer.shape != machine.shape or layer.ndim != 1:
        raise ValueError(
            f"layer and machine must be rows of equal length, not {layer.shape} and {machine.shape}"
        )
    counts = [np.zeros(len(layer), np.int64) for _ in Budgets._fields[:-1]]
    out = Budgets._make([*counts, np.zeros(len(layer), bool)])
    kinds = machines.columns["kind"][machine]
    for kind in np.unique(kinds):
        where = np.flatnonzero(kinds == kind)
        for first in range(0, len(where), CHUNK):
            part = where[first : first + CHUNK]
            columns = (layers.rows(layer[part]), machines.rows(machine[part]))
            cut = tiles(*columns, layers.divisors)
            for column, values in zip(out, budgets(*columns, cut, kind), strict=True):
                column[part] = values
    return out


def budgets(layer: Columns, machine: Columns, cut: Tiles, kind: int) -> Budgets:
    """Budget of each pair when its layer is cut in that way; all machines are of one kind."""
    tile = array_cycles(layer, machine, cut, kind)
    cuts = Cuts(layer["groups"], cut.batches, cut.bands, cut.outs, cut.slices, cut.filter_outer)
    level = machine if (machine["l2_above"] > 0).any() else None
    doubled = Doubled._make(machine[f"doubled_{name}"] for name in OPERANDS)
    total = total_cycles(cuts, _times(layer, machine, cut, tile.total, level), doubled)
    late: Ints | int = 0
    if level is not None:
        free = {**level, "l2_above": np.where(level["l2_above"] > 0, FREE, 0)}
        late = total - total_cycles(cuts, _times(layer, machine, cut, tile.total, free), doubled)
    count = layer["groups"] * cut.batches * cut.bands * cut.outs * cut.slices
    busy, streamed, waiting = (count * each for each in tile)
    ideal = np.minimum(ceil_div(layer["macs"], machine["peak"]), streamed)
    columns = (
        ideal,
        streamed - ideal,
        busy - streamed - waiting,
        waiting,
        late,
        total - busy - late,
        *_traffic(layer, machine, cut, cuts),
        layer["macs"],
    )
    fits = cut.fits & (tile.streamed > 0)
    return Budgets._make([*(column * fits for column in columns), fits])


def array_cycles(layer: Columns, machine: Columns, cut: Tiles, kind: int) -> ArrayCycles:
    """The array's cycles for one tile of each pair."""
    pixels = cut.images * cut.rows * layer["out_width"]
    depth = cut.channels * layer["taps"]
    if kind == SYSTOLIC:
        return _systolic(machine, pixels, cut.outputs, depth)
    if kind == CUBE:
        sides = (machine["a"], machine["b"], machine["c"])
        waits = {"left": machine["d"], "right": machine["e"], "sums": machine["f"]}
        return cube_cycles((pixels, cut.outputs, depth), sides, **waits)
    if kind == OUTER_PRODUCT:
        sides = (machine["a"], machine["b"], machine["c"])
        double = machine["d"] > 0
        return outer_product_cycles(
            (pixels, cut.outputs, depth), sides, _feed(machine), double=double
        )
    if kind == ROW_STATIONARY:
        return _row_stationary(layer, machine, cut)
    assert kind == ADDER_TREES  # noqa: S101 - there are five kinds
    quick = (machine["d"] > 0) & (layer["winograd"] > 0)
    quads = cut.images * ((cut.rows + 1) // 2) * ((layer["out_width"] + 1) // 2)
    return adder_tree_cycles(
        np.where(quick, quads, pixels),
        cut.outputs,
        cut.channels,
        np.where(quick, 16, layer["taps"]),
        machine["a"],
        machine["b"],
        load=machine["c"],
    )


def _systolic(machine: Columns, m: Ints, n: Ints, k: Ints) -> ArrayCycles:
    """Cycles of m × n × k; column ``c`` says what streams: 0 for k, 1 for m, 2 for n."""
    streams_k, streams_m = machine["c"] == 0, machine["c"] == 1
    rows = np.where(streams_k, m, k)
    cols = np.where(streams_k | streams_m, n, m)
    depth = np.where(streams_k, k, np.where(streams_m, m, n))
    sides = (rows, cols, machine["a"], machine["b"], depth)
    overlapped, double = machine["d"] > 0, machine["e"] > 0
    folds = ceil_div(rows, machine["a"]) * ceil_div(cols, machine["b"])
    preloads = double & ~streams_k
    if not overlapped.any():
        total = serial_cycles(*sides, preloads=preloads)
    else:
        total = overlapped_cycles(*sides, double=double, drains=streams_k)
        if not overlapped.all():
            total = np.where(overlapped, total, serial_cycles(*sides, preloads=preloads))
    if not machine["fed"].any():
        return ArrayCycles(total, folds * depth, 0)
    feed = _feed(machine)
    serial = fed_cycles(*sides, feed, preloads=preloads, drains=streams_k)
    fed = np.where(overlapped, total * pace(*sides[:4], feed), serial)
    fed = np.where(machine["fed"] > 0, fed, total)
    return ArrayCycles(fed, folds * depth, fed - total)


def _feed(machine: Columns) -> Feed:
    """The wires at the edges of a grid."""
    wires = [[machine[f"{name}_{part}"] for part in PARTS] for name in Feed._fields]
    return Feed._make(map(tuple, wires))


def _row_stationary(layer: Columns, machine: Columns, cut: Tiles) -> ArrayCycles:
    """Cycles under the mapping of ``fitting_mapping``; a kernel that has none takes no cycles."""
    shape = Shape(
        N=cut.images,
        M=cut.outputs,
        C=cut.channels,
        R=layer["kernel_h"],
        S=layer["kernel_w"],
        E=cut.rows,
        F=layer["out_width"],
        U=layer["stride"],
        W=layer["width"],
    )
    files = Files(*(machine[name] for name in "abcde"))
    mapping = fitting_mapping(shape, files)
    cost = row_stationary_cost(shape, mapping, Wires(machine["f"], machine["g"]))
    possible = mappable(shape, files)
    return ArrayCycles(*(n * possible for n in (cost.total, cost.compute, cost.waiting)))


def _times(
    layer: Columns, machine: Columns, cut: Tiles, compute: Any, level: Columns | None
) -> Times:
    """Cycles of every transfer; ``level`` has the second level's rates, if there is one."""
    across = layer["width"] * cut.channels
    middle = cut.images * band_rows(layer, cut.rows)
    alone = cut.bands == 1
    first = middle - cut.images * np.where(alone, layer["lost"], layer["lost_first"])
    last = middle - cut.images * (layer["lost"] - layer["lost_first"])
    stored = cut.images * cut.rows * layer["out_width"] * cut.outputs
    weights = cut.outputs * cut.channels * layer["taps"]
    loads = (first * across, middle * across, last * across, weights)
    moved = [_transfer(numbers, machine, level) for numbers in (*loads, stored)]
    if level is None:
        return Times._make((*moved, compute, None))
    kept = _kept(layer, machine)
    again = [
        np.where(kept, _passing(numbers, machine, level), cycles)
        for numbers, cycles in zip(loads, moved, strict=False)
    ]
    return Times._make((*moved, compute, Again._make(again)))


def _transfer(numbers: Ints, machine: Columns, level: Columns | None) -> Ints:
    """Cycles of one transfer of so many numbers; none for none."""
    moved = ceil_div(numbers * machine["operand_bytes"], machine["burst"]) * machine["burst"]
    cycles = ceil_div(moved * machine["rate_below"], machine["rate_above"])
    if level is not None:
        cycles = np.maximum(cycles, _passing(numbers, machine, level))
    return (cycles + machine["latency"]) * (numbers > 0)


def _passing(numbers: Ints, machine: Columns, level: Columns) -> Ints:
    """Cycles that numbers take through the second level; none where there is none, or free."""
    above = level["l2_above"]
    cycles = ceil_div(numbers * machine["operand_bytes"] * level["l2_below"], np.maximum(above, 1))
    return cycles * ((above > 0) & (above != FREE))


def _kept(layer: Columns, machine: Columns) -> Any:
    """Where the second level holds all that a group of the layer reads."""
    return layer["group_numbers"] * machine["operand_bytes"] <= machine["l2_held"]


def _traffic(layer: Columns, machine: Columns, cut: Tiles, cuts: Cuts) -> tuple[Ints, Ints, Ints]:
    """Bytes of ifmap, filter and ofmap through DRAM."""
    width, groups = machine["operand_bytes"], layer["groups"]
    ifmap_reads, filter_reads = reads(cuts)
    if (machine["l2_held"] > 0).any():
        kept = _kept(layer, machine)
        ifmap_reads, filter_reads = (np.where(kept, 1, n) for n in (ifmap_reads, filter_reads))
    lines = cut.batches * cut.images * (cut.bands * band_rows(layer, cut.rows) - layer["lost"])
    image = lines * layer["width"] * layer["ins"] * groups
    weights = layer["outs"] * layer["ins"] * layer["taps"] * groups
    results = layer["batch"] * layer["out_height"] * layer["out_width"] * layer["outs"] * groups
    return ifmap_reads * image * width, filter_reads * weights * width, results * width
