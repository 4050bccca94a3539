"""What a form costs: multiply-accumulates on the array; beside them, elementwise operations.

For one image of n pixels and m output pixels; o outputs, c inputs, D directions; K_c and K_a are
the kernels' sides, K the larger; d query channels; v value channels; H heads:

    form                array MACs                                       elementwise
    trained, pssa       m·o·c·K_c² + m·o·D·c·K_a²                        n·D·c
    feature             m·o·(1 + D)·c·K²                                 n·D·c
    two-pass            m·o·c·K_c² + m·o·D·c·K_a²                        n·D·c
    tied                m·o·c·K²                                         n·c·(2D + 1)
    square              m·o·(1 + 2D)·c·K²                                n·4D·c
    shared              m·o·(1 + D)·c·K²                                 n·c for d and −d together
    kernel (pssa)       m·o·(1 + D)·c·K²                                 m·D·c·K²

    trained, local      m·o·c·K_c² + m·d·c + n·d·c + n·o·c + m·K_a²·(d + o)    m·K_a²
    kernel (local)      m·o·c·K_c² + m·d·c + n·d·c + m·o·c + m·K_a²·(d + c)    m·K_a²
    trained, global     m·o·c·K_c² + m·d·c + n·(d + v)·c + m·n·(d + v) [+ m·o·v]   m·n·H
    SA                  m·o·c·K_c² + n·(d + v)·c + n·d·v/H + v·d·c/H [+ o·v·c]     o·c

[ ] where there is an output projection. Elementwise operations are products and sums of single
numbers: D products of shifted copies; tied, D factors, D sums and a product; square, D sums, D
differences and 2D squares; attention, the scale. Normalisations of the trained form, biases and the
SA form's addition of kernels are not counted; groups divide c.

Source: counted from the equations of ``refimpl.forms``; the trained forms as ``refimpl.ops`` has
them, global attention by its scores.
"""

from typing import NamedTuple

from refimpl.arrays import Array, pair
from refimpl.forms.fused import Fused
from refimpl.forms.trained import XVolution
from refimpl.ops.shift_product import offsets


class Cost(NamedTuple):
    """Counts for one image, and numbers stored."""

    array_macs: int
    elementwise: int
    parameters: int


def cost(fused: Fused, height: int, width: int) -> Cost:
    """What a fused X-volution costs on an image of height × width pixels."""
    pixels = height * width
    outputs = _outputs(fused.options["stride"], height, width)
    parameters = sum(each.size for each in fused.arrays.values())
    if fused.attention == "pssa":
        counts = _pssa_macs(fused, outputs), _pssa_elementwise(fused, pixels, outputs)
    elif fused.form == "kernel":
        counts = _local(fused, pixels, outputs)
    else:
        counts = _per_image(fused, pixels, outputs)
    return Cost(*counts, parameters)


def trained_cost(trained: XVolution, height: int, width: int) -> Cost:
    """What both branches cost as they were trained."""
    arrays, pixels = trained.arrays, height * width
    outputs = _outputs(trained.stride, height, width)
    norms = [each for bn in (trained.bn_c, trained.bn_a) if bn is not None for each in bn]
    parameters = sum(each.size for each in (*arrays.values(), *norms))
    static = outputs * arrays["w_c"].size
    if trained.attention == "pssa":
        channels = arrays["w_c"].shape[1] * trained.groups[0]
        products = pixels * len(trained.directions) * channels
        return Cost(static + outputs * arrays["w_a"].size, products, parameters)
    window = pair("window", trained.window, least=1)
    local = trained.attention == "local_attention"
    seen = window[0] * window[1] if local else pixels
    scores = outputs * seen * (len(arrays["w_q"]) + len(arrays["w_v"]))
    keys_and_values = pixels * (arrays["w_k"].size + arrays["w_v"].size)
    last = outputs * arrays["w_o"].size if "w_o" in arrays else 0
    macs = static + outputs * arrays["w_q"].size + keys_and_values + scores + last
    return Cost(macs, outputs * seen * (1 if local else trained.heads), parameters)


def _outputs(stride: int | tuple[int, int], height: int, width: int) -> int:
    down, right = pair("stride", stride, least=1)
    return -(-height // down) * -(-width // right)


def _pssa_macs(fused: Fused, outputs: int) -> int:
    arrays = fused.arrays
    if fused.form == "square":
        return outputs * _embedded(arrays["w_c"], arrays["w_a"], copies=2)
    if fused.form == "kernel":
        return outputs * _embedded(arrays["w_c"], arrays["w_a"], copies=1)
    return outputs * sum(w.size for name, w in arrays.items() if name.startswith("w"))


def _embedded(w_c: Array, w_a: Array, *, copies: int) -> int:
    return len(w_c) * (w_c.shape[1] + copies * w_a.shape[1]) * _taps(w_c, w_a)


def _taps(*kernels: Array) -> int:
    return max(w.shape[2] for w in kernels) * max(w.shape[3] for w in kernels)


def _pssa_elementwise(fused: Fused, pixels: int, outputs: int) -> int:
    arrays = fused.arrays
    reached = offsets(fused.options["directions"], fused.options["length"])
    many, pairs = len(reached), len({min(each, (-each[0], -each[1])) for each in reached})
    if fused.form in {"feature", "shared"}:
        channels = arrays["w"].shape[1] // (1 + many)
    else:
        channels = arrays["w" if fused.form == "tied" else "w_c"].shape[1]
    if fused.form == "kernel":
        return outputs * many * channels * _taps(arrays["w_c"], arrays["w_a"])
    per_number = {
        "feature": many,
        "two-pass": many,
        "tied": 2 * many + 1,
        "square": 4 * many,
        "shared": pairs,
    }
    return pixels * channels * per_number[fused.form]


def _local(fused: Fused, pixels: int, outputs: int) -> tuple[int, int]:
    arrays = fused.arrays
    rows, cols = pair("window", fused.options["kernel"], least=1)
    depth, channels = arrays["w_q"].shape
    gathered = outputs * rows * cols * (depth + channels)
    mixed = outputs * (arrays["w_c"].size + arrays["w_q"].size + arrays["w_v"].size)
    return mixed + pixels * arrays["w_k"].size + gathered, outputs * rows * cols


def _per_image(fused: Fused, pixels: int, outputs: int) -> tuple[int, int]:
    arrays, heads = fused.arrays, fused.options["heads"]
    (depth, channels), many = arrays["w_q"].shape, len(arrays["w_v"])
    once = pixels * (depth + many) * channels + many * depth // heads * (pixels + channels)
    last = arrays["w_o"].size * channels if "w_o" in arrays else 0
    rows = len(arrays["w_o"]) if "w_o" in arrays else many
    return outputs * arrays["w_c"].size + once + last, rows * channels
