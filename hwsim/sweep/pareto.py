"""What nothing beats: rows that no other row is as good as in everything, and better in something.

Source: Pareto, "Manuale di economia politica" (1906); by sorting, Kung, Luccio and Preparata,
J. ACM 22 (1975), for two quantities.
"""

import numpy as np
from numpy.typing import NDArray


def front(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows that no other beats in two quantities, both better small; by the first, ascending.

    Of rows that are equal in both the first is taken.
    """
    order = np.lexsort((np.arange(len(first)), second, first))
    best, kept = np.inf, []
    for row in order:
        if second[row] < best:
            best = second[row]
            kept.append(row)
    return np.array(kept, np.int64)
