"""Merge two branches into one convolution.

From BN_c(w_c ∗ x + b_c) + BN_a(w_a ∗ T(x) + b_a), both folded, their kernels embedded in a common
support:

    w = [w_c' ; w_a']  along input channels          b = b_c' + b_a'
    the sum is conv2d([x; T(x)], w, b)               the feature form of X-volution

Sources: Ding et al., "RepVGG", arXiv:2101.03697 (2021), Fig. 4 for branch merging; Chen, Wang and
Ni, "X-volution", arXiv:2106.02253 (2021), for doing it to an attention branch.
"""

import numpy as np

from refimpl.fuse.branch import Branch
from refimpl.fuse.conditions import check_mergeable
from refimpl.fuse.fold import Folded, embed, fold_branch


def merge(conv: Branch, attention: Branch) -> Folded:
    """Merge a convolution of x and a convolution of T(x) into one convolution of [x; T(x)].

    Raises
    ------
    MergeError
        The first merging condition that fails, by name: ``check_mergeable`` lists them.
    """
    check_mergeable(conv, attention)
    support = (
        max(conv.kernel[0], attention.kernel[0]),
        max(conv.kernel[1], attention.kernel[1]),
    )
    folded = [fold_branch(branch) for branch in (conv, attention)]
    kernels = [embed(each.w, support) for each in folded]
    return Folded(np.concatenate(kernels, axis=1), folded[0].b + folded[1].b)
