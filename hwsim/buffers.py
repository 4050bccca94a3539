"""Buffers and DRAM, step by step: slow, literal, and the judge of ``traffic`` and ``schedule``.

``walk`` goes through the tiles of a convolution one by one. It finds the input rows of a tile by
asking every output row and every kernel tap which row it touches, remembers which tile each buffer
holds, and fetches byte counts when another is needed. ``play`` then lets time pass one cycle at a
time: a DRAM channel with a latency counter and a byte counter, and an array with a cycle counter.

The array's cycles per tile are asked of the caller, so that nothing here knows a formula.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from hwsim.machine import Dram, Machine
from hwsim.tiling import Tiling
from hwsim.workload import Convolution


class Step(NamedTuple):
    """One tile: bytes fetched before it, cycles on the array, bytes written after it."""

    ifmap_bytes: int
    filter_bytes: int
    compute_cycles: int
    ofmap_bytes: int


def walk(
    conv: Convolution, tiling: Tiling, machine: Machine, tile_cycles: Callable[[int, int, int], int]
) -> list[Step]:
    """Steps of a tiled convolution; ``tile_cycles(m, n, k)`` says what a matrix product takes."""
    held: dict[str, object] = {}
    steps = []
    ins = conv.in_channels // conv.groups
    for band, outs, parts, group in _tiles(conv, tiling):
        rows = {(image, row) for image, line in band for row in _input_rows(conv, line)}
        inputs = len(rows) * conv.width * len(parts)
        weights = len(outs) * len(parts) * conv.kernel_h * conv.kernel_w
        results = len(band) * conv.out_width * len(outs) if parts.stop == ins else 0
        depth = len(parts) * conv.kernel_h * conv.kernel_w
        steps.append(
            Step(
                _fetch(held, "ifmap", (group, band, parts), inputs) * machine.operand_bytes,
                _fetch(held, "filter", (group, outs, parts), weights) * machine.operand_bytes,
                tile_cycles(len(band) * conv.out_width, len(outs), depth),
                results * machine.operand_bytes,
            )
        )
    return steps


def play(steps: list[Step], machine: Machine) -> int:
    """Cycles until the last byte of the last result is written, counted one by one."""
    if not machine.buffers.double_buffered:
        return sum(
            _run_phase([step.ifmap_bytes, step.filter_bytes], 0, machine.dram)
            + _run_phase([], step.compute_cycles, machine.dram)
            + _run_phase([step.ofmap_bytes], 0, machine.dram)
            for step in steps
        )
    cycles = 0
    for phase in range(-1, len(steps) + 1):
        transfers: list[int] = []
        if phase + 1 < len(steps):
            transfers += [steps[phase + 1].ifmap_bytes, steps[phase + 1].filter_bytes]
        if phase >= 1:
            transfers.append(steps[phase - 1].ofmap_bytes)
        computing = steps[phase].compute_cycles if 0 <= phase < len(steps) else 0
        cycles += _run_phase(transfers, computing, machine.dram)
    return cycles


def _tiles(
    conv: Convolution, tiling: Tiling
) -> Iterator[tuple[tuple[tuple[int, int], ...], range, range, int]]:
    """Yield (image, output row) pairs, output channels, input channels and group of each tile."""
    bands = [
        tuple((image, row) for image in images for row in rows)
        for images in _ranges(conv.batch, tiling.images)
        for rows in _ranges(conv.out_height, tiling.rows)
    ]
    outs = _ranges(conv.out_channels // conv.groups, tiling.out_channels)
    outer = (
        [(band, out) for band in bands for out in outs]
        if tiling.order == "ifmap-outer"
        else [(band, out) for out in outs for band in bands]
    )
    for group in range(conv.groups):
        for band, out in outer:
            for parts in _ranges(conv.in_channels // conv.groups, tiling.in_channels):
                yield band, out, parts, group


def _ranges(total: int, size: int) -> list[range]:
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def _input_rows(conv: Convolution, line: int) -> Iterator[int]:
    """Input rows between the first and the last tap of one output row, padding left out."""
    taps = [line * conv.stride + tap * conv.dilation for tap in range(conv.kernel_h)]
    for padded in range(taps[0], taps[-1] + 1):
        if 0 <= padded - conv.padding < conv.height:
            yield padded - conv.padding


def _fetch(held: dict[str, object], buffer: str, tile: object, size: int) -> int:
    """Size to fetch: none if the buffer holds that very tile already."""
    if held.get(buffer) == tile:
        return 0
    held[buffer] = tile
    return size


def _run_phase(transfers: list[int], computing: int, dram: Dram) -> int:
    """Cycles until the channel has moved everything and the array is done."""
    queue = [len(range(0, size, dram.burst_bytes)) * dram.burst_bytes for size in transfers if size]
    waited, moved = 0, Fraction(0)
    cycles = 0
    while queue or computing:
        cycles += 1
        computing -= bool(computing)
        if queue and waited < dram.latency_cycles:
            waited += 1
        elif queue:
            moved += dram.bytes_per_cycle
            if moved >= queue[0]:
                queue.pop(0)
                waited, moved = 0, Fraction(0)
    return cycles
