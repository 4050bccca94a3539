"""What each kind of node does in training, and how its gradient comes back.

A rule takes a node, its weights and its inputs; it returns the output, a function that pulls the
gradient of the output back, and the batch statistics of every normalisation inside. Normalisation
is by the batch's own statistics. Almost every kind is an operator of ``refimpl`` with its backward,
by name; an X-volution is two of them, each normalised:

    y = BN_c(conv2d(x, w_c)) + BN_a(attention(x, …))        ∂ through both, ∂x adds

Source: Griewank and Walther, "Evaluating Derivatives", SIAM (2008), section 3.2 (reverse mode);
Ioffe and Szegedy, arXiv:1502.03167 (2015), for training-mode normalisation.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from refimpl.arrays import Array
from refimpl.nets.graph import EPS, Node
from refimpl.ops.batch_norm import Normalised
from refimpl.ops.conv2d import same_padding

Weights: TypeAlias = Mapping[str, Any]
Operators: TypeAlias = Any  # a module with the operators' names: refimpl, or refimpl.fast


class Pulled(NamedTuple):
    """Gradients of a node's inputs in order, and of its arrays by key inside the node."""

    inputs: tuple[Array, ...]
    arrays: dict[str, Array]


class Traced(NamedTuple):
    """Output of a node, its pullback, and the statistics of its normalisations by name."""

    y: Array
    pull: Callable[[Array], Pulled]
    norms: dict[str, Normalised]


Rule: TypeAlias = Callable[..., Traced]


def trace(operators: Operators, node: Node, weights: Weights, *inputs: Array) -> Traced:
    """Evaluate a node in training mode, ready to pull a gradient back.

    Raises
    ------
    ValueError
        If no gradient is known for this kind of node.
    """
    rule = _SPECIAL.get(node.kind, _by_name if node.kind in _BY_NAME else None)
    if rule is None:
        known = ", ".join(sorted({*_SPECIAL, *_BY_NAME}))
        raise ValueError(f"a node to be trained must be one of {known}, not {node.kind!r}")
    return rule(operators, node.kind, weights, node.attributes, *inputs)


def _by_name(
    operators: Operators, kind: str, weights: Weights, attributes: Mapping[str, Any], x: Array
) -> Traced:
    """An operator and its backward, which takes every array but the bias."""
    needed = {name: array for name, array in weights.items() if name != "b"}

    def pull(dy: Array) -> Pulled:
        grads = getattr(operators, f"{kind}_backward")(dy, x, **needed, **attributes)
        return Pulled((grads.x,), {name: getattr(grads, name) for name in weights})

    return Traced(getattr(operators, kind)(x, **weights, **attributes), pull, {})


def _batch_norm(
    operators: Operators, _: str, weights: Weights, __: Mapping[str, Any], x: Array
) -> Traced:
    return _normalise(operators, "bn", weights["bn"], x)


def _normalise(operators: Operators, name: str, bn: Any, x: Array) -> Traced:
    normal = operators.batch_norm_training(x, bn.gamma, bn.beta, eps=EPS)

    def pull(dy: Array) -> Pulled:
        grads = operators.batch_norm_training_backward(dy, x, bn.gamma, eps=EPS)
        return Pulled((grads.x,), {f"{name}.gamma": grads.gamma, f"{name}.beta": grads.beta})

    return Traced(normal.y, pull, {name: normal})


def _add(
    _: Operators, __: str, ___: Weights, ____: Mapping[str, Any], x: Array, shortcut: Array
) -> Traced:
    return Traced(x + shortcut, lambda dy: Pulled((dy, dy), {}), {})


def _xvolution(
    operators: Operators, kind: str, weights: Weights, attributes: Mapping[str, Any], x: Array
) -> Traced:
    padding = same_padding(weights["w_c"].shape[2:])
    attention, own = _ATTENTION[kind]
    conv = _by_name(
        operators, "conv2d", {"w": weights["w_c"]},
        {"stride": attributes["stride"], "padding": padding}, x,
    )  # fmt: skip
    other = _by_name(
        operators, attention, {name: weights[key] for key, name in own.items()}, attributes, x
    )
    norm_c = _normalise(operators, "bn_c", weights["bn_c"], conv.y)
    norm_a = _normalise(operators, "bn_a", weights["bn_a"], other.y)

    def pull(dy: Array) -> Pulled:
        through_c, through_a = norm_c.pull(dy), norm_a.pull(dy)
        convs, others = conv.pull(through_c.inputs[0]), other.pull(through_a.inputs[0])
        arrays = {key: others.arrays[name] for key, name in own.items()}
        arrays |= {"w_c": convs.arrays["w"], **through_c.arrays, **through_a.arrays}
        return Pulled((convs.inputs[0] + others.inputs[0],), arrays)

    return Traced(norm_c.y + norm_a.y, pull, {**norm_c.norms, **norm_a.norms})


_PROJECTIONS = {name: name for name in ("w_q", "w_k", "w_v")}
_ATTENTION: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "xvolution": ("pssa", {"w_a": "w"}),
    "xvolution_local": ("local_attention", _PROJECTIONS),
    "xvolution_global": ("global_attention", _PROJECTIONS),
}
_SPECIAL: Mapping[str, Rule] = {
    "batch_norm": _batch_norm,
    "add": _add,
    **dict.fromkeys(_ATTENTION, _xvolution),
}
_BY_NAME = {
    "conv2d", "pssa", "local_attention", "global_attention",
    "relu", "max_pool2d", "global_avg_pool", "linear",
}  # fmt: skip
