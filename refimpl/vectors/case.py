"""A case: one operator call with declared arithmetic, its inputs, and how they came about.

Inputs are seeded random tensors (``random_case``) or a layer of a network on an image
(``layer_cases``). The stages and the output are not stored: ``stages`` computes them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.operators import (
    OPERATORS,
    PIPELINES,
    Stages,
    accumulation_of,
    shift_product_fp32,
)
from refimpl.bitexact.quantise import (
    Affine,
    affine,
    lost_bits,
    quantise,
    quantise_bias,
    quantise_weights,
)
from refimpl.bitexact.requantise import Factor, fixed_point, rounding_rule
from refimpl.fuse import embed, fold_batch_norm
from refimpl.nets.resnet import EPS, Node
from refimpl.nets.run import affine_of
from refimpl.ops.batch_norm import BatchNorm
from refimpl.ops.shift_product import FOUR_DIRECTIONS

ARITHMETICS = ("int8", "fp32")
SEED = re.compile(r"[a-z0-9._-]{1,32}")  # it becomes part of case ids, which become directories
MOST_BITS_LOST = 6  # ours: with fewer than two bits left, an int8 kernel group is not one


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operator call; ``attributes`` and ``stimulus`` hold JSON values only."""

    id: str
    operator: str
    arithmetic: str
    attributes: Mapping[str, Any]
    tensors: Mapping[str, Array]
    stimulus: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a user may choose about a set's arithmetic; the rest follows from the operator."""

    arithmetics: tuple[str, ...] = ARITHMETICS
    rounding: str = "half_up"
    order: str = "cuv"
    bias_at: str = "last"

    def __post_init__(self) -> None:
        accumulation_of({"order": self.order, "bias_at": self.bias_at})
        for each in self.arithmetics:
            if each not in ARITHMETICS:
                raise ValueError(
                    f"arithmetic must be one of {', '.join(ARITHMETICS)}, not {each!r}"
                )
        rounding_rule(self.rounding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Shape of a random case."""

    batch: int = 2
    channels: int = 3
    outputs: int = 4
    height: int = 7
    width: int = 6
    kernel: int = 3
    stride: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "channels", "outputs", "height", "width", "kernel", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, not {self.kernel}")


def stages(case: Case) -> Stages:
    """Every stage of a case by name, in the order of computation; the last is the output."""
    return PIPELINES[case.operator, case.arithmetic](case.tensors, case.attributes)


def random_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """One seeded case per operator and arithmetic.

    Raises
    ------
    ValueError
        If an operator is unknown.
    """
    if not SEED.fullmatch(seed):
        raise ValueError(
            f"seed must be 1 to 32 of a-z, 0-9, dot, dash and underscore, not {seed!r}"
        )
    for operator in operators:
        if operator not in OPERATORS:
            raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, not {operator!r}")
    make = {"int8": _random_int8, "fp32": _random_fp32}
    return [
        make[arithmetic](operator, sizes, choices, seed)
        for operator in dict.fromkeys(operators)
        for arithmetic in dict.fromkeys(choices.arithmetics)
    ]


def layer_cases(
    node: Node,
    weights: Mapping[str, Any],
    x: Array,
    choices: Choices,
    *,
    stimulus: Mapping[str, Any],
) -> list[Case]:
    """Cases of one trained layer: a convolution, or an X-volution in all its forms.

    ``node`` and ``weights`` are the unfused network's (a convolution's with its normalisation under
    "bn"), ``x`` the binary32 activation that enters the layer.

    Raises
    ------
    ValueError
        If the layer is neither, or int8 would lose too many bits of one kernel group.
    """
    if node.kind not in _LAYERS:
        raise ValueError(
            f"layer {node.name} must be a convolution or an X-volution, not {node.kind}"
        )
    return [
        Case(
            id=f"{node.name}-{operator.replace('_', '-')}-{arithmetic}",
            operator=operator,
            arithmetic=arithmetic,
            attributes=attributes,
            tensors=tensors,
            stimulus={**stimulus, "kind": "network", "layer": node.name},
        )
        for arithmetic in dict.fromkeys(choices.arithmetics)
        for operator, tensors, attributes in _LAYERS[node.kind](
            node, weights, x, choices, arithmetic
        )
    ]


def _geometry(sizes: Sizes) -> dict[str, Any]:
    pad = (sizes.kernel - 1) // 2
    return {
        "stride": [sizes.stride, sizes.stride],
        "padding": [pad, pad],
        "dilation": [1, 1],
    }


def _shifts() -> dict[str, Any]:
    directions = [list(each) for each in FOUR_DIRECTIONS]
    return {"directions": directions, "length": 1, "boundary": "circular"}


def _attributes(operator: str, geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by operator: shifts where it shifts, geometry where it convolves."""
    shifts = {} if operator == "conv2d" else _shifts()
    return shifts if operator == "shift_product" else {**geometry, **shifts}


def _kernel_shapes(operator: str, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Shape of every kernel array of an operator, by the suffix of its branch."""
    c, d, k = sizes.channels, len(FOUR_DIRECTIONS), sizes.kernel
    inputs = {
        "conv2d": {"": c},
        "shift_product": {},
        "pssa": {"": d * c},
        "xvolution": {"_c": c, "_a": d * c},
        "xvolution_fused": {"": (1 + d) * c},
    }[operator]
    return {suffix: (sizes.outputs, many, k, k) for suffix, many in inputs.items()}


def _random_id(operator: str, arithmetic: str, sizes: Sizes, seed: str) -> str:
    shape = f"n{sizes.batch}c{sizes.channels}o{sizes.outputs}h{sizes.height}w{sizes.width}"
    return f"{operator.replace('_', '-')}-{arithmetic}-{shape}k{sizes.kernel}s{sizes.stride}-{seed}"


def _random_int8(operator: str, sizes: Sizes, choices: Choices, seed: str) -> Case:
    name = _random_id(operator, "int8", sizes, seed)

    def draw(tensor: str, shape: tuple[int, ...], low: int, high: int, dtype: Any) -> Array:
        return random.integers(name, tensor, shape, low, high).astype(dtype)

    image = (sizes.batch, sizes.channels, sizes.height, sizes.width)
    tensors: dict[str, Array] = {"x": draw("x", image, -128, 127, np.int8)}
    zeros = {"x_zero": -7}
    if operator != "conv2d":
        zeros["t_zero"] = 5
        tensors |= {
            "t_multiplier": np.array([1518500250], np.int32),  # 2^30.5: about 1/91 with its shift,
            "t_shift": np.array([37], np.int8),  # so that the largest products saturate
        }
    for suffix, shape in _kernel_shapes(operator, sizes).items():
        taps = shape[1] * shape[2] * shape[3]
        deviation = isqrt(taps * 74 * 74 * 74 * 74)  # of a sum of products of uniform int8 numbers
        zeros["y_zero"] = 3
        tensors |= {
            f"w{suffix}": draw(f"w{suffix}", shape, -127, 127, np.int8),
            f"b{suffix}": draw(f"b{suffix}", shape[:1], -deviation, deviation, np.int32),
            f"multiplier{suffix}": draw(
                f"multiplier{suffix}", shape[:1], 2**30, 2**31 - 1, np.int32
            ),
            f"shift{suffix}": np.full(
                shape[:1], 31 + (deviation // 256).bit_length(), np.int8
            ),  # a standard deviation of about the range: some outputs saturate, most do not
        }
    return Case(
        id=name,
        operator=operator,
        arithmetic="int8",
        attributes={
            **_attributes(operator, _geometry(sizes)),
            **zeros,
            "rounding": choices.rounding,
        },
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _random_fp32(operator: str, sizes: Sizes, choices: Choices, seed: str) -> Case:
    name = _random_id(operator, "fp32", sizes, seed)

    def draw(tensor: str, shape: tuple[int, ...]) -> Array:
        return random.bell(name, tensor, shape).astype(np.float32)

    image = (sizes.batch, sizes.channels, sizes.height, sizes.width)
    tensors = {"x": draw("x", image)}
    for suffix, shape in _kernel_shapes(operator, sizes).items():
        tensors |= {
            f"w{suffix}": draw(f"w{suffix}", shape),
            f"b{suffix}": draw(f"b{suffix}", shape[:1]),
        }
        if operator == "xvolution":
            tensors |= {f"{each}{suffix}": draw(each + suffix, shape[:1]) for each in "st"}
    return Case(
        id=name,
        operator=operator,
        arithmetic="fp32",
        attributes=_attributes(operator, _geometry(sizes)) | _ordered(operator, choices),
        tensors=tensors,
        stimulus=_random_stimulus(seed),
    )


def _ordered(operator: str, choices: Choices) -> dict[str, Any]:
    if operator == "shift_product":
        return {}
    return {"order": choices.order, "bias_at": choices.bias_at}


def _random_stimulus(seed: str) -> dict[str, Any]:
    return {"kind": "random", "generator": random.GENERATOR, "seed": seed}


Call = tuple[str, dict[str, Array], dict[str, Any]]


def _conv_layer(
    node: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> list[Call]:
    w, b = _folded(weights["w"], weights["bn"])
    geometry = _node_geometry(node, w)
    fp32 = {"x": x, "w": w.astype(np.float32), "b": b.astype(np.float32)}
    ordered = geometry | _ordered("conv2d", choices)
    if arithmetic == "fp32":
        return [("conv2d", fp32, ordered)]
    y = affine(PIPELINES["conv2d", "fp32"](fp32, ordered)["output"])
    to = affine(x)
    integers = {"x": quantise(x, to)} | _int8_kernels(w, b, to.scale, y)
    zeros = {"x_zero": to.zero_point, "y_zero": y.zero_point, "rounding": choices.rounding}
    return [("conv2d", integers, geometry | zeros | _scales(x=to, y=y))]


def _xvolution_layer(
    node: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> list[Call]:
    shifts = {key: node.attributes[key] for key in ("length", "boundary")}
    shifts["directions"] = [list(each) for each in node.attributes["directions"]]
    geometry = {key: _node_geometry(node, weights["w_c"])[key] for key in ("stride", "dilation")}
    both = geometry | shifts
    make = _xvolution_fp32 if arithmetic == "fp32" else _xvolution_int8
    return make(weights, x, shifts, both, choices)


def _xvolution_fp32(
    weights: Mapping[str, Any],
    x: Array,
    shifts: dict[str, Any],
    both: dict[str, Any],
    choices: Choices,
) -> list[Call]:
    (w_c, b_c), (w_a, b_a) = (_folded(weights[f"w_{of}"], weights[f"bn_{of}"]) for of in "ca")
    ordered = both | _ordered("xvolution", choices)
    branches = {"w_c": weights["w_c"], "w_a": weights["w_a"]}
    for of in "ca":
        branches[f"s_{of}"], branches[f"t_{of}"] = affine_of(weights[f"bn_{of}"], np.float32)
    fused = {"w": _joined(w_c, w_a).astype(np.float32), "b": (b_c + b_a).astype(np.float32)}
    return [
        ("shift_product", {"x": x}, shifts),
        ("pssa", {"x": x, "w": w_a.astype(np.float32), "b": b_a.astype(np.float32)}, ordered),
        ("xvolution", {"x": x, **branches}, ordered),
        ("xvolution_fused", {"x": x, **fused}, ordered),
    ]


def _xvolution_int8(
    weights: Mapping[str, Any],
    x: Array,
    shifts: dict[str, Any],
    both: dict[str, Any],
    choices: Choices,
) -> list[Call]:
    (w_c, b_c), (w_a, b_a) = (_folded(weights[f"w_{of}"], weights[f"bn_{of}"]) for of in "ca")
    fp32 = {
        operator: (t, a) for operator, t, a in _xvolution_fp32(weights, x, shifts, both, choices)
    }
    attention, merged = (
        affine(PIPELINES[each, "fp32"](*fp32[each])["output"])
        for each in ("pssa", "xvolution_fused")
    )
    to, product = affine(x), affine(shift_product_fp32({"x": x}, shifts)["product"])
    factor = fixed_point(np.array([to.scale * to.scale / product.scale]))
    image = {"x": quantise(x, to)} | _factor_tensors(factor, "t_multiplier", "t_shift")
    zeros = {
        "x_zero": to.zero_point,
        "t_zero": product.zero_point,
        "rounding": choices.rounding,
    }
    scales = _scales(x=to, t=product)
    pssa = image | _int8_kernels(w_a, b_a, product.scale, attention)
    branches = (
        image
        | _int8_kernels(w_c, b_c, to.scale, merged, "_c")
        | _int8_kernels(w_a, b_a, product.scale, merged, "_a")
    )
    absorbed = _joined(w_c, w_a * (product.scale / to.scale))
    lost = _bits_lost(absorbed, w_c.shape[1])
    fused = image | _int8_kernels(absorbed, b_c + b_a, to.scale, merged)
    for_pssa = {"y_zero": attention.zero_point} | _scales(x=to, t=product, y=attention)
    for_sum = {"y_zero": merged.zero_point} | _scales(x=to, t=product, y=merged)
    return [
        ("shift_product", image, shifts | zeros | scales),
        ("pssa", pssa, both | zeros | for_pssa),
        ("xvolution", branches, both | zeros | for_sum),
        ("xvolution_fused", fused, both | zeros | for_sum | {"kernel_bits_lost": lost}),
    ]


def _bits_lost(absorbed: Array, channels: int) -> int:
    lost = lost_bits(absorbed, channels)
    if lost > MOST_BITS_LOST:
        raise ValueError(
            f"one int8 scale for both kernel groups must not cost more than {MOST_BITS_LOST} bits "
            f"of the smaller, and here it costs {lost}: use the training form, or fp32"
        )
    return lost


def _folded(w: Array, bn: BatchNorm) -> tuple[Array, Array]:
    wide = BatchNorm(*(each.astype(np.float64) for each in bn))
    return fold_batch_norm(w.astype(np.float64), None, wide, eps=EPS)


def _joined(w_c: Array, w_a: Array) -> Array:
    """Kernels side by side along input channels, the smaller embedded in the larger."""
    support = (max(w_c.shape[2], w_a.shape[2]), max(w_c.shape[3], w_a.shape[3]))
    return np.concatenate([embed(w_c, support), embed(w_a, support)], axis=1)


def _int8_kernels(
    w: Array, b: Array, input_scale: float, y: Affine, suffix: str = ""
) -> dict[str, Array]:
    """int8 kernels, int32 bias and requantisation of one convolution to the output's scale."""
    kernels = quantise_weights(w)
    accumulator_scale = kernels.scale * input_scale
    factor = fixed_point(accumulator_scale / y.scale)
    return {
        f"w{suffix}": kernels.w,
        f"b{suffix}": quantise_bias(b, accumulator_scale),
        **_factor_tensors(factor, f"multiplier{suffix}", f"shift{suffix}"),
    }


def _factor_tensors(factor: Factor, multiplier: str, shift: str) -> dict[str, Array]:
    return {
        multiplier: factor.multiplier.astype(np.int32),
        shift: factor.shift.astype(np.int8),
    }


def _scales(**of: Affine) -> dict[str, Any]:
    """Real value of a step of each tensor, for whoever reads the numbers as real ones."""
    return {f"{name}_scale": each.scale for name, each in of.items()}


def _node_geometry(node: Node, w: Array) -> dict[str, Any]:
    padding = node.attributes.get("padding", (w.shape[2] // 2, w.shape[3] // 2))
    return {"stride": list(node.attributes["stride"]), "padding": list(padding), "dilation": [1, 1]}


_LAYERS: dict[str, Callable[..., list[Call]]] = {
    "conv2d": _conv_layer,
    "xvolution": _xvolution_layer,
}
