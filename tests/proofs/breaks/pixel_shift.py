"""How to break claims about PSSA, its stacks and its symmetries."""

import numpy as np

import refimpl
from proofs.claims import contract, degree, pixel_shift, sharing, stacking, translation
from tests.proofs.breaks.wrongs import Break, add_a_linear_term, always, opposite, shift_backwards


def forget_to_displace(right):
    return lambda w, _, margin: right(w, (0, 0), margin)


def widen(right):
    return lambda *args, **options: right(*args, **options).astype(np.float64)


def look_right_only(right):
    def wrong(x, w, **options):
        return right(x, w[:, : x.shape[1]], **options | {"directions": ((0, 1),)})

    return wrong


def forget_the_kernel(right):
    return lambda directions, lengths, side: right(directions, lengths, 1)


def all_eight(right):
    return lambda directions, lengths, side: right(refimpl.EIGHT_DIRECTIONS, lengths, side)


def equal_lengths(right):
    def wrong(*args, lengths, **options):
        return right(*args, lengths=(1,) * len(lengths), **options)

    return wrong


BREAKS: dict[str, tuple[Break, ...]] = {
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
    "x-volution-on-a-torus-moves-with-the-image": (
        Break("never wraps", translation, "kernel_form", always(boundary="zero")),
    ),
    "pssa-is-uncorrelated-with-attention-where-signs-are-even": (
        Break("linear term", degree, "pssa_stack", add_a_linear_term),
    ),
    "a-score-is-a-convolution-of-ones-on-a-shift-product": (
        Break("always wraps", pixel_shift, "shift_product", always(boundary="circular")),
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
    "opposite-directions-are-redundant": (Break("backwards", sharing, "shift", shift_backwards),),
    "an-opposite-direction-folds-into-a-larger-kernel": (
        Break("not displaced", sharing, "displaced", forget_to_displace),
        Break("always wraps", sharing, "shift_product", always(boundary="circular")),
        Break("never wraps", sharing, "shift_product", always(boundary="zero")),
    ),
    "x-volution-keeps-the-contract-of-a-convolution": (
        Break("float64", contract, "xvolution_fused", widen),
        Break("stride ignored", contract, "xvolution_fused", always(stride=1)),
    ),
    "stacking-reaches-the-whole-image": (
        Break("one direction", stacking, "pssa", look_right_only),
        Break("length ignored", stacking, "pssa", always(length=1)),
    ),
}
