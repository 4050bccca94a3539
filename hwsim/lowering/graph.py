"""Primitives with the tensors between them: a small typed dataflow graph.

A ``Step`` applies one *function* to operands and writes one tensor; its primitive says what that
costs. The functions, by the primitive that carries them:

    Convolution      convolution  x, w and perhaps what the sums start from (a bias)
    Elementwise      add, subtract, multiply, square, scale, affine (x, a, b), relu,
                     relu-gradient (y, x), divide, root-inverse (1/√(x + ε))
    Softmax          softmax over the last axis, places outside the image left out if masked
    Reduction        sum (over axes), fold (windows back into an image)
    Shift            shift
    PerPixel         score, weigh, scatter, mix, spread, outer
    TiledAttention   attend

An ``Operand`` is one tensor or several side by side along the channels (axis 1), each read through
views: concatenations, reshapes, strides and windows are addresses, not work. The policy is the same
for all forms; a machine that has to copy is charged by ``hwsim.evaluate``.

Source: ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.lowering.views import Shape, Views, shape_through
from hwsim.workload import (
    Convolution,
    Elementwise,
    Primitive,
    Reduction,
    Shift,
    Softmax,
    macs_of,
)

ROLES = ("input", "weight", "activation")
FUNCTIONS: Mapping[str, type] = {
    "convolution": Convolution,
    **dict.fromkeys(
        (
            "add",
            "subtract",
            "multiply",
            "square",
            "scale",
            "affine",
            "relu",
            "relu-gradient",
            "divide",
            "root-inverse",
        ),
        Elementwise,
    ),
    "softmax": Softmax,
    "sum": Reduction,
    "fold": Reduction,
    "shift": Shift,
    **dict.fromkeys(("score", "weigh", "scatter", "mix", "spread", "outer"), PerPixel),
    "attend": TiledAttention,
}
"""The primitive that carries each function."""


class Tensor(NamedTuple):
    """A tensor by name; ``role`` says whether it is given, learnt, or made by a step."""

    name: str
    shape: Shape
    role: str = "activation"

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return prod(self.shape)


class Part(NamedTuple):
    """One tensor of an operand, read through views."""

    tensor: str
    views: Views = ()


class Operand(NamedTuple):
    """Parts side by side along axis 1, and the views through which all of them are read."""

    parts: tuple[Part, ...]
    views: Views = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One primitive with what it reads and the tensor it writes."""

    function: str
    primitive: Primitive
    reads: tuple[Operand, ...]
    writes: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Steps in the order they run; ``results`` names what comes out, as it is read.

    ``ValueError`` if a step reads what nobody has written, writes what is there already, or is
    carried by a primitive of another kind.
    """

    tensors: Mapping[str, Tensor]
    steps: tuple[Step, ...]
    results: Mapping[str, Operand]

    def __post_init__(self) -> None:
        known = {name for name, each in self.tensors.items() if each.role != "activation"}
        for step in self.steps:
            for part in (part for operand in step.reads for part in operand.parts):
                if part.tensor not in known:
                    raise ValueError(
                        f"{step.writes} must read tensors that are there, not {part.tensor}"
                    )
            if step.writes in known or step.writes not in self.tensors:
                raise ValueError(f"{step.writes} must be declared, and written once")
            if not isinstance(step.primitive, FUNCTIONS[step.function]):
                raise ValueError(  # noqa: TRY004 - a mistake in the graph, not in a call
                    f"{step.function} must be carried by {FUNCTIONS[step.function].__name__}, "
                    f"not {type(step.primitive).__name__}"
                )
            known.add(step.writes)

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """What is costed, in order."""
        return tuple(step.primitive for step in self.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all steps."""
        return sum(macs_of(primitive) for primitive in self.primitives)

    @property
    def products(self) -> int:
        """Elementwise products: what a vector unit multiplies, normalisations left out."""
        kinds = {"multiply", "square"}
        return sum(
            step.primitive.elements
            for step in self.steps
            if step.function in kinds and isinstance(step.primitive, Elementwise)
        )

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Tensors that steps make; a shifted map that is only read elsewhere is among them."""
        return tuple(each for each in self.tensors.values() if each.role == "activation")

    @property
    def largest(self) -> Tensor:
        """The largest tensor that a step makes."""
        return max(self.activations, key=lambda each: each.elements)

    def shape_of(self, operand: Operand) -> Shape:
        """Shape of an operand; ``ValueError`` if its parts do not fit side by side."""
        parts = operand.parts
        shapes = [shape_through(part.views, self.tensors[part.tensor].shape) for part in parts]
        return shape_through(operand.views, side_by_side(shapes))


def side_by_side(shapes: list[Shape]) -> Shape:
    """Shape of tensors joined along axis 1; ``ValueError`` if they do not fit."""
    first = shapes[0]
    if len(shapes) == 1:
        return first
    for shape in shapes[1:]:
        if shape[:1] + shape[2:] != first[:1] + first[2:]:
            raise ValueError(f"tensors side by side must agree but for channels, not be {shapes}")
    return (first[0], sum(shape[1] for shape in shapes), *first[2:])
