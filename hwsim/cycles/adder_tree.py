"""Cycles of a broadcast array with adder trees (NVDLA), in closed form.

Each of A_k trees holds weights of one output channel for A_c input channels at one tap; every
cycle the A_c values of one pixel go to all trees. A product of P pixels, K output channels, C input
channels and ``taps`` taps is thus

    ⌈K/A_k⌉ · ⌈C/A_c⌉ · taps   operations of P cycles each.

Weights of the next operation arrive under the current one, in w cycles; the last sum has the
⌈log₂ A_c⌉ levels of its tree and its accumulator still before it:

    cycles = w + (operations − 1)·max(P, w) + P + ⌈log₂ A_c⌉ + 1

of which it waits w, and max(0, w − P) before every further operation.

Winograd's F(2 × 2, 3 × 3) makes 16 products out of 36, for four pixels at once: 16 "taps", and
⌈P_h/2⌉·⌈P_w/2⌉ "pixels" (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR
2016). Source: derived above from the direct and Winograd modes in NVIDIA's NVDLA hardware
architecture specification, "Convolution Core". ``hwsim.literal.adder_tree`` counts the same.
"""

from typing import Any

import numpy as np

from hwsim.cycles.systolic import ArrayCycles
from hwsim.integers import ceil_div


def adder_tree_cycles(
    pixels: Any, outputs: Any, channels: Any, taps: Any, inputs: Any, trees: Any, *, load: Any
) -> ArrayCycles:
    """Cycles on ``trees`` trees of ``inputs`` inputs; ints, or int64 arrays of them.

    ``load``: cycles that the weights of one operation take to arrive.
    """
    operations = ceil_div(outputs, trees) * ceil_div(channels, inputs) * taps
    levels = np.ceil(np.log2(inputs)).astype(np.int64)
    late = np.maximum(load - pixels, 0)
    waiting = load + (operations - 1) * late
    return ArrayCycles(operations * pixels + waiting + levels + 1, operations * pixels, waiting)
