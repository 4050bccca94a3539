"""The binary32 operators of the bit-exact model, opened up.

Sites: x w b    operands as read          order    loops over a kernel, "cuv" or "uvc"
       bias_at  "first" or "last"         summation  how products are added up
       biased output                      and those of the reads in ``device.py``.
In X-volution each branch has the scope "convolution" or "attention", and the sites s, t and scaled.
"""

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows
from refimpl.bitexact.operators import Attributes, Stages, Tensors, accumulation_of
from refimpl.ops.shift_product import offsets
from refimpl.score.device import gather, window_geometry
from refimpl.score.shifts import neighbour
from refimpl.score.site import Probe
from refimpl.score.summation import sequential


def convolve_fp32(x: Array, tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """Convolve binary32 ``x`` with ``w``, in the declared order unless a bug says otherwise."""
    declared = accumulation_of(attributes)
    image = at("x", x)
    kernels = at("w", tensors["w"], groups=int(attributes.get("groups", 1)))
    geometry = window_geometry(x, tensors["w"], attributes)
    seen = gather(image, geometry, at, zero=np.zeros(x.shape[1], np.float32))
    order, groups = at("order", declared.order), int(attributes.get("groups", 1))
    bias = tensors.get("b")
    first = at("bias_at", declared.bias) == "first" and bias is not None
    start = at("b", bias) if first else None
    own = np.split(at("seen", seen, groups=groups), groups, axis=1)
    parts = [
        at("summation", sequential)(
            kernel_rows(rows, order),
            _columns(of, order),
            None if start is None else np.split(start, groups)[group],
        )
        for group, (rows, of) in enumerate(zip(np.split(kernels, groups), own, strict=True))
    ]
    shape = (len(x), len(kernels), *geometry.output)
    sums = at("accumulator", np.concatenate(parts, axis=1).reshape(shape))
    last = bias is not None and not first
    output = sums + at("b", bias)[:, None, None] if last else sums
    return {"accumulator": sums, "output": at("output", output)}


def _columns(seen: Array, order: str) -> Array:
    """What was gathered (n, c, k_h, k_w, pixels), as columns in the order of the sum."""
    n, c, k_h, k_w, pixels = seen.shape
    ordered = seen if order == "cuv" else seen.transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(ordered).reshape(n, c * k_h * k_w, pixels)


def conv2d_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.conv2d_fp32`` with a bug."""
    return convolve_fp32(tensors["x"], tensors, attributes, at)


def shift_product_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.shift_product_fp32`` with a bug."""
    x = at("x", tensors["x"])
    directions = [(int(down), int(right)) for down, right in attributes["directions"]]
    reached = at("offset", offsets(directions, attributes["length"]))
    boundary = at("boundary", attributes["boundary"])
    shifted = np.concatenate([neighbour(x, each, boundary, at) for each in reached], axis=1)
    own = np.tile(x, (1, len(reached), 1, 1))
    shifted = at("neighbour", shifted.astype(np.float32), own=own)
    product = at("wide", own * shifted)
    return {"shifted": shifted, "product": at("channels", product, directions=len(reached))}


def pssa_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.pssa_fp32`` with a bug."""
    products = shift_product_fp32(tensors, attributes, at.inside("product"))
    return products | convolve_fp32(products["product"], tensors, attributes, at.inside("conv"))


def xvolution_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.xvolution_fp32`` with a bug."""
    conv = conv2d_fp32(_branch(tensors, "c"), attributes, at.inside("convolution"))
    attention = pssa_fp32(_branch(tensors, "a"), attributes, at.inside("attention"))
    for stages, end, scope in ((conv, "c", "convolution"), (attention, "a", "attention")):
        own = at.inside(scope)
        s, t = own("s", tensors[f"s_{end}"]), own("t", tensors[f"t_{end}"])
        stages["scaled"] = own("scaled", stages["output"] * s[:, None, None] + t[:, None, None])
    return {
        **{f"conv_{name}": array for name, array in conv.items()},
        **{f"attention_{name}": array for name, array in attention.items()},
        "output": at("output", conv["scaled"] + attention["scaled"]),
    }


def xvolution_fused_fp32(tensors: Tensors, attributes: Attributes, at: Probe) -> Stages:
    """``refimpl.bitexact.operators.xvolution_fused_fp32`` with a bug."""
    products = shift_product_fp32(tensors, attributes, at.inside("product"))
    x = tensors["x"]
    augmented = np.concatenate([x, products["product"]], axis=1)
    augmented = at("augmented", augmented, channels=x.shape[1])
    return products | convolve_fp32(augmented, tensors, attributes, at.inside("conv"))


def _branch(tensors: Tensors, which: str) -> dict[str, Array]:
    end = f"_{which}"
    own = {name.removesuffix(end): array for name, array in tensors.items() if name.endswith(end)}
    return {"x": tensors["x"]} | own
