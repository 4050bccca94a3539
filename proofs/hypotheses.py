"""Every hypothesis that a claim may have, and what it means to who builds the thing.

A claim whose hypothesis is not here does not load. That each is needed is not said here but found:
every claim drops its hypotheses one by one and must fail.
"""

from collections.abc import Mapping
from types import MappingProxyType

HYPOTHESES: Mapping[str, str] = MappingProxyType(
    {
        "the heads read zeros outside the image, as the convolution does": (
            "one boundary for both sides of the comparison"
        ),
        "rounding is to the nearest integer, ties upwards": (
            "ties to even can all fall the same way; truncation always does"
        ),
        "sums and differences are kept in nine bits, one more than the operands": (
            "eight bits saturate, and a saturated sum has another square"
        ),
        "the level that merges is the last": (
            "an earlier one is multiplied with itself by the levels after it"
        ),
        "no branch saturates": "what a clip cuts off cannot cancel any more",
        "the accumulator wraps or is wide enough, and does not saturate": (
            "a saturated sum depends on the order of its terms"
        ),
        "the stencil has 2^S + 1 nodes for S levels": "fewer values leave a term undetermined",
        "the machine multiplies features element by element": (
            "a unit that only knows convolution, activation and pooling does not"
        ),
        "the layer is of the last stage, 7×7 pixels": (
            "larger maps move more data for each product"
        ),
        "no pixel is compared with all pixels": "there are n² pairs of pixels",
        "the shift is circular": "zeros come in at the border of the image, which does not move",
        "PSSA stands alone, without a convolution branch": "a convolution is odd, as attention is",
        "attention has no position encoding": (
            "a score of a query and a position changes its sign with the image"
        ),
        "the convolution's padding is circular too (an option of the kernel form)": (
            "zero padding is where the image ends, wherever its content has moved"
        ),
        "the stride is 1": "else only moves by whole strides are seen",
        "every direction's kernel is the convolution's, up to a factor per input channel": (
            "after folding; only then can the factor multiply the pixels instead"
        ),
        "the image is larger than what the stack reaches": (
            "else the border cuts off part of what is seen"
        ),
        "no weight is 0 and no two terms cancel": (
            "training could make them; random weights do not"
        ),
        "the scores are not normalised by softmax": (
            "softmax divides by a sum over all keys, which is no polynomial and not linear in the "
            "query"
        ),
        "there is no bias": "a bias is of degree 0, whatever else is in the sum",
        "the dynamic part is computed from the image at hand": (
            "a dynamic kernel cannot be computed once and kept"
        ),
        "the normalisation uses inference (running) statistics": (
            "in training mode mean and variance depend on the batch"
        ),
        "the convolution does not pad with zeros": (
            "what is normalised before a padded convolution is β − μ·s where the padding is, not 0"
        ),
        "the small kernel stands in the middle of the large one": (
            "else the output is displaced by a pixel"
        ),
        "no non-linearity stands between a branch and the sum": (
            "an activation belongs after the sum"
        ),
        "both branches have the same stride": "else their outputs are of different pixels",
        "both branches have the same dilation": "else their taps are at different pixels",
        "no input of relu or max_pool2d stands at a kink or a tie": (
            "there is no derivative at a kink, and a convention instead"
        ),
        "the forward has degree at most 2 in the argument": (
            "a central difference has an error of third order"
        ),
        "both normalisations use running statistics": (
            "in training mode mean and variance depend on the batch"
        ),
        "both convolutions pad with zeros (the boundary of the shift is free)": (
            "one convolution pads in one way"
        ),
        "both kernels are centred on the same pixels": (
            "else one kernel cannot hold both where each belongs"
        ),
        "queries and keys are projected alike (W_q = W_k)": (
            "else the product of p and p + d is not that of p + d and p"
        ),
        "not a circular shift with a zero-padded convolution (the default of pssa)": (
            "the product of two pixels across the border is read by one and not by the other"
        ),
        "there are as many levels as steps between opposite corners, H + W − 2": (
            "each level goes one step further"
        ),
        "the shift length is 1 (a longer one leaves holes)": (
            "only multiples of the length are reached"
        ),
    }
)
