"""For every claim, how to break the model, or the statement, so that it must fail."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

import refimpl
from proofs import smt
from proofs.claims import (
    attention,
    branches,
    contract,
    degree,
    dynamic_kernel,
    folding,
    forms,
    gradients,
    hardware,
    integers,
    locality,
    machines,
    measured,
    merging,
    pixel_shift,
    rounding,
    sharing,
    single_convolution,
    sizes,
    stacking,
    translation,
    work,
)
from refimpl.fuse import Folded, MergeError

Function = Callable[..., Any]


class Break(NamedTuple):
    """One function as a claim sees it, and how to make it wrong."""

    what: str
    module: Any
    name: str
    wrong: Callable[[Function], Function]


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


def always(**options):
    """Call the right function with some options overruled."""
    return lambda right: lambda *args, **given: right(*args, **given | options)


def opposite(right):
    """Look the other way."""

    def wrong(*args, directions=refimpl.FOUR_DIRECTIONS, **options):
        back = tuple((-down, -right_) for down, right_ in directions)
        return right(*args, directions=back, **options)

    return wrong


def add_a_linear_term(right):
    return lambda x, *args, **options: right(x + 1, *args, **options)


def forget_the_products(_):
    def wrong(x, w, b=None, *, stride=1, dilation=1, **_):
        return refimpl.conv2d(x, w[:, : x.shape[1]], b, stride=stride, dilation=dilation)

    return wrong


def positive_weights(right):
    return lambda x, w, **options: right(x, abs(w), **options)


def shift_backwards(right):
    return lambda x, *, offset, **options: right(x, offset=(-offset[0], -offset[1]), **options)


def forget_to_displace(right):
    return lambda w, _, margin: right(w, (0, 0), margin)


def widen(right):
    return lambda *args, **options: right(*args, **options).astype(np.float64)


def look_right_only(right):
    def wrong(x, w, **options):
        return right(x, w[:, : x.shape[1]], **options | {"directions": ((0, 1),)})

    return wrong


def double_the_gradient_of_x(right):
    def wrong(*args, **options):
        grads = right(*args, **options)
        return grads._replace(x=grads.x + grads.x)

    return wrong


def drop_the_gradient_of_b(right):
    def wrong(*args, **options):
        grads = right(*args, **options)
        return grads._replace(b=grads.b * 0)

    return wrong


def forget_the_key(right):
    """The product rule with one of its two terms."""

    def wrong(dy, q, k=None, **options):
        both = right(dy, q, q if k is None else k, **options)
        return both._replace(q=both.q, k=None) if k is None else both

    return wrong


def one_more_operator(right):
    return lambda: right() | {"unheard_of"}


def off_by_one(right):
    return lambda *args: right(*args)._replace(total=right(*args).total + 1)


def forget_the_drain(right):
    def wrong(gemm, array, flow):
        cycles = right(gemm, array, flow)
        return cycles._replace(total=cycles.total - min(getattr(gemm, flow.rows), array.rows))

    return wrong


def wrong_product(right):
    def wrong(a, b, array, dataflow):
        simulated = right(a, b, array, dataflow)
        return simulated._replace(product=simulated.product + 1)

    return wrong


def one_cycle_more(right):
    return lambda *args: right(*args) + 1


def filter_read_once_more(right):
    def wrong(*args):
        moved = right(*args)
        return moved._replace(filter_bytes=moved.filter_bytes + 1)

    return wrong


def lower_as(form, instead):
    """Lower one form as if it were another."""
    return lambda right: (
        lambda asked, site, **options: right(instead if asked == form else asked, site, **options)
    )


def no_extra_operators(right):
    def wrong(form, site, **options):
        lowered = right(form, site, **options)
        return tuple(each for each in lowered if isinstance(each, work.Convolution))

    return wrong


FUSED_IS_PLAIN = lower_as("xvolution-fused", "convolution")
FUSED_IS_TRAINING = lower_as("xvolution-fused", "xvolution-training")


def drop_the_fused_bias(right):
    def wrong(*args, **options):
        fused = right(*args, **options)
        return replace(fused, arrays={**fused.arrays, "b": fused.arrays["b"] * 0})

    return wrong


def negate_the_gate(right):
    return lambda x, w, b, alpha, **options: right(x, w, b, -alpha, **options)


def twice(right):
    return lambda *args, **options: 2 * right(*args, **options)


def twice_over(right):
    """Every result twice, side by side."""
    return lambda *args, **options: np.concatenate([right(*args, **options)] * 2)


def forget_the_kernel(right):
    return lambda directions, lengths, side: right(directions, lengths, 1)


def all_eight(right):
    return lambda directions, lengths, side: right(refimpl.EIGHT_DIRECTIONS, lengths, side)


def equal_lengths(right):
    def wrong(*args, lengths, **options):
        return right(*args, lengths=(1,) * len(lengths), **options)

    return wrong


def one_more_pixel_far(right):
    return lambda pixels, far, channels: right(pixels, far + 1, channels)


def look_nearby_only(_):
    return lambda x, *weights, normalise: refimpl.local_attention(x, *weights, kernel=(1, 3))


def scaled_up(right):
    return lambda *args, **options: 1000 * right(*args, **options)


def one_mac_more(right):
    def wrong(*args):
        counted = right(*args)
        return counted._replace(array_macs=counted.array_macs + 1)

    return wrong


def fused_as_trained(right):
    def wrong(power):
        trained, _, products = right(power)
        return trained, trained, products

    return wrong


def better(what, by=0.5):
    """Every number of one line of the study, too large."""

    def wrong(right):
        return lambda: tuple(
            row._replace(value=row.value + by) if row.what == what else row for row in right()
        )

    return wrong


def halved(right):
    return lambda *args: right(*args) / 2


def as_attention(right):
    """Fused X-volution costs, and lacks, what softmax attention does."""
    return lambda *args: right(*args) | {"xvolution-fused": right(*args)["attention"]}


def as_convolution(right):
    return lambda *args: right(*args) | {"xvolution-fused": right(*args)["convolution"]}


BREAKS: dict[str, tuple[Break, ...]] = {
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
    "a-stack-sees-the-minkowski-sum-of-its-levels": (
        Break("lengths ignored", stacking, "pssa_stack_backward", equal_lengths),
        Break("kernel forgotten", stacking, "stack", forget_the_kernel),
    ),
    "a-stack-reaches-s-times-l-plus-half-a-kernel": (
        Break("kernel forgotten", stacking, "stack", forget_the_kernel),
        Break("eight directions", stacking, "stack", all_eight),
    ),
    "a-stack-leaves-holes-where-its-shift-is-too-long": (
        Break("kernel forgotten", stacking, "stack", forget_the_kernel),
    ),
    "a-globally-connected-stack-is-not-linear": (
        Break("eight directions", stacking, "connects", all_eight),
    ),
    "dyadic-lengths-connect-with-four-directions": (
        Break("eight directions", stacking, "connects", all_eight),
    ),
    "the-local-linear-step-misses-what-attention-makes-of-the-residual": (
        Break("matrix doubled", locality, "per_image_weights", twice),
    ),
    "the-local-linear-step-errs-by-at-most-its-residual-times-a-norm": (
        Break("attention scaled", locality, "global_attention", scaled_up),
    ),
    "white-noise-truncation-error": (
        Break("one more far", locality, "truncation_error_squared", one_more_pixel_far),
        Break("window ignored", locality, "local_attention", always(kernel=(1, 1))),
    ),
    "white-noise-truncation-loses-nearly-everything": (
        Break("doubled", locality, "truncation_error_squared", scaled_up),
    ),
    "truncation-errs-by-a-bounded-factor": (
        Break("global is local", locality, "global_attention", look_nearby_only),
    ),
    "truncating-softmax-costs-the-far-mass": (
        Break("window ignored", locality, "local_attention", always(kernel=(1, 1))),
    ),
    "the-solver-reasons-about-the-shipped-rounding": (
        Break("floor", integers, "RULES", lambda right: right | {"half_up": right["floor"]}),
        Break("ties up", smt, "RULES", lambda right: right | {"half_even": smt.half_up}),
    ),
    "merging-before-requantisation-differs-by-half-the-branches": (
        Break("floor", smt, "RULES", lambda right: right | {"half_up": smt.floor}),
    ),
    "the-bounds-of-merging-before-requantisation-are-reached": (
        Break("one too many", integers, "BOUNDS", lambda right: {"half_up": lambda b: b}),
    ),
    "saturating-branches-err-by-up-to-128": (
        Break("seven bits", smt, "clip", lambda right: lambda value: right(value, -64, 63)),
    ),
    "every-machine-that-convolves-runs-fused-x-volution": (
        Break("all native", machines, "support", lambda _: lambda *_: "native"),
    ),
    "a-machine-that-multiplies-elementwise-runs-fused-x-volution": (
        Break("attention instead", machines, "costs", as_attention),
    ),
    "softmax-attention-is-conv-friendly-nowhere": (
        Break("all native", machines, "support", lambda _: lambda *_: "native"),
    ),
    "fused-x-volution-is-as-efficient-in-the-last-stage": (
        Break("half as efficient", machines, "efficiency", halved),
    ),
    "fused-x-volution-takes-at-least-four-times-the-cycles": (
        Break("convolution instead", machines, "costs", as_convolution),
    ),
    "array-work-is-linear-in-the-number-of-pixels": (
        Break("PSSA is attention", machines, "lower", lower_as("xvolution-fused", "attention")),
    ),
    "pssa-explains-nothing-of-attention-on-noise": (
        Break("PSSA + 0.5", measured, "results", better("PSSA")),
    ),
    "pssa-adds-nothing-to-a-convolution-off-photographs": (
        Break("X-volution + 0.5", measured, "results", better("X-volution")),
    ),
    "pssa-adds-to-a-convolution-on-photographs": (
        Break("conv + 0.5", measured, "results", better("conv 3×3")),
    ),
    "local-attention-predicts-better-than-pssa-on-noise": (
        Break("PSSA + 0.5", measured, "results", better("PSSA")),
    ),
    "the-local-linear-step-is-good-where-neighbours-are-alike": (
        Break("error + 0.5", measured, "results", better("neighbours, attention")),
    ),
    "truncation-is-bad-on-every-population": (
        Break("error − 0.5", measured, "results", better("truncation", by=-0.5)),
    ),
    "merged-weights-sum-like-branches-in-a-wrapping-accumulator": (
        Break("difference", integers, "merged_weight", lambda _: lambda w_c, w_a: w_c - w_a),
    ),
    "saturated-merged-weights-compute-the-same": (
        Break("never saturates", integers, "saturated", lambda _: lambda weight: weight),
    ),
    "absorbing-two-scales-costs-the-logarithm-of-their-ratio": (
        Break("three bits more", integers, "lost_bits", lambda right: lambda *a: right(*a) + 3),
    ),
    "the-zero-point-of-the-products-folds-into-the-bias": (
        Break("never pads", integers, "conv2d", always(padding=0)),
        Break("always pads", integers, "conv2d", always(padding=1)),
    ),
    "x-volution-on-a-torus-moves-with-the-image": (
        Break("never wraps", translation, "kernel_form", always(boundary="zero")),
    ),
    "stored-kernels-take-c-squared-k-squared-n-numbers": (
        Break("stored twice", sizes, "dynamic_kernel", twice_over),
    ),
    "stored-kernels-of-a-resnet-take-441-mib": (Break("doubled", sizes, "stored_bytes", twice),),
    "stored-kernels-of-the-detector-take-nine-gib": (
        Break("doubled", sizes, "stored_bytes", twice),
    ),
    "the-tied-form-adds-nothing-on-the-array": (Break("one more", sizes, "cost", one_mac_more),),
    "two-passes-take-1-44-times-the-macs-where-embedding-takes-5": (
        Break("one more", sizes, "cost", one_mac_more),
    ),
    "pssa-is-uncorrelated-with-attention-where-signs-are-even": (
        Break("linear term", degree, "pssa_stack", add_a_linear_term),
    ),
    "a-score-is-a-convolution-of-ones-on-a-shift-product": (
        Break("always wraps", pixel_shift, "shift_product", always(boundary="circular")),
    ),
    "the-stored-kernel-is-the-feature-form-for-every-boundary": (
        Break("always wraps", dynamic_kernel, "dynamic_kernel", always(boundary="circular")),
        Break("never pads around", dynamic_kernel, "dynamic_conv2d", always(padding_mode="zero")),
    ),
    "the-dynamic-kernel-is-determined-by-what-is-computed": (
        Break("all kernels alike", dynamic_kernel, "same", lambda _: lambda *_: True),
    ),
    "a-stencil-of-two-to-the-s-plus-one-nodes-is-exact-for-a-stack": (
        Break("dx doubled", refimpl, "pssa_stack_backward", double_the_gradient_of_x),
    ),
    "the-gradient-of-softmax-is-rational-in-its-output": (
        Break("no mean", gradients, "pull_softmax", lambda _: lambda dy, y, **_: y * dy),
    ),
    "every-backward-encloses-the-derivative": (
        Break("dx doubled", refimpl, "softmax_backward", double_the_gradient_of_x),
        Break("γ not scaled", refimpl, "batch_norm_training_backward", double_the_gradient_of_x),
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
    "pssa-is-the-steps-of-the-article": (
        Break("always wraps", pixel_shift, "pssa", always(boundary="circular")),
        Break("length ignored", pixel_shift, "pssa", always(length=1)),
        Break("other way", pixel_shift, "pssa", opposite),
    ),
    "pssa-is-one-convolution-on-shift-products": (
        Break("always wraps", pixel_shift, "shift_product", always(boundary="circular")),
        Break("stride ignored", pixel_shift, "conv2d", always(stride=1)),
    ),
    "pssa-is-even-and-homogeneous-of-degree-two": (
        Break("linear term", degree, "pssa", add_a_linear_term),
    ),
    "local-attention-is-odd-and-homogeneous-of-degree-three": (
        Break("linear term", degree, "local_attention", add_a_linear_term),
        Break("softmax", degree, "local_attention", always(normalise="softmax")),
    ),
    "x-volution-is-a-convolution-of-its-input": (
        Break("no products", single_convolution, "xvolution_fused", forget_the_products),
    ),
    "only-zero-attention-weights-give-a-convolution": (
        Break("nothing cancels", single_convolution, "pssa", positive_weights),
    ),
    "opposite-directions-are-redundant": (Break("backwards", sharing, "shift", shift_backwards),),
    "an-opposite-direction-folds-into-a-larger-kernel": (
        Break("not displaced", sharing, "displaced", forget_to_displace),
        Break("always wraps", sharing, "shift_product", always(boundary="circular")),
        Break("never wraps", sharing, "shift_product", always(boundary="zero")),
    ),
    "x-volution-is-a-static-plus-a-dynamic-kernel": (
        Break("other way", dynamic_kernel, "xvolution_fused", opposite),
        Break("always wraps", dynamic_kernel, "xvolution_fused", always(boundary="circular")),
    ),
    "x-volution-keeps-the-contract-of-a-convolution": (
        Break("float64", contract, "xvolution_fused", widen),
        Break("stride ignored", contract, "xvolution_fused", always(stride=1)),
    ),
    "stacking-reaches-the-whole-image": (
        Break("one direction", stacking, "pssa", look_right_only),
        Break("length ignored", stacking, "pssa", always(length=1)),
    ),
    "convolution-is-attention-with-one-hot-positions": (
        Break("backwards", attention, "shift", shift_backwards),
    ),
    "unnormalised-global-attention-is-a-convolution-per-image": (
        Break("scaled", attention, "global_attention", always(scale=Fraction(1, 2))),
    ),
    "every-backward-is-the-adjoint-of-the-derivative": (
        Break("dx doubled", refimpl, "pssa_backward", double_the_gradient_of_x),
        Break("db dropped", refimpl, "conv2d_backward", drop_the_gradient_of_b),
        Break("half the product rule", refimpl, "shift_product_backward", forget_the_key),
        Break("γ not scaled", refimpl, "batch_norm_training_backward", double_the_gradient_of_x),
        Break("no case", gradients, "operators", one_more_operator),
    ),
    "central-differences-of-quadratic-operators-are-exact": (
        Break("dx doubled", refimpl, "xvolution_fused_backward", double_the_gradient_of_x),
        Break("db dropped", refimpl, "linear_backward", drop_the_gradient_of_b),
    ),
    "output-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("no drain", hardware, "array_cycles", forget_the_drain),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "weight-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "input-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "dram-traffic-is-what-walking-the-tiles-moves": (
        Break("one byte more", hardware, "traffic", filter_read_once_more),
    ),
    "scheduled-cycles-are-what-time-stepping-takes": (
        Break("off by one", hardware, "total_cycles", one_cycle_more),
    ),
    "fused-x-volution-adds-no-computation": (
        Break("fused is plain", work, "lower", FUSED_IS_PLAIN),
    ),
    "fused-x-volution-takes-one-plus-d-times-the-macs": (
        Break("fused is plain", work, "lower", FUSED_IS_PLAIN),
        Break("fused is training", work, "lower", FUSED_IS_TRAINING),
        Break("D = 8", work, "DIRECTIONS", lambda _: 8),
    ),
    "merging-saves-no-multiplications-on-the-array": (
        Break("fused is plain", work, "lower", FUSED_IS_PLAIN),
        Break("fused is training", work, "lower", FUSED_IS_TRAINING),
    ),
    "fused-x-volution-needs-only-convolution": (
        Break("no multiplication", work, "lower", no_extra_operators),
    ),
}
