"""Cases of one convolution of somebody's ONNX model, on somebody's input.

Weights and input are the model's own, in any arithmetic: floats are cast, integers take their
scales from the ranges of the input that enters the node and of its fp32 output (``quantised.py``).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from refimpl.onnx_graph.upstream import Convolution
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.layer import case_of_call, convolution_call


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
    own = {**stimulus, "class": "network", "node": node}
    return [
        case_of_call(
            f"{name[:80]}-conv2d-{arithmetic}",
            convolution_call(convolution.x, w, b, geometry, choices, arithmetic),
            arithmetic,
            choices,
            own,
        )
        for arithmetic in dict.fromkeys(choices.arithmetics)
    ]
