"""Cases of one trained layer: a convolution, or an X-volution in all its forms.

fp32 tensors are the layer's own, batch normalisation folded in binary64 and rounded once. int8
scales follow from the ranges of these very tensors (``bitexact/quantise.py``); the fused form
absorbs s_T/s_x into the attention kernels before they are quantised, and says how many bits that
costs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import PIPELINES, shift_product_fp32
from refimpl.bitexact.quantise import (
    Affine,
    affine,
    lost_bits,
    quantise,
    quantise_bias,
    quantise_weights,
)
from refimpl.bitexact.requantise import Factor, fixed_point
from refimpl.fuse import embed, fold_batch_norm
from refimpl.nets.graph import EPS, Node
from refimpl.nets.run import affine_of
from refimpl.ops.batch_norm import BatchNorm
from refimpl.vectors.case import Case, Choices, identified, ordered, shown
from refimpl.vectors.declare import declared_case

MOST_BITS_LOST = 6  # ours: with fewer than two bits left, an int8 kernel group is not one


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
        If the layer is none of these, or int8 would lose too many bits of one kernel group.
    """
    if node.kind not in _LAYERS:
        raise ValueError(
            f"layer {node.name} must be a convolution, an X-volution or linear, not {node.kind}"
        )
    return [
        identified(
            declared_case(
                Case(
                    id=f"{node.name}-{operator.replace('_', '-')}-{arithmetic}",
                    operator=operator,
                    arithmetic=arithmetic,
                    attributes=attributes,
                    tensors=tensors,
                    stimulus={**stimulus, "class": "network", "layer": node.name},
                ),
                choices,
            )
        )
        for arithmetic in dict.fromkeys(choices.arithmetics)
        for operator, tensors, attributes in _LAYERS[node.kind](
            node, weights, x, choices, arithmetic
        )
    ]


Call = tuple[str, dict[str, Array], dict[str, Any]]


def _conv_layer(
    node: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> list[Call]:
    w, b = _folded(weights["w"], weights["bn"])
    return [convolution_call(x, w, b, _node_geometry(node, w), choices, arithmetic)]


def _linear_layer(
    _: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> list[Call]:
    """A linear layer as the 1×1 convolution of a single pixel that it is."""
    w, b = (weights[name].astype(np.float64) for name in "wb")
    geometry = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}
    pixel = x.reshape(len(x), -1, 1, 1)
    return [convolution_call(pixel, w[:, :, None, None], b, geometry, choices, arithmetic)]


def convolution_call(
    x: Array,
    w: Array,
    b: Array,
    geometry: Mapping[str, Any],
    choices: Choices,
    arithmetic: str,
) -> Call:
    """A convolution of real numbers (binary64 kernels and bias) in a declared arithmetic.

    int8 scales and zero points follow from the ranges of ``x`` and of the fp32 output.
    """
    geometry = dict(geometry)
    fp32 = {"x": x, "w": w.astype(np.float32), "b": b.astype(np.float32)}
    attributes = geometry | ordered("conv2d", choices)
    if arithmetic == "fp32":
        return "conv2d", fp32, attributes
    y = affine(PIPELINES["conv2d", "fp32"](fp32, attributes)["output"])
    to = affine(x)
    integers = {"x": quantise(x, to)} | _int8_kernels(w, b, to.scale, y)
    zeros = {"x_zero": to.zero_point, "y_zero": y.zero_point, "rounding": choices.rounding}
    attributes = geometry | zeros | shown("conv2d", choices)
    return "conv2d", integers, attributes | _scales(x=to, y=y)


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
    attributes = both | ordered("xvolution", choices)
    branches = {"w_c": weights["w_c"], "w_a": weights["w_a"]}
    for of in "ca":
        branches[f"s_{of}"], branches[f"t_{of}"] = affine_of(weights[f"bn_{of}"], np.float32)
    fused = {"w": _joined(w_c, w_a).astype(np.float32), "b": (b_c + b_a).astype(np.float32)}
    return [
        ("shift_product", {"x": x}, shifts),
        ("pssa", {"x": x, "w": w_a.astype(np.float32), "b": b_a.astype(np.float32)}, attributes),
        ("xvolution", {"x": x, **branches}, attributes),
        ("xvolution_fused", {"x": x, **fused}, attributes),
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
    both = both | shown("pssa", choices)
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
    "linear": _linear_layer,
    "xvolution": _xvolution_layer,
}
