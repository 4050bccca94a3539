"""Layers and machines as columns of int64 numbers, one row each.

What depends on a layer alone is worked out here once, by the same functions that the model of one
layer uses: rows that padding saves, and the largest divisor below any number, for every axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.cycles.fed import FREE, Feed
from hwsim.cycles.tile import cube_waits, feed_of, files_of, tree_load, wires_of
from hwsim.dataflow import DATAFLOWS
from hwsim.heuristic import band_rows, fewest_rows, room_of
from hwsim.machine import OPERANDS, AdderTrees, Array, Cube, Machine, OuterProduct
from hwsim.tiling import rows_touched
from hwsim.workload import Convolution

Ints: TypeAlias = NDArray[np.int64]
LONGEST_AXIS = 2**24
"""Axes must be no longer than this: ours, so that tables of divisors stay small."""
MOST_MACS = 2**44
"""Products that a layer may have: ours, so that no sum of cycles leaves 64 bits."""
LARGEST_RATE = 2**30
LARGEST_PART = 2**16
"""Numerator and denominator of a rate: ours, for the same reason."""
SYSTOLIC, CUBE, ADDER_TREES, ROW_STATIONARY, OUTER_PRODUCT = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTable:
    """Columns by name, and for every axis a table of the largest divisor not above a number."""

    columns: dict[str, Ints]
    divisors: Ints

    def __len__(self) -> int:
        return len(self.columns["batch"])

    def rows(self, index: Ints) -> dict[str, Ints]:
        """Columns of the numbered rows."""
        return {name: column[index] for name, column in self.columns.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineTable:
    """Columns by name."""

    columns: dict[str, Ints]

    def __len__(self) -> int:
        return len(self.columns["kind"])

    def rows(self, index: Ints) -> dict[str, Ints]:
        """Columns of the numbered rows."""
        return {name: column[index] for name, column in self.columns.items()}


def layer_table(convs: Sequence[Convolution]) -> LayerTable:
    """Columns of some convolutions; ``ValueError`` for one too large to be counted in 64 bits."""
    tables = _Divisors()
    rows = [_layer_row(conv, tables) for conv in convs]
    return LayerTable(columns=_columns(rows), divisors=tables.joined())


def machine_table(machines: Sequence[Machine]) -> MachineTable:
    """Columns of some machines; ``ValueError`` for a rate with too large a term."""
    return MachineTable(columns=_columns([_machine_row(machine) for machine in machines]))


def too_large(conv: Convolution) -> bool:
    """Whether a convolution has an axis, or as many products, that columns do not hold."""
    axes = (conv.batch, conv.in_channels, conv.height, conv.width, conv.out_channels)
    return max(axes) > LONGEST_AXIS or conv.macs > MOST_MACS


class _Divisors:
    """Tables of the largest divisor not above 0, 1, 2 …, one after another."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.tables: list[Ints] = []
        self.length = 0

    def offset(self, whole: int) -> int:
        """Where the table of ``whole`` begins."""
        if whole not in self.offsets:
            self.offsets[whole] = self.length
            self.tables.append(_largest_divisors(whole))
            self.length += whole + 1
        return self.offsets[whole]

    def joined(self) -> Ints:
        return np.concatenate(self.tables) if self.tables else np.zeros(0, np.int64)


def _largest_divisors(whole: int) -> Ints:
    sizes = np.arange(whole + 1)
    divides = np.zeros(whole + 1, bool)
    divides[1:] = whole % sizes[1:] == 0
    return np.maximum.accumulate(np.where(divides, sizes, 0))


def _layer_row(conv: Convolution, tables: _Divisors) -> dict[str, int]:
    if too_large(conv):
        raise ValueError(
            f"{conv.label} must have no axis longer than {LONGEST_AXIS} and at most {MOST_MACS} "
            f"MACs, not {conv.batch} x {conv.in_channels}x{conv.height}x{conv.width} to "
            f"{conv.out_channels} channels and {conv.macs} MACs"
        )
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    extent = conv.dilation * (conv.kernel_h - 1) + 1
    fewest = fewest_rows(conv)
    whole = band_rows(conv, conv.out_height)
    above = replace(conv, height=conv.height + conv.padding)  # no window reaches below this image
    return {
        "batch": conv.batch,
        "ins": ins,
        "outs": outs,
        "groups": conv.groups,
        "width": conv.width,
        "out_height": conv.out_height,
        "out_width": conv.out_width,
        "taps": conv.taps,
        "group_numbers": conv.batch * conv.height * conv.width * ins + outs * ins * conv.taps,
        "kernel_h": conv.kernel_h,
        "kernel_w": conv.kernel_w,
        "winograd": int(
            (conv.kernel_h, conv.kernel_w, conv.stride, conv.stride_across) == (3, 3, 1, 1)
        ),
        "macs": conv.macs,
        "extent": extent,
        "stride": conv.stride,
        "fewest": fewest,
        "fewest_lines": band_rows(conv, fewest),
        "lost": whole - rows_touched(conv, 0, conv.out_height),
        "lost_first": whole - rows_touched(above, 0, conv.out_height),
        "of_batch": tables.offset(conv.batch),
        "of_rows": tables.offset(conv.out_height),
        "of_ins": tables.offset(ins),
        "of_outs": tables.offset(outs),
    }


def _machine_row(machine: Machine) -> dict[str, int]:
    array, room, buffers, level = machine.array, room_of(machine), machine.buffers, machine.l2
    rate = _terms("dram.bytes_per_cycle", machine.dram.bytes_per_cycle, machine)
    share = (0, 1) if level is None else _terms("l2.bytes_per_cycle", level.share, machine)
    row = {
        "room_ifmap": room.ifmap,
        "room_filter": room.filter,
        "room_ofmap": room.ofmap,
        "room_side": isqrt(room.ofmap),
        "operand_bytes": machine.operand_bytes,
        **{f"doubled_{name}": int(name in buffers.doubled) for name in OPERANDS},
        "rate_above": rate[0],
        "rate_below": rate[1],
        "l2_above": share[0],
        "l2_below": share[1],
        "l2_held": 0 if level is None else level.held_bytes,
        "latency": machine.dram.latency_cycles,
        "burst": machine.dram.burst_bytes,
        "out_step": array.out_step,
        "peak": array.macs_per_cycle,
    }
    return row | _array_row(machine) | _feed_row(machine)


def _feed_row(machine: Machine) -> dict[str, int]:
    """What passes the edges of a grid: bytes of a number, and the rate as a fraction."""
    feed = feed_of(machine) if isinstance(machine.array, Array | OuterProduct) else None
    row = {"fed": int(feed is not None)}
    for operand, limit in zip(OPERANDS, machine.buffers.rates, strict=True):
        _terms(f"buffers.{operand}_bytes_per_cycle", limit or Fraction(0), machine)
    for name, wire in zip(Feed._fields, feed or FREE, strict=True):
        width, *rate = wire
        row |= {f"{name}_bytes": width, f"{name}_above": rate[0], f"{name}_below": rate[1]}
    return row


def _terms(what: str, rate: Fraction, machine: Machine) -> tuple[int, int]:
    """Numerator and denominator; ``ValueError`` if they are too large for sums of 64 bits."""
    if rate.numerator > LARGEST_RATE or rate.denominator > LARGEST_PART:
        raise ValueError(
            f"{what} of {machine.name} must be a fraction of at most {LARGEST_RATE} "
            f"over {LARGEST_PART}, not {rate}"
        )
    return rate.as_integer_ratio()


def _array_row(machine: Machine) -> dict[str, int]:
    """The array's kind and its numbers, called ``a`` to ``g`` for all kinds."""
    array = machine.array
    names = ("kind", "a", "b", "c", "d", "e", "f", "g")
    if isinstance(array, Array):
        flow = DATAFLOWS[machine.dataflow]
        order = {"k": 0, "m": 1, "n": 2}[flow.streamed]
        flags = (order, int(array.folds == "overlapped"), int(array.double_buffered_weights), 0, 0)
        values = (SYSTOLIC, array.rows, array.cols, *flags)
    elif isinstance(array, Cube):
        values = (CUBE, array.m, array.n, array.k, *cube_waits(array, machine), 0)
    elif isinstance(array, AdderTrees):
        load, winograd = tree_load(array, machine), int(array.winograd)
        values = (ADDER_TREES, array.inputs, array.trees, load, winograd, 0, 0, 0)
    elif isinstance(array, OuterProduct):
        double = int(array.double_buffered_sums)
        values = (OUTER_PRODUCT, array.rows, array.cols, array.rank, double, 0, 0, 0)
    else:
        values = (ROW_STATIONARY, *files_of(array), *wires_of(machine))
    return dict(zip(names, values, strict=True))


def _columns(rows: Sequence[dict[str, int]]) -> dict[str, Any]:
    if not rows:
        raise ValueError("a table must have at least one row, not none")
    return {name: np.array([row[name] for row in rows], np.int64) for name in rows[0]}
