"""Hypothesis strategies for operators: small integers in arrays, so that every sum is exact.

Sides are 1 … 4, so images are smaller than kernels now and then; values shrink towards 0 and arrays
towards a single number, which is what makes a counterexample readable. Needs ``hypothesis``.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from refimpl import FOUR_DIRECTIONS

SIDES = st.integers(1, 4)
OFFSETS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, 2))


def integers(*shape: int, low: int = -3, high: int = 3, dtype: str = "float64") -> Any:
    """Arrays of small integers in some number type."""
    values = st.integers(low, high).map(np.dtype(dtype).type)
    return arrays_of.arrays(np.dtype(dtype), shape, elements=values, fill=st.nothing())


@st.composite
def images(draw: Any, *, channels: int = 2, batch: int = 1, dtype: str = "float64") -> Any:
    """Images (n, c, h, w) of up to 4×4 pixels, and up to so many channels."""
    shape = (batch, draw(st.integers(1, channels)), draw(SIDES), draw(SIDES))
    return draw(integers(*shape, dtype=dtype))


def option(fixed: dict[str, Any], name: str, otherwise: Any) -> Any:
    """The strategy of an option: its fixed value if it has one."""
    return st.just(fixed[name]) if name in fixed else otherwise


@st.composite
def pssa_arguments(draw: Any, fixed: dict[str, Any]) -> dict[str, Any]:
    """Arguments of pixel-shift self-attention: image, kernels and every option."""
    some = st.lists(st.sampled_from(OFFSETS), min_size=1, max_size=3, unique=True).map(tuple)
    directions = draw(option(fixed, "directions", st.one_of(some, st.just(FOUR_DIRECTIONS))))
    x, side = draw(images()), draw(st.sampled_from((1, 3)))
    w = draw(integers(1, len(directions) * x.shape[1], side, side))
    return {
        "x": x,
        "w": w,
        "directions": directions,
        "length": draw(option(fixed, "length", st.integers(1, 2))),
        "boundary": draw(option(fixed, "boundary", st.sampled_from(("circular", "zero")))),
        "stride": draw(option(fixed, "stride", st.integers(1, 2))),
        "dilation": draw(option(fixed, "dilation", st.integers(1, 2))),
    }


@st.composite
def normalisations(draw: Any, channels: int, eps: float) -> Any:
    """γ, β, μ and σ² whose deviation √(σ² + ε) is a power of two: then all of it is exact."""
    gamma, beta, mean = draw(integers(3, channels))
    roots = 2.0 ** draw(integers(channels, low=-1, high=1))
    return gamma, beta, mean, roots * roots - eps


@st.composite
def trained_arguments(draw: Any, fixed: dict[str, Any]) -> dict[str, Any]:
    """A trained X-volution: image, both branches' kernels, biases and normalisations."""
    x, outputs = draw(images(channels=1)), draw(st.integers(1, 2))
    sides = draw(option(fixed, "sides", st.sampled_from(((1, 1), (3, 3), (3, 1)))))
    kernels = [
        draw(integers(outputs, count * x.shape[1], side, side))
        for count, side in zip((1, 4), sides, strict=True)
    ]
    eps = 0.25
    return {
        "x": x,
        "w_c": kernels[0],
        "w_a": kernels[1],
        "b_c": draw(integers(outputs)),
        "b_a": draw(integers(outputs)),
        "bn_c": draw(normalisations(outputs, eps)),
        "bn_a": draw(normalisations(outputs, eps)),
        "eps": eps,
        "boundary": draw(option(fixed, "boundary", st.sampled_from(("circular", "zero")))),
    }


@st.composite
def int8_arguments(draw: Any, fixed: dict[str, Any]) -> dict[str, Any]:
    """Two int8 kernels on one int8 image, values over all of int8."""
    shape = (1, draw(st.integers(1, 2)), draw(SIDES), draw(SIDES))
    side = draw(option(fixed, "side", st.sampled_from((1, 3))))
    full: dict[str, Any] = {"low": -128, "high": 127, "dtype": "int8"}
    kernel = (1, shape[1], side, side)
    return {
        "x": draw(integers(*shape, **full)),
        "w_c": draw(integers(*kernel, **full)),
        "w_a": draw(integers(*kernel, **full)),
    }
