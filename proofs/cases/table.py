"""What a case is: an operator, exact inputs, its options, and what laws may ask of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

import refimpl as ref

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Inputs: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCase:
    """An operator, its backward, exact inputs, and what the backward is given of them.

    ``inputs`` maps argument names to arrays of rationals or (for batch normalisation) a tuple of
    them; ``constants`` are arrays that have no gradient and keep their number type, such as labels,
    and go to forward and backward alike. ``inexact`` says which functions beyond + − × the operator
    takes from the number type; ``piecewise``, that it is linear between kinks; ``mixes_images``,
    that the output depends on the batch as a whole, which then cannot be empty.
    """

    name: str
    inputs: Inputs
    backward_needs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Array] = field(default_factory=dict)
    inexact: tuple[str, ...] = ()
    piecewise: bool = False
    mixes_images: bool = False

    @property
    def polynomial(self) -> bool:
        """Whether the output is a polynomial in the inputs, with rational coefficients."""
        return not self.inexact and not self.piecewise

    @property
    def label(self) -> str:
        """Operator and options, for test ids and evidence."""
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}({options})"

    def forward(self, inputs: Inputs) -> Array:
        """Run the shipped operator; in training mode its output is the first of its results."""
        result = getattr(ref, self.name)(**inputs, **self.constants, **self.options)
        return result if isinstance(result, np.ndarray) else result[0]

    def backward(self, dy: Array, inputs: Inputs) -> dict[str, Any]:
        """Run the shipped backward; gradients by name, of the arguments that were given."""
        needed = {name: inputs[name] for name in self.backward_needs}
        function: Callable[..., Any] = getattr(ref, f"{self.name}_backward")
        grads = function(dy, **needed, **self.constants, **self.options)._asdict()
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
