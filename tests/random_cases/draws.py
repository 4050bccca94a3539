"""What every strategy draws from: sides, strides, directions; and cases with zeros for arrays."""

import inspect
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

import refimpl as ref
from proofs.cases import OperatorCase, leaves, with_leaf

few = st.integers(1, 3)
sides = st.integers(1, 5)
pairs = st.tuples(few, few)
dilations = st.tuples(st.integers(1, 2), st.integers(1, 2))
odd_sides = st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3]))
boundaries = st.sampled_from(["circular", "zero"])
offsets = st.tuples(st.integers(-3, 3), st.integers(-3, 3)).filter(any)
directions = st.one_of(
    st.sampled_from([ref.FOUR_DIRECTIONS, ref.EIGHT_DIRECTIONS]),
    st.lists(offsets, min_size=1, max_size=3).map(tuple),
)
scales = st.sampled_from([None, 2])
flags = st.booleans()


@st.composite
def images(draw, *, least=0):
    """Shape of a batch of images."""
    return draw(st.integers(least, 2)), draw(few), draw(sides), draw(sides)


def case(
    name, shapes, options=None, *, inexact=(), piecewise=False, mixes_images=False, labels=None
):
    """A case with zeros for arrays; what backward needs is read off its signature."""
    wanted = inspect.signature(getattr(ref, f"{name}_backward")).parameters
    return OperatorCase(
        name=name,
        inputs={key: zeros(shape) for key, shape in shapes.items()},
        backward_needs=tuple(key for key in shapes if key in wanted),
        options=options or {},
        constants={} if labels is None else {"labels": np.array(labels)},
        inexact=inexact,
        piecewise=piecewise,
        mixes_images=mixes_images,
    )


def zeros(shape):
    """Zeros of a shape, or of every shape in a tuple of shapes."""
    if not all(isinstance(each, int) for each in shape):
        members = [zeros(each) for each in shape]
        return type(shape)(*members) if hasattr(shape, "_fields") else tuple(members)
    return np.zeros(shape)


def filled(of: OperatorCase, make: Callable[[tuple[str, ...], tuple[int, ...]], np.ndarray]):
    """The case with ``make(path, shape)`` in place of every array."""
    inputs = of.inputs
    for path, array in leaves(of.inputs):
        inputs = with_leaf(inputs, path, make(path, array.shape))
    return replace(of, inputs=inputs)


def bn(channels):
    return ref.BatchNorm(*[(channels,)] * 4)


@st.composite
def shifts(draw):
    return {
        "directions": draw(directions),
        "length": draw(st.integers(1, 2)),
        "boundary": draw(boundaries),
    }
