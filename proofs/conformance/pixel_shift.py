"""The contract of pixel-shift self-attention: shift, multiply, convolve."""

from collections.abc import Callable
from typing import Any

import numpy as np

from proofs.conformance.contract import Arguments, Array, Contract, Property, Stages, Suspect
from proofs.strategies import pssa_arguments
from refimpl import FOUR_DIRECTIONS, conv2d, shift_product
from refimpl.ops.conv2d import same_padding


def reference(arguments: Arguments) -> Stages:
    """The shipped definitions: the products of the shifts, then the output."""
    given = dict(arguments)
    x, w, stride, dilation = (given.pop(name) for name in ("x", "w", "stride", "dilation"))
    products = shift_product(x, **given)
    padding = same_padding(w.shape[2:], dilation)
    return {
        "products": products,
        "y": conv2d(products, w, stride=stride, padding=padding, dilation=dilation),
    }


def _with(**changes: Any) -> Callable[[Arguments], Stages]:
    return lambda arguments: reference({**arguments, **changes})


def _opposite(arguments: Arguments) -> Stages:
    back = tuple((-down, -right) for down, right in arguments["directions"])
    return reference({**arguments, "directions": back})


def _other_boundary(arguments: Arguments) -> Stages:
    other = "zero" if arguments["boundary"] == "circular" else "circular"
    return reference({**arguments, "boundary": other})


def _rows_for_columns(arguments: Arguments) -> Stages:
    swapped = tuple((right, down) for down, right in arguments["directions"])
    return reference({**arguments, "directions": swapped})


def _wrapped_in_memory(arguments: Arguments) -> Stages:
    """A shift of the image as one row of memory: what leaves a row enters the next one."""
    x, length = arguments["x"], arguments["length"]
    width = x.shape[3]
    flat = x.reshape(*x.shape[:2], -1)
    products = [
        x * np.roll(flat, -length * (down * width + right), axis=2).reshape(x.shape)
        for down, right in arguments["directions"]
    ]
    return _convolved(np.concatenate(products, axis=1), arguments)


def _wrapped_by_a_mask(arguments: Arguments) -> Stages:
    """A shift that wraps by i & (n − 1), which is i mod n for powers of two only."""
    x, length = arguments["x"], arguments["length"]
    rows, cols = (np.arange(side) for side in x.shape[2:])
    products = [
        x * x[:, :, _masked(rows, length * down)][..., _masked(cols, length * right)]
        for down, right in arguments["directions"]
    ]
    return _convolved(np.concatenate(products, axis=1), arguments)


def _masked(places: Array, step: int) -> Array:
    return (places + step) & (len(places) - 1)


def _channels_first(arguments: Arguments) -> Stages:
    """Products ordered by channel, then direction."""
    products = reference(arguments)["products"]
    many = len(arguments["directions"])
    n, total, height, width = products.shape
    grouped = products.reshape(n, many, total // many, height, width).swapaxes(1, 2)
    return _convolved(grouped.reshape(products.shape), arguments)


def _flipped(arguments: Arguments) -> Stages:
    return reference({**arguments, "w": arguments["w"][:, :, ::-1, ::-1]})


def _convolved(products: Array, arguments: Arguments) -> Stages:
    w, dilation = arguments["w"], arguments["dilation"]
    padding = same_padding(w.shape[2:], dilation)
    y = conv2d(products, w, stride=arguments["stride"], padding=padding, dilation=dilation)
    return {"products": products, "y": y}


def _is_even(run: Callable[[Arguments], Array], arguments: Arguments) -> bool:
    there, back = run(arguments), run({**arguments, "x": -arguments["x"]})
    return bool(np.array_equal(there, back))


def _is_quadratic(run: Callable[[Arguments], Array], arguments: Arguments) -> bool:
    twice = run({**arguments, "x": 2 * arguments["x"]})
    return bool(np.array_equal(twice, 4 * run(arguments)))


def _is_linear_in_w(run: Callable[[Arguments], Array], arguments: Arguments) -> bool:
    halves = [run({**arguments, "w": each}) for each in (arguments["w"], 2 * arguments["w"])]
    return bool(np.array_equal(2 * halves[0], halves[1]))


PSSA = Contract(
    name="pssa",
    takes="(x, w, directions, length, boundary, stride, dilation)",
    claims=(
        "pssa-is-the-steps-of-the-article",
        "pssa-is-one-convolution-on-shift-products",
        "pssa-is-even-and-homogeneous-of-degree-two",
    ),
    draw=pssa_arguments,
    reference=reference,
    options={
        "directions": FOUR_DIRECTIONS,
        "length": 1,
        "boundary": "circular",
        "stride": 1,
        "dilation": 1,
    },
    suspects=(
        Suspect("the shift wraps where it should read zeros, or the other way", _other_boundary),
        Suspect("the shift goes the opposite way", _opposite),
        Suspect(
            "the shift wraps around memory: what leaves a row enters the next", _wrapped_in_memory
        ),
        Suspect(
            "the shift wraps by a mask, i & (n - 1): right where a side is a power of two only",
            _wrapped_by_a_mask,
        ),
        Suspect("rows and columns of the shift are exchanged", _rows_for_columns),
        Suspect("the length of the shift is ignored", _with(length=1)),
        Suspect("products are ordered by channel first, not by direction", _channels_first),
        Suspect("the kernel is flipped", _flipped),
        Suspect("the stride is ignored", _with(stride=1)),
        Suspect("the dilation is ignored", _with(dilation=1)),
    ),
    properties=(
        Property("f(−x) = f(x)", "pssa-is-even-and-homogeneous-of-degree-two", _is_even),
        Property("f(2x) = 4·f(x)", "pssa-is-even-and-homogeneous-of-degree-two", _is_quadratic),
        Property(
            "f is linear in the weights",
            "pssa-is-one-convolution-on-shift-products",
            _is_linear_in_w,
        ),
    ),
)
