"""Array types with named axes, and the decorator that enforces them at every call.

An operator writes its shapes once, in its signature: ``x: Shaped[Array, "n c h w"]``. The same
letter must be the same size wherever it stands in one signature. The number type is free: float64,
float32, ``fractions.Fraction``, integers modulo a prime, all in NumPy arrays.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, TypeAlias, TypeVar, cast, get_args

import numpy as np
from beartype import beartype
from jaxtyping import Shaped, TypeCheckError, jaxtyped

__all__ = [
    "Array",
    "Pair",
    "ShapeError",
    "Shaped",
    "alike",
    "check_upstream",
    "is_integer",
    "pair",
    "shaped",
    "zero_pad",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Pair: TypeAlias = int | tuple[int, int]
Function = TypeVar("Function", bound=Callable[..., Any])


class ShapeError(ValueError):
    """An array whose axes are not what the operator's signature says."""


def shaped(function: Function) -> Function:
    """Check the shapes of arguments and result against the signature, on every call.

    Options (arguments without named axes) are the operator's own to check: it knows what they mean.

    Raises
    ------
    ShapeError
        One sentence: which shapes the function takes, and which it was given.
    """
    checked = jaxtyped(_arrays_only(function), typechecker=beartype)
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return checked(*args, **kwargs)
        except TypeCheckError as error:
            bound = signature.bind(*args, **kwargs).arguments
            sentence = _shape_sentence(function.__name__, signature, bound)
            raise ShapeError(sentence) from error

    return cast("Function", call)


def check_upstream(operator: str, dy: Array, shape: tuple[int, ...]) -> None:
    """Refuse an upstream gradient that does not have the shape of the output.

    Raises
    ------
    ShapeError
        One sentence with both shapes.
    """
    if dy.shape != tuple(shape):
        raise ShapeError(
            f"{operator}_backward must be given dy of the output's shape {tuple(shape)}, "
            f"not {dy.shape}"
        )


def zeros_for(x: Array, *factors: Array) -> Array:
    """Zeros in the shape of ``x``, of the number type that sums of its products have.

    A gradient of an integer array is no integer: what is summed into these zeros stays whole.
    """
    return np.zeros(x.shape, np.result_type(x, *factors))


def alike(kind: type, *arrays: Array) -> list[Array]:
    """Arrays broadcast to one shape, of one type, contiguous and writable, for compiled loops.

    ``np.broadcast_arrays`` may give views that are contiguous and may not be written.
    """
    shape = np.broadcast_shapes(*(each.shape for each in arrays))
    return [
        np.ascontiguousarray(each, kind)
        if each.shape == shape
        else np.array(np.broadcast_to(each, shape), kind, order="C")
        for each in arrays
    ]


def is_integer(value: object) -> bool:
    """Whether a value is an integer, NumPy's included, and not a truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def pair(name: str, value: Pair, *, least: int) -> tuple[int, int]:
    """Return ``value`` as (vertical, horizontal), each at least ``least``.

    Raises
    ------
    ValueError
        If it is neither an integer nor a pair of integers, or too small.
    """
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or not all(is_integer(each) and each >= least for each in both):
        raise ValueError(
            f"{name} must be an integer or a pair of integers of at least {least}, not {value!r}"
        )
    return int(both[0]), int(both[1])


def zero_pad(x: Array, rows: int, cols: int) -> Array:
    """Surround the last two axes with ``rows`` and ``cols`` zeros of the array's own type.

    (``np.pad`` would put NumPy integers into an array of exact numbers, and those overflow.)
    """
    *rest, height, width = x.shape
    padded = np.zeros((*rest, height + 2 * rows, width + 2 * cols), x.dtype)
    padded[..., rows : rows + height, cols : cols + width] = x
    return padded


def _arrays_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, annotated with its array shapes and nothing else."""
    same = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    same.__kwdefaults__ = function.__kwdefaults__
    same.__annotations__ = {
        name: annotation
        for name, annotation in function.__annotations__.items()
        if _axes(annotation) is not None
    }
    return same


def _shape_sentence(name: str, signature: inspect.Signature, bound: dict[str, Any]) -> str:
    wanted, given = [], []
    for argument, parameter in signature.parameters.items():
        axes = _axes(parameter.annotation)
        if axes is None or bound.get(argument) is None:
            continue
        wanted.append(f"{argument} ({axes})")
        given.append(f"{argument} {_describe(bound[argument])}")
    return f"{name} must be given {', '.join(wanted)}, not {', '.join(given)}"


def _axes(annotation: Any) -> str | None:
    """Axis names in a ``Shaped[...]`` annotation, also inside ``... | None``."""
    for each in (annotation, *get_args(annotation)):
        if hasattr(each, "dim_str"):
            return str(each.dim_str)
    return None


def _describe(value: object) -> str:
    return str(value.shape) if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
