"""When each unit of a machine does what for a layer: the tile schedule as events, cycle by cycle.

The clock starts at 0 with the first primitive of a layer and ends at its cycles. A convolution is
told tile by tile, from the same ``hwsim.schedule.steps`` that its duration is summed from: in phase
i the array computes tile i while the channel loads tile i + 1 and stores tile i − 1, but for an
operand whose buffer has one half only, which is loaded before tile i, or stored after it, while
nothing else happens. What is no tiled convolution (vector work, copies, products per pixel) is one
event per part of its cycles. A layer of more tiles than asked for is told up to there, and the rest
as one event, so that the end is where the estimate has it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from hwsim.evaluate import LayerCost, PrimitiveCost
from hwsim.machine import OPERANDS, Machine
from hwsim.schedule import Steps, steps
from hwsim.tiling import pieces
from hwsim.workload import Convolution

ARRAY, CHANNEL, VECTOR, MOVER = "array", "DRAM channel", "vector unit", "data mover"
TRACKS = (ARRAY, CHANNEL, VECTOR, MOVER)
"""Units that events lie on."""
MOST_TILES = 20_000
"""Tiles of a convolution that are told one by one unless asked otherwise: ours."""
_PARTS = {
    "vector": VECTOR,
    "movement": MOVER,
}


class Event(NamedTuple):
    """``track`` is busy with ``name`` from ``start`` on for so many cycles; ``part`` of the budget.

    ``part`` is empty where the event lies beside another one and adds nothing to the total.
    """

    track: str
    name: str
    start: int
    cycles: int
    primitive: str
    part: str = ""

    @property
    def end(self) -> int:
        """The cycle after the last one."""
        return self.start + self.cycles


def timeline(
    layer: LayerCost, machine: Machine, *, most_tiles: int = MOST_TILES
) -> tuple[Event, ...]:
    """Events of a layer in order of their start; the last one ends at the layer's cycles."""
    events: list[Event] = []
    now = 0
    for each in layer.primitives:
        told = list(_events(each, machine, now, most_tiles))
        events += told
        now += each.cost.cycles
    return tuple(sorted(events, key=lambda event: (event.start, TRACKS.index(event.track))))


def _events(each: PrimitiveCost, machine: Machine, now: int, most: int) -> Iterator[Event]:
    work, cost = each.primitive, each.cost
    if isinstance(work, Convolution) and each.tiling is not None:
        parts = pieces(work, each.tiling)
        tiles = steps(work, parts, each.tiling.order, machine)
        yield from _tiles(tiles, work, machine, (now, now + cost.cycles), most)
        return
    if cost.hidden_vector_cycles:
        start = max(0, now - cost.hidden_vector_cycles)
        yield Event(VECTOR, "under the array", start, now - start, work.label)
    for part, cycles in cost.budget.items():
        if cycles:
            track = CHANNEL if part.endswith("stall") else _PARTS.get(part, ARRAY)
            yield Event(track, part.replace("_", " "), now, cycles, work.label, part)
            now += cycles


def _tiles(
    tiles: Steps, conv: Convolution, machine: Machine, span: tuple[int, int], most: int
) -> Iterator[Event]:
    """Phase by phase, group after group; what is beyond ``most`` tiles as one event."""
    now, end = span
    label, many = conv.label, len(tiles.compute)
    beside = {name: name in machine.buffers.doubled for name in OPERANDS}
    moves = {"ifmap": tiles.ifmap, "filter": tiles.filter, "ofmap": tiles.store}

    def transfers(tile: int, names: tuple[str, ...], at: int, *, wanted: bool) -> Iterator[Event]:
        """One after another on the channel, of the operands that do or do not overlap."""
        for name in names:
            cycles = int(moves[name][tile % many])
            if cycles and beside[name] is wanted:
                verb = "store" if name == "ofmap" else "load"
                yield Event(CHANNEL, f"{verb} {name} {tile}", at, cycles, label)
                at += cycles

    def after(events: list[Event], at: int) -> int:
        return events[-1].end if events else at

    inputs, total = ("ifmap", "filter"), many * conv.groups
    told = list(transfers(0, inputs, now, wanted=True))
    yield from told
    waited, now = now, after(told, now)
    for tile in range(min(total, most)):
        before = list(transfers(tile, inputs, now, wanted=False))
        yield from before
        now = after(before, now)
        if now > waited:
            yield Event(ARRAY, "waits", waited, now - waited, label, "stall")
        cycles = int(tiles.compute[tile % many])
        yield Event(ARRAY, f"tile {tile}", now, cycles, label, "array")
        meanwhile = list(transfers(tile + 1, inputs, now, wanted=True)) if tile + 1 < total else []
        if tile:
            meanwhile += transfers(tile - 1, ("ofmap",), after(meanwhile, now), wanted=True)
        yield from meanwhile
        waited = now + cycles
        now = max(waited, after(meanwhile, now))
        left = list(transfers(tile, ("ofmap",), now, wanted=False))
        yield from left
        now = after(left, now)
    if total > most:
        yield Event(ARRAY, f"{total - most} more tiles", now, end - now, label, "rest")
        return
    last = list(transfers(total - 1, ("ofmap",), now, wanted=True))
    yield from last
    now = after(last, now)
    if now > waited:
        yield Event(ARRAY, "waits", waited, now - waited, label, "stall")
