"""One small exact example of every public operator.

The table drives the checks that every operator must pass, here (the gradient claim) and in the
tests; an operator of ``refimpl.__all__`` that is missing from it fails both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

import refimpl as ref
from proofs.rings import rationals

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Inputs: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCase:
    """An operator, its backward, exact inputs, and what the backward is given of them.

    ``inputs`` maps argument names to arrays of rationals or (for batch normalisation) a tuple of
    them; ``inexact`` says which functions beyond + − × it takes from the number type.
    """

    name: str
    inputs: Inputs
    backward_needs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    inexact: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Operator and options, for test ids and evidence."""
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}({options})"

    def forward(self, inputs: Inputs) -> Array:
        """Run the shipped operator; in training mode its output is the first of its results."""
        result = getattr(ref, self.name)(**inputs, **self.options)
        return result if isinstance(result, np.ndarray) else result[0]

    def backward(self, dy: Array, inputs: Inputs) -> dict[str, Any]:
        """Run the shipped backward; gradients by name, of the arguments that were given."""
        needed = {name: inputs[name] for name in self.backward_needs}
        function: Callable[..., Any] = getattr(ref, f"{self.name}_backward")
        grads = function(dy, **needed, **self.options)._asdict()
        return {name: grads[name] for name in self.inputs}


def leaves(inputs: Any) -> Iterator[tuple[Path, Array]]:
    """Yield every array among the inputs with the path of names and numbers that leads to it."""
    for step, value in _members(inputs):
        if isinstance(value, np.ndarray):
            yield (step,), value
        else:
            yield from (((step, *rest), array) for rest, array in leaves(value))


def at(inputs: Any, path: Path) -> Array:
    """Return the array at a path."""
    for step in path:
        inputs = dict(_members(inputs))[step]
    return np.asarray(inputs)


def with_leaf(inputs: Any, path: Path, array: Array) -> Any:
    """Replace the array at a path."""
    step, *rest = path
    new = with_leaf(dict(_members(inputs))[step], tuple(rest), array) if rest else array
    if isinstance(inputs, dict):
        return inputs | {step: new}
    members = [new if name == step else value for name, value in _members(inputs)]
    return type(inputs)(*members) if hasattr(inputs, "_fields") else tuple(members)


def _members(value: Any) -> list[tuple[str, Any]]:
    """Members of a table, of a named tuple by name, of a plain tuple by number."""
    if isinstance(value, dict):
        return list(value.items())
    if hasattr(value, "_fields"):
        return list(value._asdict().items())
    return [(str(number), member) for number, member in enumerate(value)]


def cast(inputs: Inputs, convert: Callable[[Array], Array]) -> Inputs:
    """Convert every array among the inputs."""
    for path, array in leaves(inputs):
        inputs = with_leaf(inputs, path, convert(array))
    return inputs


def _r(*shape: int, seed: int = 0) -> Array:
    return rationals(*shape, seed=seed + 17 * sum(shape))


def square_bn(channels: int, seed: int) -> ref.BatchNorm:
    """Normalisation whose var + eps (eps = 1/4) is the square of a rational, channel by channel."""
    roots = np.array([Fraction(3 + c + seed, 2 + c) for c in range(channels)], object)
    return ref.BatchNorm(
        _r(channels, seed=seed),
        _r(channels, seed=seed + 1),
        _r(channels, seed=seed + 2),
        roots * roots - Fraction(1, 4),
    )


def _balanced(*shape: int) -> Array:
    """Channels that all hold ±1/2 in equal number: biased variance 1/4, exactly."""
    rng = np.random.default_rng(5)
    n, channels, height, width = shape
    signs = np.resize([1, -1], n * height * width)
    rows = [rng.permutation(signs).reshape(n, height, width) for _ in range(channels)]
    return np.asarray(np.stack(rows, axis=1) * HALF, object)


def _distinct(*shape: int) -> Array:
    """All different and none 0, where relu and the maximum have a derivative."""
    size = int(np.prod(shape))
    shuffled = np.random.default_rng(3).permutation(size) - size // 2
    return np.asarray(shuffled.reshape(shape).astype(object) + Fraction(1, 3), object)


def _one_hot_rows(outputs: int, inputs: int, scale: Fraction) -> Array:
    """1×1 kernels that pick one channel each, times ``scale``."""
    w = np.full((outputs, inputs, 1, 1), Fraction(0), object)
    for o in range(outputs):
        w[o, o % inputs, 0, 0] = scale
    return w


QUARTER = {"eps": Fraction(1, 4)}
NOT_SQUARE = {"directions": ((0, 1), (-1, 2)), "boundary": "zero", "length": 2}

CASES: tuple[OperatorCase, ...] = (
    OperatorCase(
        name="conv2d",
        inputs={"x": _r(2, 4, 6, 5), "w": _r(6, 2, 3, 2), "b": _r(6)},
        backward_needs=("x", "w"),
        options={"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2},
    ),
    OperatorCase(
        name="batch_norm",
        inputs={"x": _r(2, 3, 2, 3)} | square_bn(3, 1)._asdict(),
        backward_needs=("x", "gamma", "mean", "var"),
        options=QUARTER,
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="batch_norm_training",
        inputs={"x": _balanced(2, 3, 2, 3), "gamma": _r(3), "beta": _r(3, seed=1)},
        backward_needs=("x", "gamma"),
        options={"eps": 2},  # variance 1/4, so σ² + ε = (3/2)²
        inexact=("sqrt",),
    ),
    OperatorCase(name="relu", inputs={"x": _distinct(2, 3, 4, 3)}, backward_needs=("x",)),
    OperatorCase(
        name="shift",
        inputs={"x": _r(1, 2, 4, 5)},
        backward_needs=(),
        options={"offset": (-1, 2)},
    ),
    OperatorCase(
        name="shift",
        inputs={"x": _r(1, 2, 3, 2)},
        backward_needs=(),
        options={"offset": (1, -3), "boundary": "zero"},
    ),
    OperatorCase(
        name="shift_product", inputs={"q": _r(2, 2, 3, 4)}, backward_needs=("q",), options={}
    ),
    OperatorCase(
        name="shift_product",
        inputs={"q": _r(1, 2, 3, 4), "k": _r(1, 2, 3, 4, seed=1)},
        backward_needs=("q", "k"),
        options=NOT_SQUARE,
    ),
    OperatorCase(
        name="pssa",
        inputs={"x": _r(1, 2, 4, 3), "w": _r(3, 8, 3, 3), "b": _r(3)},
        backward_needs=("x", "w"),
        options={"stride": 2},
    ),
    OperatorCase(
        name="pssa",
        inputs={
            "x": _r(1, 2, 3, 4),
            "w": _r(2, 6, 1, 3),
            "w_q": _r(3, 2),
            "w_k": _r(3, 2, seed=1),
        },
        backward_needs=("x", "w", "w_q", "w_k"),
        options=NOT_SQUARE,
    ),
    OperatorCase(
        name="pssa_stack",
        inputs={
            "x": _r(1, 2, 3, 2),
            "w": _r(2, 4, 1, 1),
            "b": _r(2),
            "levels": (
                ref.Level(_r(2, 4, 1, 3), square_bn(2, 1)),
                ref.Level(_r(2, 4, 1, 1, seed=1), square_bn(2, 4)),
            ),
        },
        backward_needs=("x", "w", "levels"),
        options={
            "lengths": (1, 2, 1),
            "directions": ((0, 1), (1, 0)),
            "boundary": "zero",
            "stride": 2,
            **QUARTER,
        },
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="pssa_stack",
        inputs={"x": _r(1, 2, 2, 3), "w": _r(1, 8, 3, 3)},
        backward_needs=("x", "w"),
        options={"lengths": (1, 2)},
    ),
    OperatorCase(
        name="global_attention",
        inputs={"x": _r(2, 2, 2, 3), "w_q": _r(3, 2), "w_k": _r(3, 2, seed=1), "w_v": _r(2, 2)},
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"scale": Fraction(2, 3), "stride": (1, 2)},
        inexact=("exp",),
    ),
    OperatorCase(
        name="global_attention",
        inputs={"x": _r(1, 2, 3, 3), "w_q": _r(3, 2), "w_k": _r(3, 2, seed=1), "w_v": _r(2, 2)},
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"normalise": "none"},
    ),
    OperatorCase(
        name="global_attention",
        inputs={
            "x": _r(1, 2, 2, 3),
            "w_q": _r(4, 2),
            "w_k": _r(4, 2, seed=1),
            "w_v": _r(2, 2),
            "w_o": _r(3, 2),
        },
        backward_needs=("x", "w_q", "w_k", "w_v", "w_o"),
        options={"normalise": "none", "order": "context", "heads": 2},
    ),
    OperatorCase(
        name="aa_conv2d",
        inputs={
            "x": _r(2, 2, 2, 3),
            "w_c": _r(2, 2, 3, 3),
            "w_q": _r(4, 2),
            "w_k": _r(4, 2, seed=1),
            "w_v": _r(2, 2),
            "w_o": _r(2, 2, seed=2),
            "b_c": _r(2),
            "rel_h": _r(3, 2),
            "rel_w": _r(5, 2),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "w_o", "rel_h", "rel_w"),
        options={"heads": 2, "scale": HALF, "stride": (1, 2)},
        inexact=("exp",),
    ),
    OperatorCase(
        name="aa_conv2d",
        inputs={
            "x": _r(1, 2, 3, 2),
            "w_c": _r(1, 2, 1, 1),
            "w_q": _r(2, 2),
            "w_k": _r(2, 2, seed=1),
            "w_v": _r(3, 2),
            "w_o": _r(3, 3),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "w_o"),
        options={"scale": HALF},
        inexact=("exp",),
    ),
    OperatorCase(
        name="local_attention",
        inputs={"x": _r(2, 2, 3, 4), "w_q": _r(3, 2), "w_k": _r(3, 2, seed=1), "w_v": _r(2, 2)},
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"stride": (2, 1), "dilation": (1, 2)},
    ),
    OperatorCase(
        name="local_attention",
        inputs={"x": _r(1, 2, 3, 2), "w_q": _r(2, 2), "w_k": _r(2, 2, seed=1), "w_v": _r(3, 2)},
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"normalise": "softmax", "scale": Fraction(1, 2), "kernel": (3, 1)},
        inexact=("exp",),
    ),
    OperatorCase(
        name="xvolution",
        inputs={
            "x": _r(1, 2, 4, 3),
            "w_c": _r(2, 2, 3, 3),
            "w_a": _r(2, 8, 1, 1),
            "bn_c": square_bn(2, 1),
            "bn_a": square_bn(2, 4),
            "b_c": _r(2),
            "b_a": _r(2, seed=1),
        },
        backward_needs=("x", "w_c", "w_a", "bn_c", "bn_a", "b_c", "b_a"),
        options={"stride": 2, **QUARTER},
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="xvolution_local",
        inputs={
            "x": _r(1, 2, 3, 2),
            "w_c": _r(2, 2, 3, 3),
            "w_q": _r(3, 2),
            "w_k": _r(3, 2, seed=1),
            "w_v": _r(2, 2),
            "bn_c": square_bn(2, 1),
            "bn_a": square_bn(2, 4),
            "b_c": _r(2),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "bn_c", "bn_a", "b_c"),
        options={"normalise": "softmax", "scale": HALF, **QUARTER},
        inexact=("exp", "sqrt"),
    ),
    OperatorCase(
        name="xvolution_global",
        inputs={
            "x": _r(1, 2, 3, 2),
            "w_c": _r(2, 2, 3, 3),
            "w_q": _r(3, 2),
            "w_k": _r(3, 2, seed=1),
            "w_v": _r(2, 2),
            "bn_c": square_bn(2, 1),
            "bn_a": square_bn(2, 4),
            "b_c": _r(2),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "bn_c", "bn_a", "b_c"),
        options={"normalise": "none", "stride": 2, **QUARTER},
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="xvolution_training",
        # ±1/2 everywhere: x has variance 1/4; its products with itself ±1/4, whose variance depends
        # on the draw, so the branch kernels below copy channels and the products are balanced too.
        inputs={
            "x": np.asarray(
                np.array([[1, 1, -1, -1], [1, 1, -1, -1]]).reshape(1, 2, 1, 4) * HALF, object
            ),
            "w_c": _one_hot_rows(2, 2, Fraction(1)),
            "w_a": _one_hot_rows(2, 4, Fraction(2)),
            "gamma_c": _r(2),
            "beta_c": _r(2, seed=1),
            "gamma_a": _r(2, seed=2),
            "beta_a": _r(2, seed=3),
            "b_c": _r(2, seed=4),
            "b_a": _r(2, seed=5),
        },
        backward_needs=("x", "w_c", "w_a", "gamma_c", "gamma_a", "b_c", "b_a"),
        options={"directions": ((0, 1), (0, -1)), "eps": 2},
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="xvolution_fused",
        inputs={"x": _r(1, 2, 3, 4), "w": _r(3, 10, 3, 3), "b": _r(3)},
        backward_needs=("x", "w"),
        options={"boundary": "zero"},
    ),
    OperatorCase(
        name="max_pool2d",
        inputs={"x": _distinct(2, 2, 5, 4)},
        backward_needs=("x",),
        options={"kernel": 3, "stride": 2, "padding": 1},
    ),
    OperatorCase(name="global_avg_pool", inputs={"x": _r(2, 3, 2, 3)}, backward_needs=("x",)),
    OperatorCase(
        name="linear",
        inputs={"x": _r(2, 3), "w": _r(4, 3), "b": _r(4)},
        backward_needs=("x", "w"),
    ),
)


def operators() -> set[str]:
    """Names of the public operators: functions that have a backward."""
    return {name.removesuffix("_backward") for name in ref.__all__ if name.endswith("_backward")}
