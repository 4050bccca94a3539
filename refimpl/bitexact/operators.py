"""Every pipeline by operator and arithmetic: the table that vectors, checks and mutants run.

An arithmetic's name is the format of its activations; the pipelines of one family are the same
function, and all that differs is data: the tensors' formats and the attributes' records.

``integer_operators`` and ``float_operators`` hold the pipelines and their formulas.
"""

from functools import wraps

import numpy as np

from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.attention_float import global_attention_float, local_attention_float
from refimpl.bitexact.attention_integer import global_attention_integer, local_attention_integer
from refimpl.bitexact.backward_float import (
    conv2d_backward_float,
    pssa_backward_float,
    xvolution_backward_float,
)
from refimpl.bitexact.backward_integer import conv2d_backward_integer
from refimpl.bitexact.backward_pixel_shift import (
    pssa_backward_integer,
    xvolution_backward_integer,
)
from refimpl.bitexact.call import Attributes, Pipeline, Stages, Tensors, geometry_of
from refimpl.bitexact.float_operators import (
    affine_float,
    affine_fp32,
    conv2d_float,
    pssa_float,
    shift_product_float,
    xvolution_float,
    xvolution_fused_float,
)
from refimpl.bitexact.integer_operators import (
    conv2d_integer,
    pssa_integer,
    shift_product_integer,
    xvolution_fused_integer,
    xvolution_integer,
)
from refimpl.bitexact.normalisation import (
    batch_norm_float,
    batch_norm_integer,
    xvolution_training_float,
)
from refimpl.bitexact.training_integer import xvolution_training_integer

__all__ = [
    "ALL_OPERATORS",
    "ARITHMETICS",
    "FLOAT_ARITHMETICS",
    "INTEGER_ARITHMETICS",
    "OPERATORS",
    "PIPELINES",
    "Attributes",
    "Pipeline",
    "Stages",
    "Tensors",
    "accumulation_of",
    "affine_float",
    "affine_fp32",
    "geometry_of",
    "shift_product_fp32",
]

INTEGER_ARITHMETICS = ("int8", "int4", "int16")
FLOAT_ARITHMETICS = ("fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2")
ARITHMETICS = (*INTEGER_ARITHMETICS, *FLOAT_ARITHMETICS)


def unhindered(pipeline: Pipeline) -> Pipeline:
    """The same pipeline; NumPy says nothing of infinities and NaNs, which are results here."""

    @wraps(pipeline)
    def run(tensors: Tensors, attributes: Attributes) -> Stages:
        with np.errstate(all="ignore"):
            return pipeline(tensors, attributes)

    return run


_INTEGER: dict[str, Pipeline] = {
    "batch_norm": batch_norm_integer,
    "global_attention": global_attention_integer,
    "local_attention": local_attention_integer,
    "conv2d_backward": conv2d_backward_integer,
    "pssa_backward": pssa_backward_integer,
    "xvolution_backward": xvolution_backward_integer,
    "xvolution_training": xvolution_training_integer,
    "conv2d": conv2d_integer,
    "shift_product": shift_product_integer,
    "pssa": pssa_integer,
    "xvolution": xvolution_integer,
    "xvolution_fused": xvolution_fused_integer,
}
_FLOAT: dict[str, Pipeline] = {
    "batch_norm": batch_norm_float,
    "global_attention": global_attention_float,
    "local_attention": local_attention_float,
    "xvolution_training": xvolution_training_float,
    "conv2d_backward": conv2d_backward_float,
    "pssa_backward": pssa_backward_float,
    "xvolution_backward": xvolution_backward_float,
    "conv2d": conv2d_float,
    "shift_product": shift_product_float,
    "pssa": pssa_float,
    "xvolution": xvolution_float,
    "xvolution_fused": xvolution_fused_float,
}
PIPELINES: dict[tuple[str, str], Pipeline] = {
    (operator, arithmetic): unhindered(pipeline)
    for arithmetics, pipelines in ((INTEGER_ARITHMETICS, _INTEGER), (FLOAT_ARITHMETICS, _FLOAT))
    for operator, pipeline in pipelines.items()
    for arithmetic in arithmetics
}
OPERATORS: tuple[str, ...] = ("conv2d", "shift_product", "pssa", "xvolution", "xvolution_fused")
"""The operators of a set that names none: those that convolve or shift, forward."""
ALL_OPERATORS: tuple[str, ...] = (
    *OPERATORS,
    *dict.fromkeys(operator for operator, _ in PIPELINES if operator not in OPERATORS),
)
"""Every operator a case may name; each has a form in every arithmetic."""
shift_product_fp32 = _FLOAT["shift_product"]
