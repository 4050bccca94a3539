"""Every pipeline by operator and arithmetic: the table that vectors, checks and mutants run.

An arithmetic's name is the format of its activations; the pipelines of one family are the same
function, and all that differs is data: the tensors' formats and the attributes' records.

``integer_operators`` and ``float_operators`` hold the pipelines and their formulas.
"""

from refimpl.bitexact.accumulation import accumulation_of
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

__all__ = [
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

_INTEGER: dict[str, Pipeline] = {
    "conv2d": conv2d_integer,
    "shift_product": shift_product_integer,
    "pssa": pssa_integer,
    "xvolution": xvolution_integer,
    "xvolution_fused": xvolution_fused_integer,
}
_FLOAT: dict[str, Pipeline] = {
    "conv2d": conv2d_float,
    "shift_product": shift_product_float,
    "pssa": pssa_float,
    "xvolution": xvolution_float,
    "xvolution_fused": xvolution_fused_float,
}
PIPELINES: dict[tuple[str, str], Pipeline] = {
    (operator, arithmetic): pipeline
    for arithmetics, pipelines in ((INTEGER_ARITHMETICS, _INTEGER), (FLOAT_ARITHMETICS, _FLOAT))
    for operator, pipeline in pipelines.items()
    for arithmetic in arithmetics
}
OPERATORS: tuple[str, ...] = tuple(dict.fromkeys(operator for operator, _ in PIPELINES))
shift_product_fp32 = _FLOAT["shift_product"]
