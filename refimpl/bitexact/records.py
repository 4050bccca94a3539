"""Which records each operator has: its sums and their loops, and what else is declared of a family.

Data that pipelines, manifests and declarations share; what a record's fields mean is said where the
record is defined (``accumulation.py``, ``integer_sum.py``, ``formats.py``, ``transcendental.py``).
"""

from refimpl.bitexact.call import Attributes
from refimpl.bitexact.formats import format_named

SHIFTED = frozenset(
    {"shift_product", "pssa", "xvolution", "xvolution_fused", "xvolution_training",
     "pssa_backward", "xvolution_backward"}
)  # fmt: skip
ATTENTION = frozenset({"global_attention", "local_attention"})
BIASED = frozenset({"conv2d", "pssa", "xvolution", "xvolution_fused"})
"""Operators whose main sum, "accumulation", adds a bias."""
_ATTENDING = {
    "accumulation": "cuv", "accumulation_scores": "d", "accumulation_context": "t",
}  # fmt: skip
_BACKWARD = {"accumulation_dx": "ouv", "accumulation_dw": "nij"}
SUMS: dict[str, dict[str, str]] = {
    "conv2d": {"accumulation": "cuv"},
    "shift_product": {},
    "pssa": {"accumulation": "cuv"},
    "xvolution": {"accumulation": "cuv"},
    "xvolution_fused": {"accumulation": "cuv"},
    "xvolution_training": {"accumulation": "cuv", "accumulation_statistics": "nij"},
    "batch_norm": {"accumulation_statistics": "nij"},
    "global_attention": _ATTENDING,
    "local_attention": _ATTENDING,
    "conv2d_backward": _BACKWARD,
    "pssa_backward": _BACKWARD,
    "xvolution_backward": {"accumulation": "cuv", **_BACKWARD},
}
"""The sums of each operator in floats: the attribute that declares one, and its loops."""
_ATTENDING_INTEGERS = {
    "accumulator": "cuv", "accumulator_scores": "d", "accumulator_context": "t",
}  # fmt: skip
_BACKWARD_INTEGERS = {"accumulator_dx": "ouv", "accumulator_dw": "nij"}
INTEGER_SUMS: dict[str, dict[str, str]] = {
    "shift_product": {},
    "global_attention": _ATTENDING_INTEGERS,
    "local_attention": _ATTENDING_INTEGERS,
    "conv2d_backward": _BACKWARD_INTEGERS,
    "pssa_backward": {**_BACKWARD_INTEGERS, "accumulator_shares": "d"},
    "xvolution_backward": {
        "accumulator": "cuv", **_BACKWARD_INTEGERS, "accumulator_shares": "d",
    },
}  # fmt: skip
"""The same in integers; what is not listed has the one sum of a convolution."""
_CONVOLVING = (*sorted(BIASED), "xvolution_training")
PASSES = {"accumulation": _CONVOLVING, "accumulator": (*_CONVOLVING, "xvolution_backward")}
"""The sums whose passes are stages, and of which operators."""


def integer_sums(operator: str) -> dict[str, str]:
    """The sums of an operator in integers: the attribute that declares one, and its loops."""
    return INTEGER_SUMS.get(operator, {"accumulator": "cuv"})


def sums_floats(attributes: Attributes) -> bool:
    """Whether integer attention has floating probabilities, and so a context summed in floats."""
    softmax = attributes.get("softmax", {}).get("kind", "float") == "float"
    kept = attributes.get("probabilities", {}).get("format", "uint8")
    normalised = attributes.get("normalise", "softmax") == "softmax"
    return bool(normalised and softmax and format_named(kept).kind == "float")
