"""Bugs of backward passes: what a gradient reads, sums, rounds, and moves back."""

from refimpl.score.bugs.composed import BRANCHES
from refimpl.score.bugs.floats import OPERANDS, SUMS
from refimpl.score.bugs.integers import SIGNS
from refimpl.score.bugs.reading import PAD_VALUE, PADDING, STEPS
from refimpl.score.bugs.requantisation import PARAMETERS, RAILS, ROUNDING
from refimpl.score.bugs.shifting import PRODUCT_REQUANTISATION, PRODUCTS, SHIFTING
from refimpl.score.mutant import Bug, bug, in_scope

BACK: tuple[Bug, ...] = (
    bug("back-kernel-unflipped", "geometry", "kernels read backwards for the input's gradient",
        "back_w", "flip", axes=(2, 3)),
    bug("back-kernel-transposed", "geometry", "rows and columns of kernels exchanged on the way "
        "back", "back_w", "transpose_kernel"),
    bug("back-outputs-reversed", "geometry", "output channels of kernels in the reverse order on "
        "the way back", "back_w", "flip", axes=(0,)),
    bug("back-outputs-ragged", "tile edge", "a ragged last tile of output channels is not added "
        "to the input's gradient", "back_w", "drop_ragged", axis=0, tile="c_out"),
    bug("back-stride-one", "geometry", "stride ignored on the way back",
        "back_window", "fixed_field", field="stride", to=1),
    bug("back-stride-swapped", "geometry", "vertical stride used horizontally on the way back, "
        "and the reverse", "back_window", "swap_axes_of", field="stride"),
    bug("back-dilation-one", "geometry", "dilation ignored on the way back",
        "back_window", "fixed_field", field="dilation", to=1),
    bug("back-dilation-swapped", "geometry", "vertical dilation used horizontally on the way back, "
        "and the reverse", "back_window", "swap_axes_of", field="dilation"),
    bug("back-padding-none", "geometry", "padding forgotten on the way back",
        "back_window", "fixed_field", field="padding", to=0),
    bug("back-padding-swapped", "geometry", "vertical padding used horizontally on the way back, "
        "and the reverse", "back_window", "swap_axes_of", field="padding"),
    bug("back-holes-filled", "geometry", "between the steps of a stride the gradient before is "
        "read", "back_reads", "fill_holes"),
    *(
        bug(f"back-beyond-{side}", "geometry", f"beyond the {side} of the upstream gradient its "
            "nearest pixel is read", "back_reads", "seen_beyond", side=side)
        for side in ("top", "bottom", "left", "right")
    ),
)  # fmt: skip
WEIGHTS: tuple[Bug, ...] = (
    bug("dw-transposed", "geometry", "rows and columns of a kernel's gradient exchanged",
        "dw", "transpose_kernel"),
    bug("dw-flipped", "geometry", "a kernel's gradient written backwards",
        "dw", "flip", axes=(2, 3)),
    bug("dw-last-image", "missed clear", "gradients of parameters hold the last image alone",
        "rows", "last_image_only"),
    bug("dw-pixels-ragged", "tile edge", "a ragged last tile of pixels is not added to gradients "
        "of parameters", "rows", "drop_ragged", axis=1, tile="pixels"),
    bug("dw-last-pixel", "tile edge", "the last pixel is not added to gradients of parameters",
        "rows", "without_final_term"),
    bug("dw-channel-before", "parameters", "gradients of parameters use the upstream gradient of "
        "the output before", "rows", "neighbour"),
    bug("db-of-before", "parameters", "every output has the bias's gradient of the one before it",
        "db", "neighbour"),
    bug("db-dropped", "missing shift", "the bias's gradient is left out", "db", "constant", to=0),
)  # fmt: skip
READS = PADDING + STEPS
INTEGER_WIDTHS: tuple[Bug, ...] = (
    bug("dy-unsigned", "sign", "upstream gradients read without their sign",
        "dy", "unsigned", bits=8),
    bug("dy-zero-ignored", "sign", "the zero point of upstream gradients is not subtracted",
        "dy_zero", "constant", to=0),
    bug("dw-16", "width", "a kernel's gradient summed in 16 bits", "dw", "wrap", bits=16),
    bug("dw-19", "width", "a kernel's gradient summed in 19 bits", "dw", "wrap", bits=19),
    bug("dw-16-clip", "width", "a kernel's gradient summed in 16 bits, saturating",
        "dw", "saturate", bits=16),
    bug("db-10", "width", "a bias's gradient summed in 10 bits", "db", "wrap", bits=10),
    bug("dx-sum-16", "width", "the input's gradient summed in 16 bits",
        "dx_accumulator", "wrap", bits=16),
    bug("dx-carries", "missed clear", "sums of the input's gradient are not cleared between images",
        "dx_accumulator", "carried"),
)  # fmt: skip
FLOAT_SUMS: tuple[Bug, ...] = (
    bug("dy-bf16", "width", "upstream gradients rounded to bfloat16", "dy", "to_format",
        name="bf16"),
    bug("dy-flushed", "width", "subnormal upstream gradients read as 0", "dy", "flush"),
    bug("dw-images-inside", "order", "a kernel's gradient sums images innermost",
        "dw_sums", "resummed", order="ijn"),
    bug("dw-tree", "order", "a kernel's gradient summed in trees of four",
        "dw_sums", "resummed", lanes=4, lane_order="tree"),
    bug("dw-passes", "order", "a kernel's gradient summed in passes of four, then added",
        "dw_sums", "resummed", pass_terms=4, between="added"),
    bug("dw-fused", "rounding", "products of a kernel's gradient not rounded before they are added",
        "dw_sums", "resummed", product="fused"),
    bug("dw-truncates", "rounding", "the adder of a kernel's gradient rounds towards zero",
        "dw_sums", "resummed", rounding="toward_zero"),
    bug("dw-bf16", "width", "a kernel's gradient written in bfloat16", "dw", "to_format",
        name="bf16"),
    bug("dx-taps-outside", "order", "the input's gradient sums taps outermost",
        "dx_sums", "resummed", order="uvo"),
    bug("dx-tree", "order", "the input's gradient summed in trees of four",
        "dx_sums", "resummed", lanes=4, lane_order="tree"),
    bug("dx-fused", "rounding", "products of the input's gradient not rounded before adding",
        "dx_sums", "resummed", product="fused"),
    bug("dx-truncates", "rounding", "the adder of the input's gradient rounds towards zero",
        "dx_sums", "resummed", rounding="toward_zero"),
    bug("dx-flushes", "width", "subnormal terms and sums of the input's gradient become 0",
        "dx_sums", "resummed", subnormals="flushed"),
    bug("dx-bf16", "width", "the input's gradient written in bfloat16", "dx", "to_format",
        name="bf16"),
)  # fmt: skip
MOVING: tuple[Bug, ...] = (
    bug("back-shift-forward", "shift direction", "shares moved as the forward pass moves pixels",
        "back_offset", "reversed_all"),
    bug("back-shift-mirrored", "shift direction", "shares moved to the wrong side, left and right",
        "back_offset", "mirrored", axis=1),
    bug("back-shift-first", "shift direction", "shares of every direction moved as the first's",
        "back_offset", "first_direction"),
    bug("back-no-wrap", "wrap-around", "shares that leave the image are lost",
        "back_boundary", "constant", to="zero", unless={"boundary": "zero"}),
    bug("back-wraps", "wrap-around", "shares that leave the image come back at the other side",
        "back_boundary", "constant", to="circular", unless={"boundary": "circular"}),
    bug("here-dropped", "geometry", "the pixel's own share is left out", "here", "scale", by=0),
    bug("there-dropped", "geometry", "the share of the pixel that was read is left out",
        "there", "scale", by=0),
)  # fmt: skip
INTEGER_MOVING: tuple[Bug, ...] = (
    bug("dproduct-unsigned", "sign", "the products' gradient read without its sign",
        "dproduct", "unsigned", bits=8),
    bug("dproduct-wraps", "saturation", "the products' gradient wraps instead of saturating",
        "dproduct.output", "known", name="before"),
    bug("dproduct-zero-dropped", "sign", "the zero point of the products' gradient is not added",
        "dproduct.y_zero", "constant", to=0),
    bug("here-15", "width", "the pixel's own share kept in 15 bits", "here", "wrap", bits=15),
    bug("there-16", "width", "the share of the pixel that was read kept in 16 bits",
        "there", "wrap", bits=16),
    bug("shares-swapped", "order", "the share of the pixel that was read is added first",
        "shares", "swap_pairs", equivalent="sums modulo 2^32 do not depend on the order"),
)  # fmt: skip
FLOAT_MOVING: tuple[Bug, ...] = (
    bug("shares-exchanged", "order", "the share of the pixel that was read is added first",
        "shares", "swap_pairs"),
    bug("shares-truncate", "rounding", "the adder of shares rounds towards zero",
        "shares_sums", "resummed", rounding="toward_zero"),
    bug("dproduct-bf16", "width", "the products' gradient rounded to bfloat16",
        "dproduct", "to_format", name="bf16"),
    bug("dproduct-tf32", "width", "the products' gradient rounded to ten bits of fraction",
        "dproduct", "to_format", name="tf32"),
)  # fmt: skip
GAINS: tuple[Bug, ...] = (
    bug("conv-gain-ignored", "parameters", "the convolution branch is given the upstream gradient "
        "without its gain", "convolution.gain", "constant", to=1),
    bug("attention-gain-ignored", "parameters", "the attention branch is given the upstream "
        "gradient without its gain", "attention.gain", "constant", to=1),
    bug("ds-of-before", "parameters", "every channel has the gain's gradient of the one before",
        "ds", "neighbour"),
    bug("dt-dropped", "missing shift", "the gradient of the normalisations' shift is left out",
        "dt", "constant", to=0),
)  # fmt: skip
INTEGER_GAINS: tuple[Bug, ...] = (
    bug("ds-16", "width", "a gain's gradient summed in 16 bits", "ds", "wrap", bits=16),
    bug("upstream-15", "width", "upstream gradients times gains kept in 15 bits",
        "wide_upstream", "wrap", bits=15),
    bug("upstream-wraps", "saturation", "a branch's upstream gradient wraps instead of saturating",
        "upstream.output", "known", name="before"),
    *(each for each in BRANCHES if each.site == "sum"),
)  # fmt: skip
FLOAT_GAINS: tuple[Bug, ...] = (
    bug("upstream-bf16", "width", "a branch's upstream gradient rounded to bfloat16",
        "upstream", "to_format", name="bf16"),
    bug("ds-tree", "order", "gradients of gains summed in trees of four",
        "channel_sums", "resummed", lanes=4, lane_order="tree"),
)  # fmt: skip
INTEGER_GRADIENT: tuple[Bug, ...] = (
    *BACK, *READS, *PAD_VALUE, *WEIGHTS, *INTEGER_WIDTHS, *ROUNDING,
    *(each for each in SIGNS if each.site in {"x", "w", "zero"}),
    *(each for each in PARAMETERS if each.site in {"multiplier", "shift", "to_scale"}),
    *(in_scope(each, "dx") for each in RAILS),
)  # fmt: skip
NO_ZERO = {"clip-before-zero", "y-zero-dropped", "y-zero-subtracted"}  # no bugs where it is 0
BRANCH_GRADIENT = tuple(each for each in INTEGER_GRADIENT if each.id not in NO_ZERO)
FLOAT_GRADIENT: tuple[Bug, ...] = (
    *BACK, *READS, *WEIGHTS, *FLOAT_SUMS, *OPERANDS,
    *(each for each in SUMS if each.site == "w"),
)  # fmt: skip
INTEGER_SHARES = SHIFTING + PRODUCTS + PRODUCT_REQUANTISATION + MOVING + INTEGER_MOVING
FLOAT_SHARES = SHIFTING + MOVING + FLOAT_MOVING
