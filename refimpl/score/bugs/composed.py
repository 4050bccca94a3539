"""Bugs where parts of an operator meet: zero points of groups, branches and their sum."""

from refimpl.score.mutant import Bug, bug

JOINED: tuple[Bug, ...] = (
    bug(
        "product-zero-of-x",
        "sign",
        "the convolution subtracts x's zero point from products",
        "product_zero",
        "zero_of_x",
    ),
)
AUGMENTED: tuple[Bug, ...] = (
    bug(
        "augmented-reversed",
        "geometry",
        "channels [T; x] where [x; T] is declared",
        "augmented",
        "swap_groups",
    ),
    bug(
        "zeros-of-x",
        "sign",
        "x's zero point subtracted from the products' channels too",
        "zeros",
        "one_zero_for_all",
        group=0,
    ),
    bug(
        "zeros-of-product",
        "sign",
        "the products' zero point subtracted from x's channels too",
        "zeros",
        "one_zero_for_all",
        group=1,
    ),
)
BRANCHES: tuple[Bug, ...] = (
    bug(
        "conv-bias-dropped",
        "missing shift",
        "the convolution branch's bias, its batch normalisation's shift, is left out",
        "convolution.b",
        "constant",
        to=0,
    ),
    bug(
        "attention-bias-dropped",
        "missing shift",
        "the attention branch's bias, its batch normalisation's shift, is left out",
        "attention.b",
        "constant",
        to=0,
    ),
    bug(
        "conv-unclipped",
        "saturation",
        "the convolution branch reaches the sum unsaturated",
        "branch",
        "branch_unclipped",
        which="conv",
    ),
    bug(
        "attention-unclipped",
        "saturation",
        "the attention branch reaches the sum unsaturated",
        "branch",
        "branch_unclipped",
        which="attention",
    ),
    bug(
        "zero-per-branch",
        "sign",
        "the output's zero point is added in each branch as well",
        "branch_zero",
        "known",
        name="y_zero",
    ),
    bug(
        "sum-zero-dropped",
        "sign",
        "the output's zero point is not added to the sum",
        "sum_zero",
        "constant",
        to=0,
    ),
    bug(
        "sum-wraps",
        "saturation",
        "the sum of the branches wraps instead of saturating",
        "sum",
        "known",
        name="before",
    ),
    bug(
        "sum-wraps-high",
        "saturation",
        "the sum wraps at the upper rail only",
        "sum",
        "clip_one_side",
        wraps="high",
    ),
    bug(
        "sum-rail-minus-127",
        "saturation",
        "the sum's lower rail is -127",
        "sum",
        "at_least",
        low=-127,
    ),
)
FLOAT_BRANCHES: tuple[Bug, ...] = (
    bug(
        "conv-shift-dropped",
        "missing shift",
        "the batch normalisation's shift of the convolution branch is left out",
        "convolution.t",
        "constant",
        to=0.0,
    ),
    bug(
        "attention-shift-dropped",
        "missing shift",
        "the batch normalisation's shift of the attention branch is left out",
        "attention.t",
        "constant",
        to=0.0,
    ),
    bug(
        "attention-scale-dropped",
        "parameters",
        "the attention branch is not scaled",
        "attention.s",
        "constant",
        to=1.0,
    ),
    bug(
        "scaled-bf16",
        "width",
        "scaled branches rounded to bfloat16",
        "scaled",
        "to_format",
        name="bf16",
    ),
)
