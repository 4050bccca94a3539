"""How to break claims about merging branches, and about what the merged forms compute."""

from dataclasses import replace

import numpy as np

import refimpl
from proofs.claims import (
    branches,
    dynamic_kernel,
    folding,
    forms,
    merging,
    rounding,
    single_convolution,
    stacked,
)
from refimpl.fuse import Folded, MergeError
from tests.proofs.breaks.wrongs import Break, add_a_linear_term, always, opposite


def forget_beta(right):
    return lambda w, b, bn, **options: right(w, b, bn._replace(beta=bn.beta * 0), **options)


def subtract_the_mean_after_scaling(right):
    """The classic mistake: b·s − μ + β instead of (b − μ)·s + β."""

    def wrong(w, b, bn, *, eps):
        folded = right(w, b, bn, eps=eps)
        scale = bn.gamma / np.sqrt(bn.var + eps)
        return Folded(folded.w, folded.b + bn.mean * scale - bn.mean)

    return wrong


def put_off_centre(right):
    return lambda w, kernel: np.roll(right(w, kernel), 1, axis=3)


def drop_the_attention_bias(right):
    return lambda conv, attention: right(conv, replace(attention, b=None))


def never_refuse(right):
    def wrong(conv, attention):
        try:
            return right(conv, attention)
        except MergeError:
            return None

    return wrong


def refuse_always(_):
    def wrong(*_):
        raise MergeError("equal stride", "no merging today")

    return wrong


def forget_the_products(_):
    def wrong(x, w, b=None, *, stride=1, dilation=1, **_):
        return refimpl.conv2d(x, w[:, : x.shape[1]], b, stride=stride, dilation=dilation)

    return wrong


def positive_weights(right):
    return lambda x, w, **options: right(x, abs(w), **options)


def drop_the_fused_bias(right):
    def wrong(*args, **options):
        fused = right(*args, **options)
        return replace(fused, arrays={**fused.arrays, "b": fused.arrays["b"] * 0})

    return wrong


def negate_the_gate(right):
    return lambda x, w, b, alpha, **options: right(x, w, b, -alpha, **options)


def fused_as_trained(right):
    def wrong(power):
        trained, _, products = right(power)
        return trained, trained, products

    return wrong


BREAKS: dict[str, tuple[Break, ...]] = {
    "a-stack-is-even-and-of-degree-two-to-the-number-of-levels": (
        Break("linear term", stacked, "pssa_stack", add_a_linear_term),
        Break("one level", stacked, "pssa_stack", always(lengths=(1,))),
    ),
    "of-a-stack-the-last-level-merges": (
        Break("always wraps", stacked, "shift_product", always(boundary="circular")),
        Break("length ignored", stacked, "pssa_stack", always(lengths=(1, 1))),
        Break("only one level", stacked, "pssa_stack", always(lengths=(1,))),
    ),
    "every-form-computes-what-was-trained": (
        Break("bias dropped", forms, "fuse_xvolution", drop_the_fused_bias),
    ),
    "tied-kernels-gate-the-image-instead": (Break("gate negated", forms, "tied", negate_the_gate),),
    "softmax-does-not-break-the-merge": (
        Break("bias dropped", forms, "fuse_xvolution", drop_the_fused_bias),
    ),
    "x-volution-with-global-attention-is-one-kernel-per-image": (
        Break("scaled", forms, "per_image_form", always(scale=2)),
    ),
    "the-identity-is-a-dirac-kernel": (
        Break("β forgotten", forms, "fold_batch_norm", forget_beta),
    ),
    "the-even-part-of-x-volution-is-its-attention": (
        Break("linear term", single_convolution, "pssa", add_a_linear_term),
    ),
    "the-stored-kernel-is-the-feature-form-for-every-boundary": (
        Break("always wraps", dynamic_kernel, "dynamic_kernel", always(boundary="circular")),
        Break("never pads around", dynamic_kernel, "dynamic_conv2d", always(padding_mode="zero")),
    ),
    "the-dynamic-kernel-is-determined-by-what-is-computed": (
        Break("all kernels alike", dynamic_kernel, "same", lambda _: lambda *_: True),
    ),
    "float32-forms-agree-to-a-hundred-ulps": (
        Break("no rounding", rounding, "with_offset", fused_as_trained),
    ),
    "products-alone-bound-the-rounding": (
        Break("no rounding", rounding, "with_offset", fused_as_trained),
    ),
    "batch-norm-folds-into-the-convolution": (
        Break("β forgotten", folding, "fold_batch_norm", forget_beta),
        Break("μ unscaled", folding, "fold_batch_norm", subtract_the_mean_after_scaling),
    ),
    "batch-norm-folds-into-the-convolution-after-it": (
        Break("β forgotten", folding, "fold_batch_norm", forget_beta),
    ),
    "a-small-kernel-is-a-large-one-with-zeros": (
        Break("off centre", folding, "embed", put_off_centre),
    ),
    "parallel-branches-merge": (
        Break("off centre", folding, "embed", put_off_centre),
        Break("relu is linear", branches, "relu", lambda _: lambda y: y),
    ),
    "training-form-equals-the-fused-feature-form": (
        Break("bias dropped", merging, "merge", drop_the_attention_bias),
        Break("other way", merging, "xvolution_fused", opposite),
        Break("always wraps", merging, "xvolution_fused", always(boundary="circular")),
    ),
    "merge-refuses-exactly-what-it-must": (
        Break("never refuses", merging, "merge", never_refuse),
        Break("always refuses", merging, "merge", refuse_always),
    ),
    "float32-forms-differ-by-rounding-only": (
        Break("bias dropped", rounding, "merge", drop_the_attention_bias),
    ),
    "x-volution-is-a-convolution-of-its-input": (
        Break("no products", single_convolution, "xvolution_fused", forget_the_products),
    ),
    "only-zero-attention-weights-give-a-convolution": (
        Break("nothing cancels", single_convolution, "pssa", positive_weights),
    ),
    "x-volution-is-a-static-plus-a-dynamic-kernel": (
        Break("other way", dynamic_kernel, "xvolution_fused", opposite),
        Break("always wraps", dynamic_kernel, "xvolution_fused", always(boundary="circular")),
    ),
}
