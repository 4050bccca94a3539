"""Re-parameterisation: fold batch normalisation, merge two branches into one convolution.

Start at ``merge``: two linear maps on a common grid add up to one. ``fold`` takes a normalisation
into the convolution before it; ``conditions`` checks what merging asks, and names what fails.
"""

from refimpl.fuse.branch import Branch, PaddingMode, Statistics
from refimpl.fuse.conditions import MergeError, check_mergeable
from refimpl.fuse.fold import Folded, embed, expand_groups, fold_batch_norm, fold_branch
from refimpl.fuse.merge import merge

__all__ = [
    "Branch",
    "Folded",
    "MergeError",
    "PaddingMode",
    "Statistics",
    "check_mergeable",
    "embed",
    "expand_groups",
    "fold_batch_norm",
    "fold_branch",
    "merge",
]
