"""Bugs of batch normalisation: statistics, ε, gains and shifts."""

from refimpl.score.bugs.floats import OPERANDS
from refimpl.score.bugs.integers import BATCH, SIGNS, TILES, WIDTHS
from refimpl.score.bugs.requantisation import REQUANTISATION
from refimpl.score.mutant import Bug, bug, only_where

INTEGER_NORM: tuple[Bug, ...] = (
    *SIGNS,
    *(each for each in WIDTHS if each.site in {"centred", "product", "b"}),
    *(each for each in WIDTHS if each.id in {"biased-16", "biased-24"}),
    *(each for each in TILES if each.site in {"output", "w"}),
    *(each for each in BATCH if each.id == "bank-stuck"),
    *REQUANTISATION,
    bug("gain-of-before", "parameters", "every channel uses the gain of the one before it",
        "w", "neighbour"),
    bug("gain-of-tile", "parameters", "a tile of channels uses the gain of its first",
        "w", "first_of_tile", tile="c_in"),
)  # fmt: skip
STATISTICS: tuple[Bug, ...] = (
    bug("variance-unbiased", "parameters", "the variance is divided by one fewer than there are",
        "var_part", "one_fewer"),
    bug("mean-not-subtracted", "geometry", "squares are summed around 0, not around the mean",
        "middle", "scale", by=0),
    bug("statistics-last-image", "missed clear", "statistics of the last image alone",
        "rows", "last_image_only"),
    bug("statistics-last-pixel", "tile edge", "the last pixel does not enter the statistics",
        "rows", "without_final_term"),
    bug("statistics-ragged", "tile edge", "a ragged last tile of pixels does not enter them",
        "rows", "drop_ragged", axis=1, tile="pixels"),
    bug("statistics-tree", "order", "statistics summed in trees of four",
        "statistics_sums", "resummed", lanes=4, lane_order="tree"),
    bug("statistics-fused", "rounding", "squares not rounded before they are added",
        "statistics_sums", "resummed", product="fused"),
    bug("statistics-truncate", "rounding", "the adder of statistics rounds towards zero",
        "statistics_sums", "resummed", rounding="toward_zero"),
    bug("statistics-flush", "width", "subnormal terms and sums of statistics become 0",
        "statistics_sums", "resummed", subnormals="flushed"),
)  # fmt: skip
FLOAT_NORM: tuple[Bug, ...] = (
    *only_where("statistics", "given", *STATISTICS),
    *OPERANDS,
    bug("eps-dropped", "parameters", "nothing is added to the variance", "eps", "constant", to=0.0),
    bug("eps-of-1e-3", "parameters", "0.001 is added to the variance", "eps", "constant", to=1e-3,
        unless={"eps": 1e-3}),
    bug("mean-of-before", "parameters", "every channel uses the mean of the one before it",
        "mean", "neighbour"),
    bug("variance-of-before", "parameters", "every channel uses the variance of the one before it",
        "var", "neighbour"),
    bug("mean-dropped", "missing shift", "the mean is not subtracted", "mean", "scale", by=0),
    bug("beta-dropped", "missing shift", "the shift is left out", "b", "constant", to=0.0),
    bug("gamma-sign-lost", "sign", "gains count without their sign", "gamma", "magnitude"),
    bug("gamma-bf16", "width", "gains rounded to bfloat16", "gamma", "to_format", name="bf16"),
    bug("inverse-bf16", "width", "the reciprocal square root rounded to bfloat16",
        "inverse", "to_format", name="bf16"),
    bug("inverse-tf32", "width", "the reciprocal square root rounded to ten bits of fraction",
        "inverse", "to_format", name="tf32"),
    bug("inverse-carries", "stale buffer", "every channel uses the first reciprocal square root",
        "inverse", "first_for_all"),
    bug("centred-bf16", "width", "x minus mean rounded to bfloat16", "centred", "to_format",
        name="bf16"),
    bug("channels-stuck", "stale buffer", "every image of a batch is the first one",
        "x", "image_again"),
    bug("output-flushed", "width", "subnormal outputs written as 0", "output", "flush"),
)  # fmt: skip
