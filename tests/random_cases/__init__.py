"""Random shapes and options of every operator: odd and tiny images, strides, groups, N = 0 and 1.

Each strategy draws an ``OperatorCase`` whose arrays have the right shapes and hold zeros;
``filled`` puts numbers of any type in their place. An operator that is missing from ``RANDOM``
fails the tests.
"""

from hypothesis import strategies as st

from proofs.cases import OperatorCase
from tests.random_cases import attention, layers, pixel_shift
from tests.random_cases.draws import case, filled, images

__all__ = ["RANDOM", "filled"]

RANDOM: dict[str, st.SearchStrategy[OperatorCase]] = {
    "aa_conv2d": attention.aa_conv2d(),
    "batch_norm": layers.batch_norm(),
    "batch_norm_training": layers.batch_norm_training(),
    "conv2d": layers.conv2d(),
    "cross_entropy": layers.cross_entropy(),
    "global_attention": attention.global_attention(),
    "global_avg_pool": images().map(lambda shape: case("global_avg_pool", {"x": shape})),
    "linear": layers.linear(),
    "local_attention": attention.local_attention(),
    "local_response_norm": layers.local_response_norm(),
    "max_pool2d": layers.max_pool2d(),
    "pssa": pixel_shift.pssa(),
    "pssa_stack": pixel_shift.pssa_stack(),
    "relu": images().map(lambda shape: case("relu", {"x": shape}, piecewise=True)),
    "shift": pixel_shift.shift(),
    "shift_product": pixel_shift.shift_product(),
    "softmax": layers.softmax(),
    "upsample_nearest": layers.upsample_nearest(),
    "xvolution": pixel_shift.xvolution(),
    "xvolution_fused": pixel_shift.xvolution_fused(),
    "xvolution_global": attention.xvolution_of_attention("xvolution_global"),
    "xvolution_local": attention.xvolution_of_attention("xvolution_local"),
    "xvolution_training": pixel_shift.xvolution_training(),
}
"""From the name of an operator to its random cases."""
