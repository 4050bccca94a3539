"""The operators of ``refimpl``, fast: the same names and signatures, for float32 and float64.

``import refimpl.fast as ref`` instead of ``import refimpl as ref``. Dense products run in tiles
held in vector registers (``tile``, ``product``, ``weights``), everything per pixel along runs of
memory (``run``, ``shifts``, ``channels``, ``windows``); all are compiled by Numba at first use, and
kept on disk. Sums are taken in another order than the definitions', with fused multiply-add; the
definitions say what is right. Operators that are one pass of NumPy already are the definitions
themselves.
"""

from refimpl import *  # noqa: F403 - whatever is not overridden below
from refimpl import __all__ as __all__
from refimpl.fast.composed import (
    aa_conv2d,
    aa_conv2d_backward,
    global_attention,
    global_attention_backward,
    pssa_stack,
    pssa_stack_backward,
    xvolution,
    xvolution_backward,
    xvolution_global,
    xvolution_global_backward,
    xvolution_local,
    xvolution_local_backward,
    xvolution_training,
    xvolution_training_backward,
)
from refimpl.fast.conv2d import conv2d, conv2d_backward
from refimpl.fast.dynamic_conv2d import dynamic_conv2d
from refimpl.fast.local_attention import local_attention, local_attention_backward
from refimpl.fast.pssa import pssa, pssa_backward
from refimpl.fast.shift_product import shift_product, shift_product_backward
from refimpl.fast.xvolution_fused import xvolution_fused, xvolution_fused_backward

FAST = (
    aa_conv2d, aa_conv2d_backward,
    conv2d, conv2d_backward, dynamic_conv2d,
    global_attention, global_attention_backward,
    local_attention, local_attention_backward,
    pssa, pssa_backward, pssa_stack, pssa_stack_backward,
    shift_product, shift_product_backward,
    xvolution, xvolution_backward, xvolution_fused, xvolution_fused_backward,
    xvolution_global, xvolution_global_backward, xvolution_local, xvolution_local_backward,
    xvolution_training, xvolution_training_backward,
)  # fmt: skip
