"""How good a network is: its scores at inference, with running statistics."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import refimpl.fast
from refimpl.arrays import Array
from refimpl.nets.graph import EPS, Network, Parameters
from refimpl.nets.run import Arithmetic, run
from refimpl.ops.cross_entropy import cross_entropy
from refimpl.train.crops import Crops
from refimpl.train.rules import Operators


class Score(NamedTuple):
    """Mean cross entropy in nats, and the share of images whose class is right."""

    loss: float
    accuracy: float


def evaluate(
    network: Network, parameters: Parameters, crops: Crops, *, operators: Operators = refimpl.fast
) -> Score:
    """How good a network is on some crops, with its running statistics."""
    return score(predict(network, parameters, crops.images, operators=operators), crops.labels)


def score(logits: Array, labels: Array) -> Score:
    """How good scores (n, classes) are, the labels being known."""
    right = (logits.argmax(axis=1) == labels).mean()
    return Score(float(cross_entropy(logits, labels)), float(right))


def predict(
    network: Network,
    parameters: Parameters,
    images: Array,
    *,
    operators: Operators = refimpl.fast,
    batch: int = 64,
) -> Array:
    """Scores (n, classes) of a network at inference."""
    table, last = inference(operators), network.nodes[-1].name
    parts = [images[first : first + batch] for first in range(0, len(images), batch)]
    return np.concatenate(
        [run(network, parameters, part, arithmetic=table)[last] for part in parts]
    )


def inference(operators: Operators) -> Arithmetic:
    """Every kind of node at inference, by the operators of a module."""

    def by_name(kind: str, **options: Any) -> Callable[..., Array]:
        def evaluate(weights: Mapping[str, Any], attributes: Mapping[str, Any], x: Array) -> Array:
            y: Array = getattr(operators, kind)(x, **weights, **attributes, **options)
            return y

        return evaluate

    return {
        **{kind: by_name(kind) for kind in _PLAIN},
        **{kind: by_name(kind, eps=EPS) for kind in _NORMALISED},
        "batch_norm": lambda weights, _, x: operators.batch_norm(x, *weights["bn"], eps=EPS),
        "add": lambda _, __, x, shortcut: x + shortcut,
    }


_PLAIN = (
    "conv2d", "pssa", "local_attention", "global_attention", "xvolution_fused",
    "relu", "max_pool2d", "global_avg_pool", "linear",
)  # fmt: skip
_NORMALISED = ("xvolution", "xvolution_local", "xvolution_global")
