"""An int8 kernel whose merged weights are saturated, held against the claims about integers.

python examples/hold_int8.py
"""

import numpy as np

from proofs import DisagreementError, hold
from refimpl import conv2d


def accumulators(x, w):
    """int32 sums of int8 products."""
    return conv2d(x.astype(np.int32), w.astype(np.int32), padding=w.shape[2] // 2)


def wide(x, w_c, w_a):
    """Merge in int16: nine bits are enough."""
    return accumulators(x, w_c.astype(np.int16) + w_a)


def narrow(x, w_c, w_a):
    """Merge into int8, saturated."""
    return accumulators(x, np.clip(w_c.astype(np.int16) + w_a, -128, 127))


def main():
    """Hold both."""
    hold(wide, "merged-int8")
    print("wide: nothing found\n")
    try:
        hold(narrow, "merged-int8")
    except DisagreementError as found:
        print(f"narrow: {found}")


if __name__ == "__main__":
    main()
