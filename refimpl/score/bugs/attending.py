"""Bugs of attention: operands, which keys a query meets, the softmax and what it weighs."""

from dataclasses import replace

from refimpl.score.bugs.floats import OPERANDS as FLOAT_OPERANDS
from refimpl.score.bugs.floats import SUMS
from refimpl.score.bugs.integers import SIGNS
from refimpl.score.bugs.requantisation import PARAMETERS, RAILS, ROUNDING
from refimpl.score.mutant import Bug, bug, in_scope, only_where

QKV = (("q", "queries"), ("k", "keys"), ("v", "values"))
MEETING: tuple[Bug, ...] = (
    bug("keys-off-by-one", "geometry", "every score uses the key before", "keys", "roll", axis=2),
    bug("values-off-by-one", "geometry", "every probability weighs the value before",
        "values", "roll", axis=1),
    bug("queries-off-by-one", "geometry", "every row is that of the query before",
        "q", "roll", axis=3),
)  # fmt: skip
HEADS: tuple[Bug, ...] = (
    bug("keys-of-head-before", "geometry", "scores use the keys of the head before",
        "keys", "roll", axis=0),
    bug("values-of-first-head", "geometry", "every head weighs the values of the first",
        "values", "first_for_all"),
)  # fmt: skip
WINDOWS: tuple[Bug, ...] = (
    bug("mask-ignored", "geometry", "keys outside the image count, as zeros",
        "inside", "constant", to=True),
    bug("taps-together", "geometry", "the taps of a window are one apart whatever the dilation",
        "arrangement", "declared_as", dilation=[1, 1]),
)  # fmt: skip
MAXIMUM: tuple[Bug, ...] = (
    bug("max-ignored", "table", "the maximum is not subtracted", "row_maximum", "constant", to=0),
    bug("max-from-zero", "table", "the search for the maximum starts from 0",
        "row_maximum", "at_least", low=0),
    bug("max-skips-last", "tile edge", "the last key is left out of the maximum",
        "row_maximum", "without_last", name="scores", by="max"),
    bug("max-carries", "missed clear", "the maximum of a row starts from that of the row before",
        "row_maximum", "running_maximum"),
    bug("row-max-shifted", "order", "the maximum is taken over the keys from the last to the first",
        "row_maximum", "add", by=0, equivalent="a maximum does not depend on the order"),
)  # fmt: skip
TABLE: tuple[Bug, ...] = (
    bug("scale-dropped-bit", "parameters", "differences are divided by twice as much",
        "softmax_shift", "add", by=1),
    bug("difference-truncated", "rounding", "the index of the table is cut off, not rounded",
        "softmax_rounding", "rule", name="floor",
        unless={"softmax.rounding": ("floor", "toward_zero")}),
    bug("difference-wraps", "width", "differences beyond the table wrap instead of saturating",
        "difference", "difference_wraps"),
    bug("table-coarse", "table", "the lowest bit of the table's index is not connected",
        "table", "coarse_table"),
    bug("table-late", "table", "every entry of the table is the one before", "table", "late_table"),
    bug("table-half", "table", "the upper half of the table is empty",
        "table", "short_table", entries=128),
    bug("table-96", "table", "the table is empty beyond 96 entries",
        "table", "short_table", entries=96),
    bug("table-first-entry", "table", "a bit of the table's first entry is wrong",
        "table", "one_wrong_entry", index=0, bit=12),
    bug("table-entry-17", "table", "a bit of one entry of the table is wrong",
        "table", "one_wrong_entry", index=17, bit=14),
    bug("exponential-8", "width", "the low 8 bits of exponentials are not connected",
        "exponential", "lose_low_bits", bits=8),
    bug("row-sum-16", "width", "the sum of a row kept in 16 bits", "total", "unsigned", bits=16),
    bug("row-sum-18", "width", "the sum of a row kept in 18 bits", "total", "unsigned", bits=18),
    bug("row-sum-skips-last", "tile edge", "the last key is left out of the sum",
        "total", "without_last", name="powers", by="sum"),
    bug("row-sum-carries", "missed clear", "the sum of a row starts from that of the row before",
        "total", "running_sum"),
    bug("reciprocal-16", "rounding", "multiplied by a truncated reciprocal of 16 bits",
        "inverse", "short_inverse", bits=16),
    bug("quotient-truncated", "rounding", "probabilities cut off instead of rounded",
        "share", "truncated_share"),
    bug("probability-256", "saturation", "probabilities over 256 in 8 bits: certainty becomes 0",
        "share", "share_of_256"),
)  # fmt: skip
FLOAT_SOFTMAX: tuple[Bug, ...] = (
    bug("exp-input-bf16", "width", "differences rounded to bfloat16 before the exponential",
        "exp_input", "to_format", name="bf16"),
    bug("exp-output-bf16", "width", "exponentials rounded to bfloat16",
        "exp_output", "to_format", name="bf16"),
    bug("exp-whole-powers", "table", "exponentials are whole powers of two",
        "exp_output", "whole_powers"),
    bug("exp-small-lost", "width", "exponentials below 2^-8 read as 0",
        "exp_output", "small_to_zero", power=-8),
    bug("exp-sum-skips-last", "tile edge", "the last key is left out of the sum of exponentials",
        "row_sum", "without_last", name="powers", by="sum"),
    bug("exp-sum-carries", "missed clear",
        "the sum of exponentials starts from that of the row before", "row_sum", "running_sum"),
    bug("exp-sum-bf16", "width", "the sum of exponentials rounded to bfloat16",
        "row_sum", "to_format", name="bf16"),
    bug("reciprocal-bf16", "width", "the reciprocal of the sum rounded to bfloat16",
        "reciprocal", "to_format", name="bf16"),
    bug("scale-halved", "parameters", "scores are scaled by half as much", "scale", "scale",
        by=0.5),
)  # fmt: skip
FLOAT_ORDER: tuple[Bug, ...] = (
    bug("exp-sum-tree", "order", "exponentials added in trees of four",
        "row_sums", "resummed", lanes=4, lane_order="tree"),
    bug("exp-sum-truncates", "rounding", "the adder of exponentials rounds towards zero",
        "row_sums", "resummed", rounding="toward_zero"),
    bug("weight-divided", "rounding", "divided by the sum, not multiplied by its reciprocal",
        "weight", "quotient", unless={"softmax.normalise": "divide"}),
    bug("weight-bf16", "width", "probabilities rounded to bfloat16",
        "probabilities", "to_format", name="bf16"),
    bug("scores-tree", "order", "products of queries and keys added in trees of four",
        "scores_sums", "resummed", lanes=4, lane_order="tree"),
    bug("scores-fused", "rounding", "products of queries and keys not rounded before adding",
        "scores_sums", "resummed", product="fused"),
    bug("scores-truncate", "rounding", "the adder of scores rounds towards zero",
        "scores_sums", "resummed", rounding="toward_zero"),
    bug("context-tree", "order", "weighted values added in trees of four",
        "context_sums", "resummed", lanes=4, lane_order="tree"),
    bug("context-passes", "order", "weighted values added in passes of four from zero, then added",
        "context_sums", "resummed", pass_terms=4, between="added"),
    bug("context-fused", "rounding", "weighted values not rounded before they are added",
        "context_sums", "resummed", product="fused"),
    bug("keys-bf16", "width", "keys rounded to bfloat16 as scores read them",
        "k", "to_format", name="bf16"),
    bug("values-tf32", "width", "values rounded to ten bits of fraction", "v", "to_format",
        name="tf32"),
)  # fmt: skip
FLOAT_WORDS: tuple[Bug, ...] = (
    bug("word-truncated", "rounding", "floating probabilities cut off to bytes",
        "word", "word_of", certain=255, by="floor"),
    bug("word-256", "saturation", "floating probabilities over 256 in 8 bits",
        "word", "word_of", certain=256, by="nearest"),
)  # fmt: skip
WORDS: tuple[Bug, ...] = (
    bug("probability-signed", "sign", "probabilities above 127 read as negative",
        "probabilities", "signed_byte"),
    bug("probability-7", "width", "the lowest bit of probabilities is not connected",
        "probabilities", "lose_low_bits", bits=1),
)  # fmt: skip
INTEGER_OPERANDS: tuple[Bug, ...] = (
    *(
        bug(f"{name}-zero-ignored", "sign", f"the zero point of the {what} is not subtracted",
            f"{name}_zero", "constant", to=0)
        for name, what in QKV
    ),
    *(
        bug(f"{name}-wraps", "saturation", f"{what} wrap instead of saturating",
            f"{scope}.output", "known", name="before")
        for (name, what), scope in zip(QKV, ("query", "key", "value"), strict=True)
    ),
    bug("k-unsigned", "sign", "keys read without their sign", "k", "unsigned", bits=8),
    bug("v-unsigned", "sign", "values read without their sign", "v", "unsigned", bits=8),
    bug("scores-16", "width", "scores kept in 16 bits", "scores", "wrap", bits=16),
    bug("scores-16-clip", "width", "scores kept in 16 bits, saturating", "scores", "saturate",
        bits=16),
    bug("weighted-16", "width", "sums of weighted values kept in 16 bits",
        "context", "wrap", bits=16),
    bug("weighted-13", "width", "sums of weighted values kept in 13 bits",
        "context", "wrap", bits=13),
    bug("weighted-carries", "missed clear",
        "sums of weighted values are not cleared between images", "context", "carried"),
)  # fmt: skip
ONE_TAP = "projections have kernels of one tap, which both orders of the loops read alike"
INTEGER_ATTENTION: tuple[Bug, ...] = (
    *MEETING,
    *INTEGER_OPERANDS,
    *SIGNS,
    *PARAMETERS,
    *ROUNDING,
    *MAXIMUM,
    *only_where("softmax.kind", None, *TABLE),
    *only_where("softmax.kind", "integer", *FLOAT_SOFTMAX, *FLOAT_WORDS),
    *WORDS,
    *(in_scope(each, "out") for each in RAILS),
)
FLOAT_ATTENTION: tuple[Bug, ...] = (
    *MEETING,
    *FLOAT_OPERANDS,
    *(replace(each, equivalent=ONE_TAP) if each.site == "order" else each for each in SUMS),
    *MAXIMUM,
    *FLOAT_SOFTMAX,
    *FLOAT_ORDER,
)
