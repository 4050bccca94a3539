"""How to break claims about integer arithmetic."""

from proofs import smt
from proofs.claims import integers, squares
from tests.proofs.breaks.wrongs import Break, always

BREAKS: dict[str, tuple[Break, ...]] = {
    "squares-give-the-product-of-int8-in-nine-bits": (
        Break("a bit short", squares, "kept", lambda right: lambda v, bits: right(v, bits - 1)),
        Break("never saturates", squares, "kept", lambda _: lambda values, _: values),
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
}
