"""What `refimpl` says the gradients of a form are, by the names of the lowering."""

import numpy as np

from refimpl import (
    aa_conv2d_backward,
    conv2d_backward,
    global_attention_backward,
    local_attention_backward,
    pssa_backward,
    xvolution_backward,
    xvolution_fused_backward,
    xvolution_global_backward,
    xvolution_local_backward,
)
from refimpl.ops.xvolution_training import xvolution_training_backward
from tests.lowering.golden import arguments, named, norms, projections


def gradients(form, site, options, given, dy):
    """Gradients of the golden model, of the input and of every weight it names."""
    return _GRADIENTS[form](site, options, given, dy)


def _of(grads, **renamed):
    """A named tuple of gradients as a dictionary, some under other names."""
    found = {name: each for name, each in grads._asdict().items() if each is not None}
    return {renamed.get(name, name): each for name, each in found.items()}


def _convolution(site, options, given, dy):
    _, steps, _ = arguments(site, options)
    more = {"padding": site.padding, "groups": site.groups}
    return _of(conv2d_backward(dy, given["x"], given["w"], **more, **steps))


def _attention(**how):
    def evaluate(site, options, given, dy):
        more = {"stride": site.stride, "heads": options.heads, "scale": 1}
        return _of(global_attention_backward(dy, given["x"], **projections(given), **more, **how))

    return evaluate


def _aa(site, options, given, dy):
    more = {"heads": options.aa_heads, "scale": 1, "stride": site.stride}
    arrays = projections(given) | {"w_o": given["w_o"]} | named(given, "rel_h", "rel_w")
    return _of(aa_conv2d_backward(dy, given["x"], given["w_c"], **arrays, **more), b_c="b")


def _local(normalise):
    def evaluate(site, options, given, dy):
        _, steps, window = arguments(site, options)
        more = {"normalise": normalise, **window, **steps}
        return _of(local_attention_backward(dy, given["x"], **projections(given), **more))

    return evaluate


def _pssa(site, options, given, dy):
    shifts, steps, _ = arguments(site, options)
    return _of(pssa_backward(dy, given["x"], given["w_a"], **shifts, **steps), w="w_a")


def _normalised(grads):
    """Gradients of two branches, with those of a folded normalisation in place of each norm's."""
    found = _of(grads)
    for branch in "ca":
        norm = found.pop(f"bn_{branch}")
        found |= {f"s_{branch}": norm.gamma, f"t_{branch}": norm.beta}
    return {name: each for name, each in found.items() if name not in {"b_c", "b_a"}}


def _training(site, options, given, dy):
    shifts, steps, _ = arguments(site, options)
    more = norms(given) | shifts | steps
    return _normalised(xvolution_backward(dy, given["x"], given["w_c"], given["w_a"], **more))


def _training_batch(site, options, given, dy):
    shifts, steps, _ = arguments(site, options)
    more = shifts | steps | {"eps": options.epsilon} | named(given, "gamma_c", "gamma_a")
    grads = xvolution_training_backward(dy, given["x"], given["w_c"], given["w_a"], **more)
    return {name: each for name, each in _of(grads).items() if name not in {"b_c", "b_a"}}


def _training_local(site, options, given, dy):
    _, steps, window = arguments(site, options)
    more = projections(given) | norms(given) | window | steps
    return _normalised(xvolution_local_backward(dy, given["x"], given["w_c"], **more))


def _training_sa(site, options, given, dy):
    _, steps, _ = arguments(site, options)
    more = projections(given) | norms(given) | steps
    return _normalised(xvolution_global_backward(dy, given["x"], given["w_c"], **more, scale=1))


def _fused(site, options, given, dy):
    shifts, steps, _ = arguments(site, options)
    return _of(xvolution_fused_backward(dy, given["x"], given["w"], **shifts, **steps))


def _static(site, options, given, dy, name="w_c"):
    _, steps, _ = arguments(site, options)
    grads = conv2d_backward(dy, given["x"], given[name], padding=site.padding, **steps)
    return {"x": grads.x, name: grads.w, "b": grads.b}


def _both(attention):
    """A convolution with a bias, and an attention branch of the same input: gradients of x add."""

    def evaluate(site, options, given, dy):
        static, branch = _static(site, options, given, dy), attention(site, options, given, dy)
        branch.pop("b", None)
        return static | branch | {"x": static["x"] + branch["x"]}

    return evaluate


def _square(site, options, given, dy):
    """That of [x; T(x)] with both kernels; of x only, as the square form has other kernels."""
    return {"x": _both(_pssa)(site, options, given, dy)["x"]}


def _tied(site, options, given, dy):
    """α_d scales the input channels of w: the feature form of w and w·diag(α_d), by the chain."""
    alpha, w, channels = given["alpha"], given["w"], site.in_channels
    tied = [w * factors[:, None, None] for factors in alpha]
    grads = _fused(site, options, given | {"w": np.concatenate([w, *tied], axis=1)}, dy)
    static, *dynamic = np.split(grads["w"], [channels * i for i in range(1, len(alpha) + 1)], 1)
    d_alpha = [(each * w).sum(axis=(0, 2, 3)) for each in dynamic]
    d_w = static + sum(
        each * factors[:, None, None] for each, factors in zip(dynamic, alpha, strict=True)
    )
    return {"x": grads["x"], "w": d_w, "b": grads["b"], "alpha": np.stack(d_alpha)}


_GRADIENTS = {
    "convolution": _convolution,
    "convolution-wide": _convolution,
    "attention": _attention(),
    "attention-tiled": _attention(),
    "attention-scores": _attention(normalise="none", order="scores"),
    "attention-unnormalised": _attention(normalise="none", order="context"),
    "aa-convolution": _aa,
    "aa-convolution-position": _aa,
    "local-attention": _local("none"),
    "local-attention-softmax": _local("softmax"),
    "pssa": _pssa,
    "xvolution-training": _training,
    "xvolution-training-batch": _training_batch,
    "xvolution-training-local": _training_local,
    "xvolution-training-sa": _training_sa,
    "xvolution-fused": _fused,
    "xvolution-two-pass": _both(_pssa),
    "xvolution-tied": _tied,
    "xvolution-square": _square,
    "xvolution-square-array": _square,
    "xvolution-shared": _fused,
    "xvolution-kernel": _both(_pssa),
    "xvolution-kernel-stored": _both(_pssa),
    "xvolution-kernel-local": _both(_local("none")),
    "xvolution-sa": _both(_attention(normalise="none", order="context")),
}
