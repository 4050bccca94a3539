"""What no order of computing a convolution moves less than, for a memory on chip of that size.

A matrix product of m·n·k terms that keeps at most S numbers on chip moves at least

    2·m·n·k/√S − 2·S

numbers when sums are read and written (Smith, Lowery, Langou and van de Geijn, "A Tight I/O Lower
Bound for Matrix Multiplication", arXiv:1702.02017, 2017, after Hong and Kung, STOC 1981). Whoever
does not read sums could read each of the |O| once more, so |O| less. In a convolution, one number
of the image stands in up to

    ρ = ⌈K_h·g/s⌉·⌈K_w·g/s⌉,  g = gcd(stride s, dilation)

windows, so that a number loaded is worth ρ numbers of the matrix of windows, and √S becomes √(ρ·S)
(this use of ρ: Chen, Han and Wang, "Communication Lower Bound in Convolution Accelerators", HPCA
2020). Terms with the padding's zeros load nothing and are not counted. Groups share no operand;
√(a·b·c) summed over groups is no more than √ of the sums, so the bound holds for all of them.

The bound is the larger of this and the compulsory bytes. S counts everything on chip, as if
buffers, a shared level and two operands and a sum per element held nothing but operands: more than
any schedule has, so that the bound remains one.
"""

from math import ceil, gcd, sqrt

from hwsim.integers import ceil_div
from hwsim.machine import Machine
from hwsim.traffic import compulsory_traffic
from hwsim.workload import Convolution


def lower_bound_bytes(conv: Convolution, machine: Machine) -> int:
    """Bytes that every schedule of ``conv`` moves between DRAM and ``machine``."""
    numbers = ceil(words_bound(conv, on_chip_numbers(machine)))
    return max(compulsory_traffic(conv, machine).total_bytes, numbers * machine.operand_bytes)


def words_bound(conv: Convolution, held: int) -> float:
    """Numbers moved at least, with ``held`` on chip; negative where the bound says nothing."""
    reach = window_reuse(conv) * held
    return 2 * terms(conv) / sqrt(reach) - 2 * held - conv.out_elements


def window_reuse(conv: Convolution) -> int:
    """In how many windows one number of the image can stand."""
    rows, cols = (
        ceil_div(side * gcd(stride, conv.dilation), stride)
        for side, stride in ((conv.kernel_h, conv.stride), (conv.kernel_w, conv.stride_across))
    )
    return rows * cols


def terms(conv: Convolution) -> int:
    """Products, those with the padding's zeros left out."""
    rows = _inside(conv, conv.kernel_h, conv.height, conv.out_height, conv.stride)
    cols = _inside(conv, conv.kernel_w, conv.width, conv.out_width, conv.stride_across)
    return conv.batch * conv.out_channels * (conv.in_channels // conv.groups) * rows * cols


def on_chip_numbers(machine: Machine) -> int:
    """Operands that everything on chip would hold."""
    element = 2 * machine.operand_bytes + machine.accumulator_bytes
    size = machine.buffers.total_bytes + machine.array.macs_per_cycle * element
    size += (machine.l2.size_bytes or 0) if machine.l2 is not None else 0
    return ceil_div(size, machine.operand_bytes)


def _inside(conv: Convolution, kernel: int, size: int, outs: int, stride: int) -> int:
    """Pairs of an output and a tap along one axis that meet the image, not its padding."""
    met = 0
    for tap in range(kernel):
        offset = tap * conv.dilation - conv.padding
        first = max(0, ceil_div(-offset, stride))
        last = min(outs - 1, (size - 1 - offset) // stride)
        met += max(0, last - first + 1)
    return met
