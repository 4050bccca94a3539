"""Cases of one trained layer: a convolution, or an X-volution in all its forms.

Real tensors are the layer's own, batch normalisation folded in binary64; ``quantised.py`` rounds
them to the arithmetic. The fused form absorbs s_T/s_x into the attention kernels before they are
quantised, and says how many bits that costs; where it costs too many there is no fused form.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import FLOAT_ARITHMETICS, PIPELINES, shift_product_fp32
from refimpl.bitexact.quantise import Affine, affine, lost_bits
from refimpl.fuse import embed, fold_batch_norm
from refimpl.nets.graph import EPS, Node
from refimpl.nets.run import affine_of
from refimpl.ops.batch_norm import BatchNorm
from refimpl.vectors.case import Case, Choices, identified, ordered, shown
from refimpl.vectors.declare import declared_case
from refimpl.vectors.manifest import Exclusion
from refimpl.vectors.quantised import Call, in_floats, integers, rule, scales

OWN = ("boundary", "length", "directions")  # of a layer's shifts


def layer_cases(
    node: Node,
    weights: Mapping[str, Any],
    x: Array,
    choices: Choices,
    *,
    stimulus: Mapping[str, Any],
) -> tuple[list[Case], list[Exclusion]]:
    """Cases of one trained layer, and the forms of it that cannot be with the reason.

    ``node`` and ``weights`` are the unfused network's (a convolution's with its normalisation under
    "bn"), ``x`` the binary32 activation that enters the layer.

    Raises
    ------
    ValueError
        If the layer is none of these, if shifts are declared of it, which has its own, or if a
        scale does not suit.
    """
    if node.kind not in _LAYERS:
        raise ValueError(
            f"layer {node.name} must be a convolution, an X-volution or linear, not {node.kind}"
        )
    for name in OWN:
        if name in choices.declared and node.kind == "xvolution":
            raise ValueError(f"{name} must not be declared of layer {node.name}, which has its own")
    cases, excluded = [], []
    for arithmetic in dict.fromkeys(choices.arithmetics):
        for operator, call in _LAYERS[node.kind](node, weights, x, choices, arithmetic).items():
            name = f"{node.name}-{operator.replace('_', '-')}-{arithmetic}"
            if isinstance(call, str):
                excluded.append(Exclusion(what=name, reason=call))
                continue
            said = {**stimulus, "class": "network", "layer": node.name}
            cases.append(case_of_call(name, call, arithmetic, choices, said))
    return cases, excluded


def case_of_call(
    name: str, call: Call, arithmetic: str, choices: Choices, stimulus: Mapping[str, Any]
) -> Case:
    """A call on somebody's real tensors as a case that says how they became these."""
    case = Case(
        id=name,
        operator=call.operator,
        arithmetic=arithmetic,
        attributes=call.attributes,
        tensors=call.tensors,
        stimulus={
            **stimulus,
            "quantisation": rule(call.operator, arithmetic, choices),
            **call.said,
        },
    )
    return identified(declared_case(case, choices))


Forms = dict[str, Call | str]  # by operator; or why there is no such form


def _conv_layer(
    node: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> Forms:
    w, b = _folded(weights["w"], weights["bn"])
    return {"conv2d": convolution_call(x, w, b, _node_geometry(node, w), choices, arithmetic)}


def _linear_layer(
    _: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> Forms:
    """A linear layer as the 1×1 convolution of a single pixel that it is."""
    w, b = (weights[name].astype(np.float64) for name in "wb")
    geometry = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}
    pixel = x.reshape(len(x), -1, 1, 1)
    call = convolution_call(pixel, w[:, :, None, None], b, geometry, choices, arithmetic)
    return {"conv2d": call}


def convolution_call(
    x: Array,
    w: Array,
    b: Array,
    geometry: Mapping[str, Any],
    choices: Choices,
    arithmetic: str,
) -> Call:
    """A convolution of real numbers (binary64 kernels and bias) in a declared arithmetic.

    Scales and zero points of integers follow from the ranges of ``x`` and of the fp32 output.
    """
    real, attributes = {"x": x, "w": w, "b": b}, {**geometry, **ordered("conv2d", choices)}
    if arithmetic in FLOAT_ARITHMETICS:
        return in_floats("conv2d", real, attributes, arithmetic)
    of = integers(arithmetic, choices)
    to, y = of.activation(x), affine(_outputs("conv2d", real, attributes), of.output)
    tensors = {"x": of.image(x, to)} | of.kernels(w, b, to.scale, y)
    zeros = {"x_zero": to.zero_point, "y_zero": y.zero_point}
    own = {**geometry, **zeros, **of.attributes, **shown("conv2d", choices), **scales(x=to, y=y)}
    return Call("conv2d", tensors, own, {})


def _outputs(operator: str, real: Mapping[str, Array], attributes: Mapping[str, Any]) -> Array:
    """What a call on real tensors gives in fp32."""
    call = in_floats(operator, real, attributes, "fp32")
    *_, output = PIPELINES[operator, "fp32"](call.tensors, call.attributes).values()
    return output


def _xvolution_layer(
    node: Node, weights: Mapping[str, Any], x: Array, choices: Choices, arithmetic: str
) -> Forms:
    shifts = {key: node.attributes[key] for key in ("length", "boundary")}
    shifts["directions"] = [list(each) for each in node.attributes["directions"]]
    geometry = {key: _node_geometry(node, weights["w_c"])[key] for key in ("stride", "dilation")}
    both = geometry | shifts
    real = _xvolution_reals(weights, x)
    attributes = {
        each: both | ordered("xvolution", choices) if each != "shift_product" else shifts
        for each in real
    }
    if arithmetic in FLOAT_ARITHMETICS:
        return {each: in_floats(each, real[each], attributes[each], arithmetic) for each in real}
    attention, merged = (
        _outputs(each, real[each], attributes[each]) for each in ("pssa", "xvolution_fused")
    )
    return _xvolution_integers(
        weights, x, shifts, both, choices, arithmetic, {"pssa": attention, "merged": merged}
    )


def _xvolution_reals(weights: Mapping[str, Any], x: Array) -> dict[str, dict[str, Array]]:
    """Real tensors of every form, by operator."""
    (w_c, b_c), (w_a, b_a) = (_folded(weights[f"w_{of}"], weights[f"bn_{of}"]) for of in "ca")
    branches = {"w_c": weights["w_c"], "w_a": weights["w_a"]}
    for of in "ca":
        branches[f"s_{of}"], branches[f"t_{of}"] = affine_of(weights[f"bn_{of}"], np.float32)
    return {
        "shift_product": {"x": x},
        "pssa": {"x": x, "w": w_a, "b": b_a},
        "xvolution": {"x": x, **branches},
        "xvolution_fused": {"x": x, "w": _joined(w_c, w_a), "b": b_c + b_a},
    }


def _xvolution_integers(
    weights: Mapping[str, Any],
    x: Array,
    shifts: dict[str, Any],
    both: dict[str, Any],
    choices: Choices,
    arithmetic: str,
    outputs: Mapping[str, Array],
) -> Forms:
    of = integers(arithmetic, choices)
    (w_c, b_c), (w_a, b_a) = (_folded(weights[f"w_{of}"], weights[f"bn_{of}"]) for of in "ca")
    attention, merged = (affine(outputs[each], of.output) for each in ("pssa", "merged"))
    to = of.activation(x)
    narrow = affine(shift_product_fp32({"x": x}, shifts)["product"], of.product)
    product = Affine(to.scale * to.scale, 0) if of.wide else narrow
    factor = of.factor(np.array([to.scale * to.scale / narrow.scale]), "t_")
    image = {"x": of.image(x, to)} | factor
    rounding = {"rounding": of.rounding}
    zeros = {"x_zero": to.zero_point, "t_zero": product.zero_point}
    for_product = shifts | zeros | rounding | scales(x=to, t=product)
    both = both | shown("pssa", choices) | zeros | of.attributes
    for_pssa = both | {"y_zero": attention.zero_point} | scales(x=to, t=product, y=attention)
    for_sum = both | {"y_zero": merged.zero_point} | scales(x=to, t=product, y=merged)
    branches = of.kernels(w_c, b_c, to.scale, merged, "_c")
    branches |= of.kernels(w_a, b_a, product.scale, merged, "_a")
    absorbed = _joined(w_c, w_a * (product.scale / to.scale))
    lost = lost_bits(absorbed, w_c.shape[1])
    fused: Call | str = (
        f"one {of.weights} scale for both kernel groups must cost at most {of.most_bits_lost} bits "
        f"of the smaller, and here it costs {lost}: the form of two branches has two scales"
    )
    if lost <= of.most_bits_lost:
        joined = image | of.kernels(absorbed, b_c + b_a, to.scale, merged)
        fused = Call("xvolution_fused", joined, for_sum | {"kernel_bits_lost": lost}, {})
    return {
        "shift_product": Call("shift_product", image, for_product, {}),
        "pssa": Call("pssa", image | of.kernels(w_a, b_a, product.scale, attention), for_pssa, {}),
        "xvolution": Call("xvolution", image | branches, for_sum, {}),
        "xvolution_fused": fused,
    }


def _folded(w: Array, bn: BatchNorm) -> tuple[Array, Array]:
    wide = BatchNorm(*(each.astype(np.float64) for each in bn))
    return fold_batch_norm(w.astype(np.float64), None, wide, eps=EPS)


def _joined(w_c: Array, w_a: Array) -> Array:
    """Kernels side by side along input channels, the smaller embedded in the larger."""
    support = (max(w_c.shape[2], w_a.shape[2]), max(w_c.shape[3], w_a.shape[3]))
    return np.concatenate([embed(w_c, support), embed(w_a, support)], axis=1)


def _node_geometry(node: Node, w: Array) -> dict[str, Any]:
    padding = node.attributes.get("padding", (w.shape[2] // 2, w.shape[3] // 2))
    return {"stride": list(node.attributes["stride"]), "padding": list(padding), "dilation": [1, 1]}


_LAYERS: dict[str, Callable[..., Forms]] = {
    "conv2d": _conv_layer,
    "linear": _linear_layer,
    "xvolution": _xvolution_layer,
}
