"""The two branches of an X-volution node, each as a node of its own kind would compute it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from refimpl.ops.conv2d import same_padding

ATTENTION: Mapping[str, str] = {
    "xvolution": "pssa",
    "xvolution_local": "local_attention",
    "xvolution_global": "global_attention",
}
"""From the kind of an X-volution to the kind of its attention branch."""


class Branch(NamedTuple):
    """One branch before its normalisation, which is ``bn_c`` or ``bn_a`` after ``of``."""

    of: str
    kind: str
    weights: dict[str, Any]
    attributes: dict[str, Any]


def branches(
    kind: str, weights: Mapping[str, Any], attributes: Mapping[str, Any]
) -> tuple[Branch, Branch]:
    """Convolution and attention branch of an X-volution of this kind."""
    kernel = weights["w_c"].shape[2:]
    steps = {"stride": attributes["stride"], "padding": same_padding(kernel)}
    convolution = Branch("c", "conv2d", {"w": weights["w_c"]}, steps)
    names = {"w_a": "w", "w_q": "w_q", "w_k": "w_k", "w_v": "w_v"}
    attention = {plain: weights[name] for name, plain in names.items() if name in weights}
    return convolution, Branch("a", ATTENTION[kind], attention, dict(attributes))
