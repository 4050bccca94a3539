"""Buffers and DRAM, step by step: slow, literal, and the judge of ``traffic`` and ``schedule``.

``walk`` goes through the tiles of a convolution one by one. It finds the input rows of a tile by
asking every output row and every kernel tap which row it touches, remembers which tile each buffer
holds, and fetches byte counts when another is needed. A second level remembers what it has passed.
``play`` then lets time pass one cycle at a time: a DRAM channel with a latency counter and a byte
counter, a second level with a byte counter, and an array with a cycle counter.

The array's cycles per tile are asked of the caller, so that nothing here knows a formula.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from hwsim.machine import Machine
from hwsim.tiling import Tiling
from hwsim.workload import Convolution


class Step(NamedTuple):
    """One tile: bytes fetched before it, cycles on the array, bytes written after it.

    ``near`` says of ifmap and filter whether the second level has that tile.
    """

    ifmap_bytes: int
    filter_bytes: int
    compute_cycles: int
    ofmap_bytes: int
    near: tuple[bool, bool] = (False, False)


def walk(
    conv: Convolution, tiling: Tiling, machine: Machine, tile_cycles: Callable[[int, int, int], int]
) -> list[Step]:
    """Steps of a tiled convolution; ``tile_cycles(m, n, k)`` says what a matrix product takes."""
    held: dict[str, object] = {}
    passed: set[object] = set()
    steps = []
    roomy = _has_room(conv, machine)
    ins = conv.in_channels // conv.groups
    for band, outs, parts, group in _tiles(conv, tiling):
        rows = {(image, row) for image, line in band for row in _input_rows(conv, line)}
        inputs = len(rows) * conv.width * len(parts)
        weights = len(outs) * len(parts) * conv.kernel_h * conv.kernel_w
        results = len(band) * conv.out_width * len(outs) if parts.stop == ins else 0
        depth = len(parts) * conv.kernel_h * conv.kernel_w
        image, kernels = ("ifmap", group, band, parts), ("filter", group, outs, parts)
        steps.append(
            Step(
                _fetch(held, image, inputs) * machine.operand_bytes,
                _fetch(held, kernels, weights) * machine.operand_bytes,
                tile_cycles(len(band) * conv.out_width, len(outs), depth),
                results * machine.operand_bytes,
                (roomy and image in passed, roomy and kernels in passed),
            )
        )
        passed |= {image, kernels}
    return steps


def play(steps: list[Step], machine: Machine) -> int:
    """Cycles until the last byte of the last result is written, counted one by one."""
    cycles = 0
    doubled = machine.buffers.doubled
    for phase in range(-1, len(steps) + 1):
        now, then = _at(steps, phase), _at(steps, phase + 1)
        loads = {
            "ifmap": (then.ifmap_bytes, then.near[0]),
            "filter": (then.filter_bytes, then.near[1]),
        }
        beside = [load for operand, load in loads.items() if operand in doubled]
        between = [load for operand, load in loads.items() if operand not in doubled]
        if "ofmap" in doubled:
            beside.append((_at(steps, phase - 1).ofmap_bytes, False))
        else:
            between.append((now.ofmap_bytes, False))
        cycles += _run_phase(beside, now.compute_cycles, machine)
        cycles += _run_phase(between, 0, machine)
    return cycles


def _at(steps: list[Step], number: int) -> Step:
    """A step, or one in which nothing happens before the first and after the last."""
    return steps[number] if 0 <= number < len(steps) else Step(0, 0, 0, 0)


def _has_room(conv: Convolution, machine: Machine) -> bool:
    """Whether a core's part of the second level holds a group's image and kernels, row by row."""
    if machine.l2 is None or machine.l2.size_bytes is None:
        return False
    ins, outs = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    numbers = sum(conv.width for _ in range(conv.batch * ins) for _ in range(conv.height))
    numbers += sum(conv.kernel_w for _ in range(outs * ins) for _ in range(conv.kernel_h))
    return numbers * machine.operand_bytes * machine.l2.cores <= machine.l2.size_bytes


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


def _fetch(held: dict[str, object], tile: tuple[str, int, object, range], size: int) -> int:
    """Size to fetch: none if the buffer holds that very tile already."""
    if held.get(tile[0]) == tile:
        return 0
    held[tile[0]] = tile
    return size


def _run_phase(transfers: list[tuple[int, bool]], computing: int, machine: Machine) -> int:
    """Cycles until everything has moved, one transfer after another, and the array is done."""
    dram, level = machine.dram, machine.l2
    queue = [(size, near) for size, near in transfers if size]
    waited, moved, passed = 0, Fraction(0), Fraction(0)
    cycles = 0
    while queue or computing:
        cycles += 1
        computing -= bool(computing)
        if not queue:
            continue
        size, near = queue[0]
        if not near and waited < dram.latency_cycles:
            waited += 1
            continue
        moved += dram.bytes_per_cycle
        passed += size if level is None else Fraction(level.bytes_per_cycle, level.cores)
        arrived = near or moved >= len(range(0, size, dram.burst_bytes)) * dram.burst_bytes
        if arrived and passed >= size:
            queue.pop(0)
            waited, moved, passed = 0, Fraction(0), Fraction(0)
    return cycles
