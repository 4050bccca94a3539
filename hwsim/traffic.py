"""Traffic of a tiled convolution between its buffers and what is behind them, in closed form.

A tile is loaded again only when its index changes along the walk. With B bands, O pieces of output
channels and I slices of input channels, slices innermost, the whole of an operand is read

                    ifmap                           filter
    ifmap-outer     1 if I = 1, else O              1 if I = 1 and O = 1, else B
    filter-outer    1 if I = 1 and B = 1, else O    1 if I = 1, else B

times, where the whole of the ifmap is the sum over bands: rows that two bands touch (the halo) are
counted twice. The ofmap is written once, at operand width, as partial sums never leave the chip.
All of it goes to and from DRAM, unless a second level holds what a group reads (``hwsim.channel``):
then DRAM gives the whole of either operand once.

Source: derived above. ``hwsim.buffers`` counts the same bytes by walking the tiles.
"""

from typing import NamedTuple

from hwsim.channel import keeps
from hwsim.machine import Machine
from hwsim.tiling import Order, Pieces, Tiling, pieces
from hwsim.workload import Convolution


class Traffic(NamedTuple):
    """Bytes in and out of the buffers on the side of the memory, by operand."""

    ifmap_bytes: int
    filter_bytes: int
    ofmap_bytes: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all operands."""
        return sum(self)


def traffic(conv: Convolution, tiling: Tiling, machine: Machine) -> Traffic:
    """Bytes that the tiled convolution moves."""
    return traffic_of(pieces(conv, tiling), tiling.order, conv, machine)


def traffic_of(parts: Pieces, order: Order, conv: Convolution, machine: Machine) -> Traffic:
    """Bytes that a convolution cut into ``parts`` moves, walked in ``order``."""
    ifmap_reads, filter_reads = _reads(parts, order)
    rows = sum(band.in_rows for band in parts.bands)
    ifmap = rows * conv.width * conv.in_channels
    weights = conv.out_channels * conv.taps * (conv.in_channels // conv.groups)
    return Traffic(
        ifmap_bytes=ifmap_reads * ifmap * machine.operand_bytes,
        filter_bytes=filter_reads * weights * machine.operand_bytes,
        ofmap_bytes=conv.out_elements * machine.operand_bytes,
    )


def dram_traffic_of(parts: Pieces, order: Order, conv: Convolution, machine: Machine) -> Traffic:
    """Bytes of that between DRAM and the chip."""
    if keeps(conv, machine):
        return traffic_of(Pieces(parts.bands, (1,), (1,)), order, conv, machine)
    return traffic_of(parts, order, conv, machine)


def compulsory_traffic(conv: Convolution, machine: Machine) -> Traffic:
    """Bytes when everything fits: each touched input row, weight and result once."""
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    return traffic(conv, Tiling(conv.batch, conv.out_height, outs, ins, "ifmap-outer"), machine)


def _reads(parts: Pieces, order: Order) -> tuple[int, int]:
    """How often the ifmap and the filter are read in full."""
    bands, outs, slices = (len(axis) for axis in parts)
    ifmap_stays = slices == 1 and (order == "ifmap-outer" or bands == 1)
    filter_stays = slices == 1 and (order == "filter-outer" or outs == 1)
    return (1 if ifmap_stays else outs, 1 if filter_stays else bands)
