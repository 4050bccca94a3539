"""Golden model: every operator as a plain function on NumPy arrays, forward and backward.

Start at ``refimpl/ops/``: each file is one operator, its equation, source, forward and gradient.
``refimpl.fuse`` merges a trained X-volution into one convolution; ``refimpl.bitexact`` is the same
arithmetic as hardware does it, to the bit; ``refimpl.vectors`` writes and checks golden vectors.
"""

from refimpl.ops.aa_conv2d import aa_conv2d, aa_conv2d_backward
from refimpl.ops.batch_norm import (
    BatchNorm,
    batch_norm,
    batch_norm_backward,
    batch_norm_training,
    batch_norm_training_backward,
)
from refimpl.ops.conv2d import conv2d, conv2d_backward
from refimpl.ops.cross_entropy import cross_entropy, cross_entropy_backward
from refimpl.ops.global_attention import global_attention, global_attention_backward
from refimpl.ops.linear import linear, linear_backward
from refimpl.ops.local_attention import local_attention, local_attention_backward
from refimpl.ops.local_response_norm import local_response_norm, local_response_norm_backward
from refimpl.ops.pool import (
    global_avg_pool,
    global_avg_pool_backward,
    max_pool2d,
    max_pool2d_backward,
)
from refimpl.ops.pssa import pssa, pssa_backward
from refimpl.ops.pssa_stack import Level, pssa_stack, pssa_stack_backward
from refimpl.ops.relu import relu, relu_backward
from refimpl.ops.shift import shift, shift_backward
from refimpl.ops.shift_product import (
    EIGHT_DIRECTIONS,
    FOUR_DIRECTIONS,
    shift_product,
    shift_product_backward,
)
from refimpl.ops.softmax import softmax, softmax_backward
from refimpl.ops.upsample_nearest import upsample_nearest, upsample_nearest_backward
from refimpl.ops.xvolution import xvolution, xvolution_backward
from refimpl.ops.xvolution_fused import xvolution_fused, xvolution_fused_backward
from refimpl.ops.xvolution_global import xvolution_global, xvolution_global_backward
from refimpl.ops.xvolution_local import xvolution_local, xvolution_local_backward
from refimpl.ops.xvolution_training import xvolution_training, xvolution_training_backward

__all__ = [
    "EIGHT_DIRECTIONS",
    "FOUR_DIRECTIONS",
    "BatchNorm",
    "Level",
    "aa_conv2d",
    "aa_conv2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_training",
    "batch_norm_training_backward",
    "conv2d",
    "conv2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "global_attention",
    "global_attention_backward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "linear",
    "linear_backward",
    "local_attention",
    "local_attention_backward",
    "local_response_norm",
    "local_response_norm_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "pssa",
    "pssa_backward",
    "pssa_stack",
    "pssa_stack_backward",
    "relu",
    "relu_backward",
    "shift",
    "shift_backward",
    "shift_product",
    "shift_product_backward",
    "softmax",
    "softmax_backward",
    "upsample_nearest",
    "upsample_nearest_backward",
    "xvolution",
    "xvolution_backward",
    "xvolution_fused",
    "xvolution_fused_backward",
    "xvolution_global",
    "xvolution_global_backward",
    "xvolution_local",
    "xvolution_local_backward",
    "xvolution_training",
    "xvolution_training_backward",
]
