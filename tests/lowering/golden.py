"""What `refimpl` says a form computes, from tensors by the names that the lowering gives them."""

import numpy as np

from refimpl import (
    BatchNorm,
    aa_conv2d,
    conv2d,
    global_attention,
    local_attention,
    pssa,
    xvolution,
    xvolution_fused,
    xvolution_global,
    xvolution_local,
)
from refimpl.forms import (
    dynamic_conv2d,
    dynamic_kernel,
    kernel_form,
    local_kernel_form,
    per_image_form,
    shared,
    square,
    tied,
    two_pass,
)
from refimpl.ops.xvolution_training import xvolution_training

SOFTMAX = {
    "attention",
    "attention-tiled",
    "aa-convolution",
    "aa-convolution-position",
    "local-attention-softmax",
    "xvolution-training-sa",
}
"""Forms with a softmax: they agree up to rounding."""
ROOTS = {"xvolution-training-batch"}
"""Forms with a square root: the same."""


def norm(given, branch):
    """A folded normalisation as one with mean 0 and variance 1."""
    scale, offset = given[f"s_{branch}"], given[f"t_{branch}"]
    return BatchNorm(scale, offset, np.zeros(len(scale), int), np.ones(len(scale), int))


def named(given, *names):
    return {name: given[name] for name in names if name in given}


def arguments(site, options):
    """Keyword arguments that the operators call the site and its options by."""
    shifts = {
        "directions": options.directions,
        "length": options.length,
        "boundary": options.boundary,
    }
    steps = {"stride": site.stride, "dilation": site.dilation}
    window = {"kernel": options.window or site.kernel_h, "scale": 1}
    return shifts, steps, window


def golden(form, site, options, given):
    """y of ``form``, as the golden model evaluates it."""
    return _GOLDEN[form](site, options, given)


def projections(given):
    return named(given, "w_q", "w_k", "w_v")


def _convolution(site, options, given):
    _, steps, _ = arguments(site, options)
    more = {"padding": site.padding, "groups": site.groups}
    return conv2d(given["x"], given["w"], given["b"], **more, **steps)


def _attention(**how):
    def evaluate(site, options, given):
        more = {"stride": site.stride, "heads": options.heads, "scale": 1}
        return global_attention(given["x"], **projections(given), **more, **how)

    return evaluate


def _aa(site, options, given):
    more = {"heads": options.aa_heads, "scale": 1, "stride": site.stride}
    arrays = {"w_o": given["w_o"], "b_c": given["b"]} | named(given, "rel_h", "rel_w")
    return aa_conv2d(given["x"], given["w_c"], **projections(given), **arrays, **more)


def _local(normalise):
    def evaluate(site, options, given):
        _, steps, window = arguments(site, options)
        return local_attention(
            given["x"], **projections(given), normalise=normalise, **window, **steps
        )

    return evaluate


def _pssa(site, options, given):
    shifts, steps, _ = arguments(site, options)
    return pssa(given["x"], given["w_a"], given["b"], **shifts, **steps)


def norms(given):
    return {"bn_c": norm(given, "c"), "bn_a": norm(given, "a"), "eps": 0}


def _training(site, options, given):
    shifts, steps, _ = arguments(site, options)
    return xvolution(given["x"], given["w_c"], given["w_a"], **norms(given), **shifts, **steps)


def batch_norms(given):
    return named(given, "gamma_c", "beta_c", "gamma_a", "beta_a")


def _training_batch(site, options, given):
    shifts, steps, _ = arguments(site, options)
    more = batch_norms(given) | shifts | steps | {"eps": options.epsilon}
    return xvolution_training(given["x"], given["w_c"], given["w_a"], **more).y


def _training_local(site, options, given):
    _, steps, window = arguments(site, options)
    more = projections(given) | norms(given)
    return xvolution_local(given["x"], given["w_c"], **more, **window, **steps)


def _training_sa(site, options, given):
    _, steps, _ = arguments(site, options)
    more = projections(given) | norms(given)
    return xvolution_global(given["x"], given["w_c"], **more, scale=1, **steps)


def _kernel_local(site, options, given):
    _, steps, window = arguments(site, options)
    more = projections(given) | {"b": given["b"]}
    return local_kernel_form(given["x"], given["w_c"], **more, **window, **steps)


def _sa(site, options, given):
    _, steps, _ = arguments(site, options)
    more = projections(given) | {"b": given["b"], "heads": options.heads}
    return per_image_form(given["x"], given["w_c"], **more, **steps)


def _merged(operator, *names):
    def evaluate(site, options, given):
        shifts, steps, _ = arguments(site, options)
        return operator(given["x"], *(given[name] for name in names), **shifts, **steps)

    return evaluate


def _stored(site, options, given):
    shifts, steps, _ = arguments(site, options)
    kernels = dynamic_kernel(given["x"], given["w_c"], given["w_a"], **shifts, **steps)
    return dynamic_conv2d(given["x"], kernels, given["b"], **steps)


_GOLDEN = {
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
    "xvolution-fused": _merged(xvolution_fused, "w", "b"),
    "xvolution-two-pass": _merged(two_pass, "w_c", "w_a", "b"),
    "xvolution-tied": _merged(tied, "w", "b", "alpha"),
    "xvolution-square": _merged(square, "w_c", "w_a", "b"),
    "xvolution-square-array": _merged(square, "w_c", "w_a", "b"),
    "xvolution-shared": _merged(shared, "w", "b"),
    "xvolution-kernel": _merged(kernel_form, "w_c", "w_a", "b"),
    "xvolution-kernel-stored": _stored,
    "xvolution-kernel-local": _kernel_local,
    "xvolution-sa": _sa,
}
