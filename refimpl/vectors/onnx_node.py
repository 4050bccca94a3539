"""Cases of one convolution of somebody's ONNX model, on somebody's input.

Weights and input are the model's own; int8 scales follow from the ranges of the input that enters
the node and of its fp32 output, by the rule of ``bitexact/quantise.py``.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from refimpl.onnx_graph.upstream import Convolution
from refimpl.vectors.case import Case, Choices, identified
from refimpl.vectors.declare import declared_case
from refimpl.vectors.layer import convolution_call

RULE = (
    "activations: scale = (max - min)/255 over this input, 0 included, zero = round(-128 - "
    "min/scale); kernels: per output channel, scale = max|w|/127, zero 0; bias: round(b / "
    "(x scale * w scale)), int32; output as activations, of the fp32 output; ties to even"
)


def onnx_cases(
    convolution: Convolution, node: str, choices: Choices, *, stimulus: Mapping[str, Any]
) -> list[Case]:
    """One case per arithmetic of a convolution of a model."""
    geometry = {
        "stride": list(convolution.stride),
        "padding": list(convolution.padding),
        "dilation": list(convolution.dilation),
        **({"groups": convolution.groups} if convolution.groups > 1 else {}),
    }
    w, b = (each.astype(np.float64) for each in (convolution.w, convolution.b))
    name = re.sub(r"[^a-z0-9._-]+", "-", node.lower()).strip("-._") or "conv"
    cases = []
    for arithmetic in dict.fromkeys(choices.arithmetics):
        operator, tensors, attributes = convolution_call(
            convolution.x, w, b, geometry, choices, arithmetic
        )
        said = {**stimulus, "class": "network", "node": node}
        if arithmetic == "int8":
            said["quantisation"] = RULE
        case = Case(
            id=f"{name[:80]}-{operator}-{arithmetic}",
            operator=operator,
            arithmetic=arithmetic,
            attributes=attributes,
            tensors=tensors,
            stimulus=said,
        )
        cases.append(identified(declared_case(case, choices)))
    return cases
