"""X-volution in its fused form: one accumulator over the image and its shift products."""

from refimpl.score.bugs.composed import AUGMENTED
from refimpl.score.bugs.floats import FLOATS
from refimpl.score.bugs.integers import INTEGERS
from refimpl.score.bugs.reading import PAD_VALUE, READING
from refimpl.score.bugs.requantisation import REQUANTISATION
from refimpl.score.bugs.sequences import SEQUENCES
from refimpl.score.bugs.shifting import PRODUCT_REQUANTISATION, PRODUCTS, SHIFTING
from refimpl.score.entry import Entry
from refimpl.score.float_device import xvolution_fused_fp32
from refimpl.score.mutant import bug, mutants_of
from refimpl.score.point import point
from refimpl.score.points.convolution import (
    CONVOLUTION,
    INTEGER_CONVOLUTION,
    over_image_and_products,
)
from refimpl.score.points.requantisation import requantisation
from refimpl.score.points.shifting import FLOAT_SHIFTING, INTEGER_SHIFTING
from refimpl.score.points.sums import SUMS
from refimpl.score.recipes import COMPOSED_FP32, COMPOSED_INT8
from refimpl.score.shifts import xvolution_fused_int8

GROUPS = (
    point(
        "fused.zero-points-differ",
        "case",
        "x_zero != t_zero",
        "the image and its products have different zero points",
    ),
)
ENTRIES = (
    Entry(
        operator="xvolution_fused.int8",
        model=xvolution_fused_int8,
        mutants=mutants_of(
            "xvolution_fused.int8",
            *SHIFTING,
            *PRODUCTS,
            *PRODUCT_REQUANTISATION,
            *READING,
            *PAD_VALUE,
            *INTEGERS,
            *REQUANTISATION,
            *AUGMENTED,
            *SEQUENCES,
        ),
        points=INTEGER_SHIFTING
        + over_image_and_products(INTEGER_CONVOLUTION)
        + requantisation("output", "output", "biased")
        + GROUPS,
        recipes=COMPOSED_INT8,
    ),
    Entry(
        operator="xvolution_fused.fp32",
        model=xvolution_fused_fp32,
        mutants=mutants_of(
            "xvolution_fused.fp32",
            *SHIFTING,
            *READING,
            *FLOATS,
            bug(
                "augmented-reversed",
                "geometry",
                "channels [T; x] where [x; T] is declared",
                "augmented",
                "swap_groups",
            ),
        ),
        points=FLOAT_SHIFTING + over_image_and_products(CONVOLUTION) + SUMS,
        recipes=COMPOSED_FP32,
    ),
)
