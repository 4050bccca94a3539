"""A fused X-volution that forgot a normalisation's β, held against the merging claims.

python examples/hold_fused.py
"""

import numpy as np

from proofs import DisagreementError, hold
from refimpl import xvolution_fused


def fold(w, b, bn, eps, *, forget_beta):
    """Fold a normalisation into the convolution before it; with the mistake, or without."""
    gamma, beta, mean, var = bn
    scale = gamma / np.sqrt(var + eps)
    return w * scale[:, None, None, None], (b - mean) * scale + (0 if forget_beta else beta)


def fused(x, w_c, w_a, b_c, b_a, bn_c, bn_a, eps, *, forget_beta=False):
    """One convolution of [x; T(x)] in the place of two branches."""
    w_1, b_1 = fold(w_c, b_c, bn_c, eps, forget_beta=False)
    w_2, b_2 = fold(w_a, b_a, bn_a, eps, forget_beta=forget_beta)
    return xvolution_fused(x, np.concatenate([w_1, w_2], axis=1), b_1 + b_2)


def forgetful(*args, **options):
    """The same without β of the attention branch."""
    return fused(*args, **options, forget_beta=True)


def main():
    """Hold both."""
    only = {"boundary": "circular"}
    hold(fused, "fused-xvolution", sides=(3, 3), **only)
    print("fused: nothing found\n")
    try:
        hold(forgetful, "fused-xvolution", sides=(3, 3), **only)
    except DisagreementError as found:
        print(f"forgetful: {found}")


if __name__ == "__main__":
    main()
