"""What each kind of node computes, by the definitions of ``refimpl.ops``: the caller's number type.

An evaluation is a function of weights, attributes and inputs. Attention into which a normalisation
was folded has a bias beside its projections, added to every pixel.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import refimpl as ref
from refimpl.arrays import Array
from refimpl.nets.branches import ATTENTION
from refimpl.nets.graph import EPS

Weights: TypeAlias = Mapping[str, Any]
Evaluate: TypeAlias = Callable[..., Array]
Arithmetic: TypeAlias = Mapping[str, Evaluate]


def _plain(operator: Evaluate) -> Evaluate:
    return lambda weights, attributes, x: operator(x, **weights, **attributes)


def _attention(operator: Evaluate) -> Evaluate:
    def evaluate(weights: Weights, attributes: Mapping[str, Any], x: Array) -> Array:
        projections = {name: weights[name] for name in ("w_q", "w_k", "w_v")}
        y = operator(x, **projections, **attributes)
        return y + weights["b"][:, None, None] if "b" in weights else y

    return evaluate


def _xvolution(operator: Evaluate) -> Evaluate:
    return lambda weights, attributes, x: operator(x, **weights, **attributes, eps=EPS)


MOVES: Arithmetic = {
    "relu": lambda _, __, x: ref.relu(x),
    "add": lambda _, __, x, shortcut: x + shortcut,
    "flatten": lambda _, __, x: x.reshape(len(x), -1),
    "max_pool2d": lambda _, attributes, x: ref.max_pool2d(x, **attributes),
    "upsample_nearest": lambda _, __, x, like: ref.upsample_nearest(x, size=like.shape[2:]),
}
"""Kinds that round nothing, or once, and so are the same in every arithmetic."""

DEFINITIONS: Arithmetic = {
    **MOVES,
    "conv2d": _plain(ref.conv2d),
    "pssa": _plain(ref.pssa),
    "xvolution_fused": _plain(ref.xvolution_fused),
    "linear": _plain(ref.linear),
    "local_response_norm": _plain(ref.local_response_norm),
    "global_avg_pool": _plain(ref.global_avg_pool),
    "batch_norm": lambda weights, _, x: ref.batch_norm(x, *weights["bn"], eps=EPS),
    "local_attention": _attention(ref.local_attention),
    "global_attention": _attention(ref.global_attention),
    **{kind: _xvolution(getattr(ref, kind)) for kind in ATTENTION},
}
