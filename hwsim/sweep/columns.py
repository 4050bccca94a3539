"""A stretch of a sweep's points as columns: what each takes, and where that goes.

The numbers are those of ``hwsim.batch``: the fixed mapping of ``hwsim.heuristic``, no search. Where
a machine cannot hold one tile of a layer, ``fits`` is false and the numbers are zero.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.batch import evaluate, layer_table, machine_table
from hwsim.sweep.plan import Plan

BUDGET = (
    "compute_cycles",
    "fragmentation_cycles",
    "fill_drain_cycles",
    "buffer_stall_cycles",
    "l2_stall_cycles",
    "stall_cycles",
)
BYTES = ("ifmap_bytes", "filter_bytes", "ofmap_bytes")
NAMES = ("network", "stage", "form", "layer", "primitive")


class Coded(NamedTuple):
    """A column with few different values: which one each row has, and what they are."""

    codes: NDArray[np.int64]
    values: list[Any]


Column: TypeAlias = NDArray[Any] | Coded


def columns(asked: Plan, first: int, last: int) -> dict[str, Column]:
    """Columns of the points first ≤ p < last: numbers, and names and varied values as codes."""
    point = np.arange(first, last, dtype=np.int64)
    machine, layer = np.divmod(point, len(asked.layers))
    numbers = np.unique(machine)
    units = [asked.machine(int(number)) for number in numbers]
    row = machine - (numbers[0] if len(numbers) else 0)
    table = layer_table([each.conv for each in asked.layers])
    found = evaluate(table, machine_table(units), layer, row)
    peak = np.array([unit.array.macs_per_cycle for unit in units])[row]
    rate = np.array([float(unit.dram.bytes_per_cycle) for unit in units])[row]
    clock = np.array([unit.clock_hz for unit in units])[row]
    cycles = found.cycles
    busy = np.where(cycles > 0, cycles, 1)
    values = [asked.values_of(int(number)) for number in numbers]
    return {
        "point": point,
        "machine": Coded(row, [unit.name for unit in units]),
        **{
            key: Coded(row, [_plain(each[at]) for each in values])
            for at, key in enumerate(asked.keys)
        },
        **{name: Coded(layer, [getattr(p, name) for p in asked.layers]) for name in NAMES},
        "batch": np.array([each.batch for each in asked.layers], np.int64)[layer],
        "fits": found.fits,
        "macs": found.macs,
        "cycles": cycles,
        **{name: getattr(found, name) for name in BUDGET},
        "utilisation": found.macs / (busy * peak),
        "seconds": cycles / clock,
        "dram_bytes": found.dram_bytes,
        **{name: getattr(found, name) for name in BYTES},
        "peak_macs_per_cycle": peak,
        "dram_bytes_per_cycle": rate,
    }


def _plain(value: Any) -> Any:
    """A value as a column holds it: a fraction is text, so that it stays exact."""
    return value if isinstance(value, bool | int | str) else str(value)
