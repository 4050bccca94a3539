"""How a step reads a tensor: address patterns, as data.

A view costs nothing and moves nothing: it says which number of the tensor stands where in the
operand. Each knows the shape that it makes of a shape, how to read an array so, and its adjoint:
the views that put a gradient of the operand back where the numbers were read. Two cannot be undone
by reading alone, because several places read one number: ``Expand`` and ``Windows`` (``sums``).

Source: ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
Numbers: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same numbers in the same order, under another shape."""

    to: Shape

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        if prod(shape) != prod(self.to):
            raise ValueError(f"a reshape must keep all {prod(shape)} numbers, not make {self.to}")
        return self.to

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        return numbers.reshape(self.to)

    def adjoint(self, shape: Shape) -> "Views":
        """Back to ``shape``, that of the tensor."""
        return (Reshape(shape),)


@dataclass(frozen=True, slots=True)
class Transpose:
    """Axes in another order: axis i of the operand is axis ``axes[i]`` of the tensor."""

    axes: tuple[int, ...]

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        return tuple(shape[axis] for axis in self.axes)

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        return numbers.transpose(self.axes)

    def adjoint(self, _: Shape) -> "Views":
        """Back to the tensor's order."""
        return (Transpose(tuple(self.axes.index(axis) for axis in range(len(self.axes)))),)


@dataclass(frozen=True, slots=True)
class Slice:
    """Every ``step``-th index from ``start`` up to ``stop`` along one axis."""

    axis: int
    start: int
    stop: int
    step: int = 1

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        if not 0 <= self.start < self.stop <= shape[self.axis]:
            raise ValueError(f"a slice must lie within axis {self.axis} of {shape}, not be {self}")
        return _with(shape, self.axis, len(range(self.start, self.stop, self.step)))

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        return numbers[(slice(None),) * self.axis + (slice(self.start, self.stop, self.step),)]

    def adjoint(self, shape: Shape) -> "Views":
        """Zeros between and around."""
        count = len(range(self.start, self.stop, self.step))
        after = shape[self.axis] - self.start - (count - 1) * self.step - 1
        return (Spread(self.axis, self.step), Pad(self.axis, self.start, after))


@dataclass(frozen=True, slots=True)
class Flip:
    """The last index first along some axes."""

    axes: tuple[int, ...]

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        return shape

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        return np.flip(numbers, self.axes)

    def adjoint(self, _: Shape) -> "Views":
        """A flip undoes itself."""
        return (self,)


@dataclass(frozen=True, slots=True)
class Pad:
    """Zeros before and after along one axis; negative counts cut off."""

    axis: int
    before: int
    after: int

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        return _with(shape, self.axis, shape[self.axis] + self.before + self.after)

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        size = numbers.shape[self.axis]
        kept = slice(max(0, -self.before), size - max(0, -self.after))
        inner = numbers[(slice(None),) * self.axis + (kept,)]
        padded = np.zeros(self.shape(numbers.shape), numbers.dtype)
        first = max(0, self.before)
        place = slice(first, first + inner.shape[self.axis])
        padded[(slice(None),) * self.axis + (place,)] = inner
        return padded

    def adjoint(self, _: Shape) -> "Views":
        """Cut off what was put there."""
        return (Pad(self.axis, -self.before, -self.after),)


@dataclass(frozen=True, slots=True)
class Spread:
    """``step`` − 1 zeros between neighbours along one axis."""

    axis: int
    step: int

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        return _with(shape, self.axis, (shape[self.axis] - 1) * self.step + 1)

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        spread = np.zeros(self.shape(numbers.shape), numbers.dtype)
        spread[(slice(None),) * self.axis + (slice(None, None, self.step),)] = numbers
        return spread

    def adjoint(self, shape: Shape) -> "Views":
        """Leave out the places of the zeros."""
        return (Slice(self.axis, 0, (shape[self.axis] - 1) * self.step + 1, self.step),)


@dataclass(frozen=True, slots=True)
class Expand:
    """One number read ``size`` times along an axis where the tensor has size 1."""

    axis: int
    size: int

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        if shape[self.axis] != 1:
            raise ValueError(f"an expanded axis must have size 1, not {shape[self.axis]}")
        return _with(shape, self.axis, self.size)

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        return np.broadcast_to(numbers, self.shape(numbers.shape))

    def adjoint(self, _: Shape) -> "Views":
        """There is none: the gradients of all places are summed."""
        raise TypeError("an expanded axis must be summed, which no view does")


@dataclass(frozen=True, slots=True)
class Windows:
    """Every window of an image (n, c, h, w), place by place: (n, c, places, i, j); zeros outside.

    ``padding`` is (top, left); the output grid decides what there is below and to the right.
    """

    kernel: tuple[int, int]
    stride: int
    padding: tuple[int, int]
    dilation: int
    output: tuple[int, int]

    def shape(self, shape: Shape) -> Shape:
        """Shape of what is read."""
        return (*shape[:2], self.kernel[0] * self.kernel[1], *self.output)

    def read(self, numbers: Numbers) -> Numbers:
        """The operand."""
        padded = self.padded(numbers)
        return np.stack([padded[seen] for seen in self.places()], axis=2)

    def adjoint(self, _: Shape) -> "Views":
        """There is none: the gradients of all windows are summed."""
        raise TypeError("windows overlap and must be summed, which no view does")

    def padded(self, numbers: Numbers) -> Numbers:
        """The image with zeros around it, as far as windows reach."""
        (top, left), (height, width) = self.padding, numbers.shape[2:]
        ends = [
            (size - 1) * self.stride + self.dilation * (side - 1) + 1
            for size, side in zip(self.output, self.kernel, strict=True)
        ]
        rows, cols = max(ends[0], top + height), max(ends[1], left + width)
        padded = np.zeros((*numbers.shape[:2], rows, cols), numbers.dtype)
        padded[:, :, top : top + height, left : left + width] = numbers
        return padded

    def places(self) -> Iterator[tuple[slice, ...]]:
        """The part of the padded image that each place of the window sees."""
        for place in np.ndindex(self.kernel):
            rows, cols = (
                slice(
                    at * self.dilation,
                    at * self.dilation + (size - 1) * self.stride + 1,
                    self.stride,
                )
                for at, size in zip(place, self.output, strict=True)
            )
            yield slice(None), slice(None), rows, cols


View: TypeAlias = Reshape | Transpose | Slice | Flip | Pad | Spread | Expand | Windows
Views: TypeAlias = tuple[View, ...]


def shape_through(views: Views, shape: Shape) -> Shape:
    """Shape of an operand that reads a tensor of ``shape`` through ``views``, first one first."""
    for view in views:
        shape = view.shape(shape)
    return shape


def read_through(views: Views, numbers: Numbers) -> Numbers:
    """The operand itself."""
    for view in views:
        numbers = view.read(numbers)
    return numbers


def _with(shape: Shape, axis: int, size: int) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])
