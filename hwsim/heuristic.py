"""A mapping without a search: O(1) per layer, the same rule for every machine.

All tiles of a layer are equal: every size divides its axis, as in the factorised mappings of
Timeloop (Parashar et al., ISPASS 2019). What is taken, in this order, each as large as still fits:

    channels   with the fewest rows, and one step of the array's output channels
    outputs    at most the side of a square tile of sums, but a step of the array
    rows       of one image; if all fit, images
    order      the one that moves fewer bytes; input channels outside if equal

The fewest rows are those that leave padding to the first and the last band alone, so that all bands
between them are equal. Buffers that operands share are cut into equal parts. Ours; the search in
``hwsim.search`` is never worse, because it tries this mapping too. ``hwsim.batch`` does the same
for arrays of layers and machines.
"""

from math import isqrt
from typing import NamedTuple

from hwsim.integers import ceil_div, divisors
from hwsim.machine import OPERANDS, Machine
from hwsim.tiling import ORDERS, Tiling, rows_touched
from hwsim.workload import Convolution


class Room(NamedTuple):
    """Numbers of each operand that one tile may have."""

    ifmap: int
    filter: int
    ofmap: int


def heuristic_tiling(conv: Convolution, machine: Machine) -> Tiling | None:
    """The rule's mapping; ``None`` if not even its smallest tile fits."""
    room = room_of(machine)
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    fewest = fewest_rows(conv)
    step = min(outs, machine.array.out_step)
    line = band_rows(conv, fewest) * conv.width
    channels = largest_divisor(ins, min(room.ifmap // line, room.filter // (step * conv.taps)))
    if not channels:
        channels = largest_divisor(ins, min(room.ifmap // line, room.filter // conv.taps))
    if not channels:
        return None
    square = max(machine.array.out_step, isqrt(room.ofmap))
    outputs = largest_divisor(
        outs,
        min(
            square,
            room.filter // (channels * conv.taps),
            room.ofmap // (fewest * conv.out_width),
        ),
    )
    if not outputs:
        return None
    rows, images = _pixels(conv, room, channels, outputs, fewest)
    tilings = [Tiling(images, rows, outputs, channels, order) for order in ORDERS]
    return min(tilings, key=lambda tiling: filter_and_ifmap_reads(conv, tiling))


def room_of(machine: Machine) -> Room:
    """Numbers per tile: a buffer, or an equal part of a shared one, halved if double-buffered."""
    buffers = machine.buffers
    parts = [getattr(buffers, f"{operand}_bytes") for operand in OPERANDS]
    if buffers.shared_bytes is not None:
        share = buffers.shared_bytes // len(buffers.shared)
        pairs = zip(OPERANDS, parts, strict=True)
        parts = [min(size, share) if name in buffers.shared else size for name, size in pairs]
    widths = (machine.operand_bytes, machine.operand_bytes, machine.accumulator_bytes)
    sizes = zip(parts, buffers.tiles_held, widths, strict=True)
    return Room(*(size // held // width for size, held, width in sizes))


def band_rows(conv: Convolution, rows: int) -> int:
    """Input rows of a band of ``rows`` output rows, those of padding included."""
    return rows_touched(conv, 0, rows, clipped=False)


def fewest_rows(conv: Convolution) -> int:
    """Smallest divisor of the output's rows so that only the outermost bands touch padding."""
    extent = conv.dilation * (conv.kernel_h - 1) + 1
    over = (conv.out_height - 1) * conv.stride - conv.padding + extent - conv.height
    needed = max(1, ceil_div(max(conv.padding, over), conv.stride))
    return next(rows for rows in divisors(conv.out_height) if rows >= min(needed, conv.out_height))


def largest_divisor(whole: int, most: int) -> int:
    """The largest divisor of ``whole`` that is at most ``most``; 0 if ``most`` is below one."""
    return max((size for size in divisors(whole) if size <= most), default=0)


def filter_and_ifmap_reads(conv: Convolution, tiling: Tiling) -> int:
    """Numbers read under the tiling, as if no band touched padding."""
    bands = ceil_div(conv.batch, tiling.images) * ceil_div(conv.out_height, tiling.rows)
    outs = ceil_div(conv.out_channels // conv.groups, tiling.out_channels)
    slices = ceil_div(conv.in_channels // conv.groups, tiling.in_channels)
    stays = tiling.order == "ifmap-outer"
    ifmap_reads = 1 if slices == 1 and (stays or bands == 1) else outs
    filter_reads = 1 if slices == 1 and (not stays or outs == 1) else bands
    image = bands * tiling.images * band_rows(conv, tiling.rows) * conv.width * conv.in_channels
    weights = conv.out_channels * conv.taps * (conv.in_channels // conv.groups)
    return ifmap_reads * image + filter_reads * weights


def _pixels(
    conv: Convolution, room: Room, channels: int, outputs: int, fewest: int
) -> tuple[int, int]:
    """Rows and images of a tile."""
    lines = room.ifmap // (conv.width * channels)
    extent = conv.dilation * (conv.kernel_h - 1) + 1
    dense = extent >= conv.stride
    by_ifmap = (lines - extent) // conv.stride + 1 if dense else lines // extent
    by_ofmap = room.ofmap // (conv.out_width * outputs)
    rows = max(fewest, largest_divisor(conv.out_height, min(by_ifmap, by_ofmap)))
    if rows < conv.out_height:
        return rows, 1
    whole = band_rows(conv, rows)
    images = largest_divisor(conv.batch, min(lines // whole, by_ofmap // rows))
    return rows, max(1, images)
