"""Cycles of a cube array (DaVinci), in closed form.

Every cycle the cube multiplies an m × k block by a k × n block and adds to an m × n block of sums.
A product is cut into M' × N' × K' blocks, the last ones filled up with zeros. Columns of blocks
come one after another; in each, the right operand's blocks one after another, and every one of them
is held while the M' left blocks pass:

    s   cycles of a step: 1, or what a left block takes to arrive
    b   cycles that a right block takes to arrive; the next one does so under M' steps
    d   cycles that a block of sums takes to leave; a column leaves under the next column

With h = max(M'·s, b) a column takes K'·h, the last one (K' − 1)·h + M'·s, and

    cycles = b + K'·h + (N' − 2)·max(K'·h, M'·d) + max((K' − 1)·h + M'·s, M'·d) + M'·d     N' > 1
    cycles = b + (K' − 1)·h + M'·s + M'·d                                                  N' = 1

As b is two steps long on the 310P (256 bytes per cycle beside 512), a right block must be held for
two left ones. All cycles but the M'·N'·K' steps are waiting. Source: derived above; the shape of
the cube from Liao et al., "DaVinci: A Scalable Architecture for Neural Network Computing", Hot
Chips 31, 2019; order of blocks and barriers between columns are ours. ``hwsim.literal.cube`` counts
the same by moving blocks.
"""

from typing import Any

import numpy as np

from hwsim.cycles.systolic import ArrayCycles
from hwsim.integers import ceil_div


def cube_cycles(
    product: tuple[Any, Any, Any], cube: tuple[Any, Any, Any], *, left: Any, right: Any, sums: Any
) -> ArrayCycles:
    """Cycles of an (m, n, k) product on an (m, n, k) cube; ints, or int64 arrays of them.

    ``left``, ``right`` and ``sums`` are cycles that a block takes on its way; 0 where it waits for
    nothing.
    """
    m_blocks, n_blocks, k_blocks = (
        ceil_div(size, side) for size, side in zip(product, cube, strict=True)
    )
    blocks = m_blocks * n_blocks * k_blocks
    steps = m_blocks * np.maximum(left, 1)
    held = np.maximum(steps, right)
    leaving = m_blocks * sums
    column, last = k_blocks * held, (k_blocks - 1) * held + steps
    several = column + (n_blocks - 2) * np.maximum(column, leaving) + np.maximum(last, leaving)
    total = right + np.where(n_blocks > 1, several, last) + leaving
    return ArrayCycles(total, blocks, total - blocks)
