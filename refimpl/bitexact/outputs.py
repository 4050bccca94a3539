"""Which stage of an operator is what it is for; every other one is on the way there."""

import re

from refimpl.bitexact.call import Attributes
from refimpl.bitexact.integer_operators import is_wide

OUTPUT = {
    "shift_product": "product",
    "conv2d_backward": "dx",
    "pssa_backward": "dx",
    "xvolution_backward": "dx",
}  # every other operator calls it "output"
GRADIENT = re.compile(r"(conv_|attention_)?d[wbst]")


def is_output(operator: str, stage: str, attributes: Attributes) -> bool:
    """Whether a stage is what the operator is for: its output, or the gradient of a parameter."""
    last = OUTPUT.get(operator, "output")
    if operator == "shift_product" and is_wide(attributes):
        last = "wide_product"
    if stage == last:
        return True
    return operator.endswith("_backward") and GRADIENT.fullmatch(stage) is not None
