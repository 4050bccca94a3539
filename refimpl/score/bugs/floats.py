"""Bugs of binary32 sums: order, roundings, formats, subnormals."""

from refimpl.score.mutant import Bug, Family, bug

SUMMED: tuple[tuple[str, Family, str], ...] = (
    ("backwards", "order", "products added from the last to the first"),
    ("pairwise", "order", "a balanced tree of adders"),
    ("tiled", "order", "partial sums of four products, then added"),
    ("interleaved", "order", "four accumulators, added at the end"),
    ("fused", "rounding", "products not rounded before they are added"),
    ("wide", "width", "a binary64 accumulator, rounded at the end"),
    ("truncating", "rounding", "the adder rounds towards zero"),
    ("flushing", "width", "subnormal products and sums become 0"),
    ("narrow_accumulator", "width", "the accumulator keeps bfloat16's 8 bits"),
    ("half_products", "width", "products rounded to binary16"),
    ("last_twice", "geometry", "the last product added once more"),
)
OPERANDS: tuple[Bug, ...] = (
    bug("x-bf16", "width", "activations rounded to bfloat16", "x", "to_format", name="bf16"),
    bug(
        "x-tf32",
        "width",
        "activations rounded to ten bits of fraction",
        "x",
        "to_format",
        name="tf32",
    ),
    bug("x-flushed", "width", "subnormal activations read as 0", "x", "flush"),
)
SUMS: tuple[Bug, ...] = (
    bug(
        "order-uvc",
        "order",
        "channels run innermost",
        "order",
        "constant",
        to="uvc",
        unless={"order": "uvc"},
    ),
    bug(
        "order-cuv",
        "order",
        "channels run outermost",
        "order",
        "constant",
        to="cuv",
        unless={"order": "cuv"},
    ),
    *(
        bug(f"sum-{name.replace('_', '-')}", family, what, "summation", "summation", name=name)
        for name, family, what in SUMMED
    ),
    bug("w-fp16", "width", "weights rounded to binary16", "w", "to_format", name="fp16"),
    bug(
        "w-tf32", "width", "weights rounded to ten bits of fraction", "w", "to_format", name="tf32"
    ),
    bug("output-flushed", "width", "subnormal outputs written as 0", "output", "flush"),
    bug(
        "sum-skipping-zeros",
        "order",
        "a product with a zero operand is not added",
        "summation",
        "summation",
        name="skipping_zeros",
        equivalent="adding ±0 changes nothing but an accumulator of −0, and one that starts at +0 "
        "never is −0 under rounding to nearest; vectors hold neither −0 biases, infinities nor NaN",
    ),
)
BIAS: tuple[Bug, ...] = (
    bug(
        "bias-first",
        "order",
        "the accumulator starts from the bias",
        "bias_at",
        "constant",
        to="first",
        unless={"bias_at": "first"},
    ),
    bug(
        "bias-last",
        "order",
        "the bias is added last",
        "bias_at",
        "constant",
        to="last",
        unless={"bias_at": "last"},
    ),
    bug(
        "bias-dropped",
        "missing shift",
        "the bias, with the batch normalisation's shift, is left out",
        "b",
        "constant",
        to=0.0,
    ),
    bug(
        "bias-neighbour",
        "parameters",
        "every output uses the bias of the one before it",
        "b",
        "neighbour",
    ),
    bug("bias-bf16", "width", "the bias rounded to bfloat16", "b", "to_format", name="bf16"),
)
FLOATS = OPERANDS + SUMS + BIAS
