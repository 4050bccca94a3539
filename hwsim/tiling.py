"""How a convolution is cut so that its pieces fit on chip, and which cuts are tried.

A tile computes some output rows of one image, or some whole images, for some output channels from
some input channels. Groups come one after another. Within a group the input-channel slices are the
innermost loop, so partial sums stay on chip until they are complete; the two loops outside are
taken in either order:

    ifmap-outer     bands of rows, then output channels: an input tile stays while filters pass
    filter-outer    output channels, then bands of rows: a filter tile stays while inputs pass

``candidates`` lists what a search tries: rows and images by powers of two, output channels by the
array's columns times powers of two (halves included), input channels so that channels × taps is
just within the array's rows times a power of two; and each in full. Ours; not exhaustive.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from hwsim.integers import ceil_div, chunks
from hwsim.machine import OPERANDS, Buffers, MacArray, Machine
from hwsim.workload import Convolution

Order: TypeAlias = Literal["ifmap-outer", "filter-outer"]
ORDERS: tuple[Order, Order] = ("ifmap-outer", "filter-outer")


class Tiling(NamedTuple):
    """Largest tile: images, output rows, output and input channels of a group; and loop order."""

    images: int
    rows: int
    out_channels: int
    in_channels: int
    order: Order


class Band(NamedTuple):
    """Output rows of a tile, over its images, and the input rows they touch."""

    images: int
    out_rows: int
    in_rows: int


class Pieces(NamedTuple):
    """Everything a tiling cuts one group of a convolution into."""

    bands: tuple[Band, ...]
    out_channels: tuple[int, ...]
    in_channels: tuple[int, ...]


class TileBytes(NamedTuple):
    """Bytes one tile occupies in each buffer."""

    ifmap: int
    filter: int
    ofmap: int


@lru_cache(maxsize=16)  # a search asks for a few of them thousands of times
def bands_of(conv: Convolution, images: int, rows: int) -> tuple[Band, ...]:
    """Bands of at most ``images`` images by ``rows`` output rows, in the order of the walk."""
    one_image, first = [], 0
    for height in chunks(conv.out_height, rows):
        one_image.append((height, rows_touched(conv, first, height)))
        first += height
    return tuple(
        Band(count, count * height, count * touched)
        for count in chunks(conv.batch, images)
        for height, touched in one_image
    )


def pieces(conv: Convolution, tiling: Tiling, bands: tuple[Band, ...] | None = None) -> Pieces:
    """The sizes of all tiles along each axis; ``bands`` if the caller has them already."""
    return Pieces(
        bands=bands or bands_of(conv, tiling.images, tiling.rows),
        out_channels=chunks(conv.out_channels // conv.groups, tiling.out_channels),
        in_channels=chunks(conv.in_channels // conv.groups, tiling.in_channels),
    )


def tile_bytes(conv: Convolution, tiling: Tiling, machine: Machine) -> TileBytes:
    """Upper bound on the bytes a tile occupies; exact unless padding shortens every tile."""
    in_rows = min(rows_touched(conv, 0, tiling.rows, clipped=False), conv.height)
    inputs = tiling.images * in_rows * conv.width * tiling.in_channels
    weights = tiling.out_channels * tiling.in_channels * conv.taps
    outputs = tiling.images * tiling.rows * conv.out_width * tiling.out_channels
    return TileBytes(
        inputs * machine.operand_bytes,
        weights * machine.operand_bytes,
        outputs * machine.accumulator_bytes,
    )


def fits(needed: TileBytes, buffers: Buffers) -> bool:
    """Whether as many tiles as the buffers hold at once have room."""
    room = (buffers.ifmap_bytes, buffers.filter_bytes, buffers.ofmap_bytes)
    held = [size * tiles for size, tiles in zip(needed, buffers.tiles_held, strict=True)]
    if not all(size <= most for size, most in zip(held, room, strict=True)):
        return False
    together = sum(
        size for name, size in zip(OPERANDS, held, strict=True) if name in buffers.shared
    )
    return buffers.shared_bytes is None or together <= buffers.shared_bytes


def tile_count(conv: Convolution, tiling: Tiling) -> int:
    """How many tiles the tiling makes, over all groups."""
    return (
        conv.groups
        * ceil_div(conv.batch, tiling.images)
        * ceil_div(conv.out_height, tiling.rows)
        * ceil_div(conv.out_channels // conv.groups, tiling.out_channels)
        * ceil_div(conv.in_channels // conv.groups, tiling.in_channels)
    )


def candidates(conv: Convolution, array: MacArray) -> Iterator[Tiling]:
    """Tilings worth trying, in both orders, whether or not they fit."""
    outs = conv.out_channels // conv.groups
    for images, rows in _band_sizes(conv):
        for out_channels in _steps(array.out_step, outs):
            for in_channels in _slices(conv, array):
                for order in ORDERS:
                    yield Tiling(images, rows, out_channels, in_channels, order)


def rows_touched(conv: Convolution, first: int, count: int, *, clipped: bool = True) -> int:
    """Input rows that the windows of ``count`` output rows from ``first`` on span.

    A window spans every row from its first to its last tap. Windows no further apart than they are
    tall span one run of rows; others leave rows between them untouched. ``clipped`` leaves out the
    rows of padding.
    """
    extent = conv.dilation * (conv.kernel_h - 1) + 1
    start = first * conv.stride - conv.padding
    if extent >= conv.stride:
        end = start + (count - 1) * conv.stride + extent
        return max(0, min(end, conv.height) - max(start, 0)) if clipped else end - start
    if not clipped:
        return count * extent
    begins = (start + i * conv.stride for i in range(count))
    return sum(max(0, min(begin + extent, conv.height) - max(begin, 0)) for begin in begins)


def _band_sizes(conv: Convolution) -> list[tuple[int, int]]:
    """Images and rows per tile: part of one image, or whole images."""
    parts = [(1, rows) for rows in _steps(1, conv.out_height) if rows < conv.out_height]
    return parts + [(images, conv.out_height) for images in _steps(1, conv.batch)]


def _slices(conv: Convolution, array: MacArray) -> list[int]:
    """Input channels per tile."""
    channels = conv.in_channels // conv.groups
    depths = _steps(array.depth_step, channels * conv.taps)
    return sorted({min(channels, max(1, depth // conv.taps)) for depth in depths})


def _steps(side: int, full: int) -> list[int]:
    """``side`` times powers of two, halves included, below ``full``; and ``full``."""
    sizes = {full}
    step = side
    while step > 0:
        sizes.add(min(step, full))
        step //= 2
    step = side
    while step < full:
        sizes.add(step)
        step *= 2
    return sorted(sizes)
