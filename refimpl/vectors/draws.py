"""Seeded tensors and attributes of attention, normalisation and gradients: one table of operators.

As in ``stimuli.py``: integers are uniform over their range, with factors that make outputs reach
both rails and mostly lie between; floats are bell-shaped with unit variance. A call is a shape per
tensor and attributes; how a tensor is drawn follows from the arithmetic and its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.formats import default_cast, encode, format_named, to_integers
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.records import INTEGER_SUMS
from refimpl.bitexact.softmax import exp_table
from refimpl.ops.shift_product import FOUR_DIRECTIONS

Shapes: TypeAlias = dict[str, tuple[int, ...]]
WIDE = 48  # bits of an accumulator that holds sums of products of int16


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Sizes of a call: images (n, c, h, w), outputs o, kernel side, stride, groups, dilation.

    ``many`` are the directions of its shift product.
    """

    n: int
    c: int
    o: int
    h: int
    w: int
    k: int
    stride: int
    g: int = 1
    d: int = 1
    many: int = len(FOUR_DIRECTIONS)

    @property
    def image(self) -> tuple[int, ...]:
        """Shape of x."""
        return (self.n, self.c, self.h, self.w)

    @property
    def upstream(self) -> tuple[int, ...]:
        """Shape of dy, with "same" padding."""
        return (self.n, self.o, -(-self.h // self.stride), -(-self.w // self.stride))


SHIFTS: Mapping[str, Any] = {
    "directions": [list(each) for each in FOUR_DIRECTIONS],
    "length": 1,
    "boundary": "circular",
}


def drawn(
    operator: str, arithmetic: str, name: str, of: Extent, rounding: str
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Tensors and attributes of one seeded call; ``name`` is the case's, and keys the generator."""
    family = "float" if arithmetic in FLOAT_ARITHMETICS else "integer"
    return _CALLS[operator, family](arithmetic, name, of, rounding)


def _geometry(of: Extent) -> dict[str, Any]:
    pad = of.d * (of.k - 1) // 2
    groups = {"groups": of.g} if of.g > 1 else {}
    return {"stride": [of.stride] * 2, "padding": [pad, pad], "dilation": [of.d] * 2, **groups}


def _floats(name: str, arithmetic: str, shapes: Shapes) -> dict[str, Array]:
    return {
        tensor: encode(random.bell(name, tensor, shape), default_cast(arithmetic))
        for tensor, shape in shapes.items()
    }


def _attention_shapes(of: Extent) -> Shapes:
    kernels = {f"w_{which}": (of.o, of.c, 1, 1) for which in "qkv"}
    return {"x": of.image, **kernels}


def _attention_attributes(of: Extent, *, local: bool) -> dict[str, Any]:
    stride = {"stride": [of.stride, of.stride]}
    if local:
        return {**stride, "kernel": [of.k, of.k], "dilation": [of.d] * 2, "normalise": "softmax"}
    heads = 2 if of.o % 2 == 0 else 1
    return {**stride, "heads": heads, "normalise": "softmax"}


def _float_attention(*, local: bool) -> Callable[..., tuple[dict[str, Array], dict[str, Any]]]:
    def call(arithmetic: str, name: str, of: Extent, _: str) -> Any:
        tensors = _floats(name, arithmetic, _attention_shapes(of))
        return tensors, {**_attention_attributes(of, local=local), "scale": 1 / (of.c * of.o)}

    return call


def _uniform(name: str, tensor: str, shape: tuple[int, ...], to: str) -> Array:
    low, high = format_named(to).limits
    return to_integers(random.integers(name, tensor, shape, low, high), to)


def _factors(
    name: str, suffix: str, count: int, deviation: int, bits: int, prefix: str = ""
) -> dict[str, Array]:
    """Multipliers and shifts that bring a standard deviation to about the range of ``bits`` bits.

    Accumulators of up to 48 bits take multipliers of 15.
    """
    top = 31 if bits <= 8 else 15
    own = f"{prefix}multiplier{suffix}"
    multiplier = random.integers(name, own, (count,), 2 ** (top - 1), 2**top - 1)
    shift = top + (deviation >> bits).bit_length()
    return {
        own: multiplier.astype(np.int32),
        f"{prefix}shift{suffix}": np.full(count, shift, np.int8),
    }


def _deviation(bits: int) -> int:
    """Of a uniform integer: 2^bits/√12."""
    return isqrt(4**bits // 12)


def _integer_attention(*, local: bool) -> Callable[..., tuple[dict[str, Array], dict[str, Any]]]:
    def call(arithmetic: str, name: str, of: Extent, rounding: str) -> Any:
        bits = format_named(arithmetic).bits
        one = _deviation(bits)
        top = 29 if bits <= 8 else 63 - (WIDE + 1) - 1  # of differences of two scores
        tensors = {
            tensor: _uniform(name, tensor, shape, arithmetic)
            for tensor, shape in _attention_shapes(of).items()
        }
        spread = isqrt(of.c) * one * one
        for which in "qkv":
            bias = random.integers(name, f"b_{which}", (of.o,), -spread, spread)
            tensors[f"b_{which}"] = to_integers(bias, "int32")
            tensors |= _factors(name, f"_{which}", of.o, spread, bits)
        tensors |= _factors(name, "", of.o, 255 * one, bits)  # of a row with one weight
        tensors |= {
            "softmax_multiplier": np.array([2**top], np.int32),
            "softmax_shift": np.array([top + max(2 * bits - 9, 0)], np.int8),
            "exp_table": exp_table(1 / 32, 8, 65535),
        }
        zeros = {"x_zero": -1, "q_zero": 1, "k_zero": -2, "v_zero": 2, "y_zero": 1}
        sums = INTEGER_SUMS["global_attention"] if bits > 8 else ()
        return tensors, {
            **_attention_attributes(of, local=local),
            **zeros,
            **{each: {"bits": WIDE} for each in sums},
            "rounding": rounding,
            "score_scale": 2.0 ** (5 - 2 * bits) / isqrt(of.o * of.c),
        }

    return call


def _float_norm(arithmetic: str, name: str, of: Extent, _: str) -> Any:
    channels = dict.fromkeys(("gamma", "beta", "mean"), (of.c,))
    tensors = _floats(name, arithmetic, {"x": of.image, **channels})
    variance = np.abs(random.bell(name, "var", (of.c,)))
    tensors["var"] = encode(variance, default_cast(arithmetic))
    return tensors, {"eps": 1e-5, "statistics": "given"}


def _integer_norm(arithmetic: str, name: str, of: Extent, rounding: str) -> Any:
    bits = format_named(arithmetic).bits
    spread = _deviation(bits) ** 2
    bias = random.integers(name, "b", (of.c,), -spread, spread)
    tensors = {
        "x": _uniform(name, "x", of.image, arithmetic),
        "g": _uniform(name, "g", (of.c,), arithmetic),
        "b": to_integers(bias, "int32"),
        **_factors(name, "", of.c, spread, bits),
    }
    return tensors, {"x_zero": -1, "y_zero": 1, "rounding": rounding, "accumulator": {"bits": 32}}


def _float_backward(operator: str) -> Callable[..., tuple[dict[str, Array], dict[str, Any]]]:
    def call(arithmetic: str, name: str, of: Extent, _: str) -> Any:
        wide = of.many * of.c
        both: Shapes = {
            "w_c": (of.o, of.c // of.g, of.k, of.k),
            "w_a": (of.o, wide // of.g, of.k, of.k),
        }
        channel = (of.o,)
        shapes = {
            "conv2d_backward": {"w": both["w_c"]},
            "pssa_backward": {"w": both["w_a"]},
            "xvolution_backward": {**both, "s_c": channel, "s_a": channel},
            "xvolution_training": {
                **both,
                **dict.fromkeys(("gamma_c", "beta_c", "gamma_a", "beta_a"), channel),
            },
        }[operator]
        upstream = {} if operator == "xvolution_training" else {"dy": of.upstream}
        tensors = _floats(name, arithmetic, {"x": of.image, **upstream, **shapes})
        shifts = {} if operator == "conv2d_backward" else SHIFTS
        eps = {"eps": 1e-5} if operator == "xvolution_training" else {}
        return tensors, {**_geometry(of), **shifts, **eps}

    return call


def _integer_backward(
    operator: str,
) -> Callable[..., tuple[dict[str, Array], dict[str, Any]]]:
    def call(arithmetic: str, name: str, of: Extent, rounding: str) -> Any:
        tensors = {
            each: _uniform(name, each, shape, arithmetic)
            for each, shape in _backward_shapes(operator, of).items()
        }
        tensors |= _backward_factors(operator, arithmetic, name, of)
        shifts = {} if operator == "conv2d_backward" else {**SHIFTS, "t_zero": 5}
        zeros = {"x_zero": -1, "dy_zero": 1, "dx_zero": 2}
        zeros |= {"dproduct_zero": -2} if shifts else {}
        zeros |= {"upstream_zero": 3} if operator == "xvolution_backward" else {}
        wide = {"bits": WIDE if format_named(arithmetic).bits > 8 else 32}
        sums = {f"accumulator_{each}": wide for each in ("dx", "dw")}
        sums |= {"accumulator_shares": wide} if shifts else {}
        sums |= {"accumulator": wide} if operator == "xvolution_backward" else {}
        return tensors, {**_geometry(of), **shifts, **zeros, **sums, "rounding": rounding}

    return call


def _integer_training(arithmetic: str, name: str, of: Extent, rounding: str) -> Any:
    bits, many = format_named(arithmetic).bits, of.many
    square = _deviation(bits) ** 2
    tensors = {"x": _uniform(name, "x", of.image, arithmetic)}
    tensors |= _factors(name, "", 1, square, bits, "t_")
    for end, channels in (("_c", of.c), ("_a", many * of.c)):
        shape = (of.o, channels // of.g, of.k, of.k)
        one = isqrt(channels // of.g) * of.k * square  # deviation of an accumulator
        spread = (1 + np.abs(random.bell(name, f"scale{end}", (of.o,)))) / one
        tensors |= {
            f"w{end}": _uniform(name, f"w{end}", shape, arithmetic),
            f"scale{end}": encode(spread, default_cast("fp32")),
            **_floats(name, "fp32", {f"gamma{end}": (of.o,), f"beta{end}": (of.o,)}),
        }
    zeros = {"x_zero": -1, "t_zero": 5, "y_zero": 1}
    wide = {"bits": WIDE if bits > 8 else 32}
    factor = 2.0 ** (bits - 2)  # the sum of two normalised branches deviates by about 2
    declared = {"eps": 1e-5, "output_factor": factor, "accumulator": wide, "rounding": rounding}
    return tensors, {**_geometry(of), **SHIFTS, **zeros, **declared}


def _backward_shapes(operator: str, of: Extent) -> Shapes:
    """What is drawn uniformly: image, upstream gradient, kernels, gains."""
    wide = of.many * of.c
    conv, attention = (of.o, of.c // of.g, of.k, of.k), (of.o, wide // of.g, of.k, of.k)
    both: Shapes = {"w_c": conv, "w_a": attention, "s_c": (of.o,), "s_a": (of.o,)}
    known: dict[str, Shapes] = {
        "conv2d_backward": {"w": conv},
        "pssa_backward": {"w": attention},
        "xvolution_backward": both,
    }
    kernels = known[operator]
    first, *others = kernels
    return {"x": of.image, first: kernels[first], "dy": of.upstream} | {
        name: kernels[name] for name in others
    }


def _backward_factors(operator: str, arithmetic: str, name: str, of: Extent) -> dict[str, Array]:
    """A factor for every requantisation of a backward pass, of the deviation that it meets."""
    bits, many = format_named(arithmetic).bits, of.many
    square = _deviation(bits) ** 2

    def factor(prefix: str, suffix: str, count: int, terms: int) -> dict[str, Array]:
        return _factors(name, suffix, count, 2 * isqrt(terms) * square, bits, prefix)

    down = of.o // of.g * of.k * of.k  # terms of a gradient of what is convolved
    if operator == "conv2d_backward":
        return _factors(name, "", of.c, isqrt(of.o // of.g) * of.k * square, bits)
    product = factor("t_", "", 1, 1)
    if operator == "pssa_backward":
        shares = factor("", "", of.c, 2 * many)
        return product | factor("d_", "", many * of.c, down) | shares
    found = product
    for suffix, channels in (("_c", of.c), ("_a", many * of.c)):
        found |= factor("", suffix, of.o, channels // of.g * of.k * of.k) | factor(
            "u_", suffix, of.o, 1
        )
    found |= factor("dx_", "_c", of.c, down) | factor("d_", "_a", many * of.c, down)
    return found | factor("dx_", "_a", of.c, 2 * many)


_CALLS: dict[tuple[str, str], Callable[..., tuple[dict[str, Array], dict[str, Any]]]] = {
    ("global_attention", "float"): _float_attention(local=False),
    ("local_attention", "float"): _float_attention(local=True),
    ("global_attention", "integer"): _integer_attention(local=False),
    ("local_attention", "integer"): _integer_attention(local=True),
    ("batch_norm", "float"): _float_norm,
    ("batch_norm", "integer"): _integer_norm,
    ("xvolution_training", "integer"): _integer_training,
    **{
        (operator, "integer"): _integer_backward(operator)
        for operator in ("conv2d_backward", "pssa_backward", "xvolution_backward")
    },
    **{
        (operator, "float"): _float_backward(operator)
        for operator in (
            "conv2d_backward",
            "pssa_backward",
            "xvolution_backward",
            "xvolution_training",
        )
    },
}
