"""X-volution in its training form: two branches, each with a scale of its own, and their sum."""

from refimpl.score.bugs.composed import BRANCHES, FLOAT_BRANCHES
from refimpl.score.bugs.floats import FLOATS
from refimpl.score.bugs.integers import INTEGERS
from refimpl.score.bugs.reading import PAD_VALUE, READING
from refimpl.score.bugs.requantisation import PARAMETERS, ROUNDING
from refimpl.score.bugs.shifting import PRODUCT_REQUANTISATION, PRODUCTS, SHIFTING
from refimpl.score.entry import Entry
from refimpl.score.float_device import xvolution_fp32
from refimpl.score.mutant import mutants_of
from refimpl.score.point import point
from refimpl.score.points.convolution import CONVOLUTION, INTEGER_CONVOLUTION, over_products
from refimpl.score.points.requantisation import requantisation
from refimpl.score.points.shifting import FLOAT_SHIFTING, INTEGER_SHIFTING
from refimpl.score.points.sums import SUMS
from refimpl.score.recipes import COMPOSED_FP32, COMPOSED_INT8
from refimpl.score.shifts import xvolution_int8

SUM = (
    point("branch.sum-high", "branch", "before_clip > 127", "the sum saturates at the upper rail"),
    point("branch.sum-low", "branch", "before_clip < -128", "the sum saturates at the lower rail"),
    point("branch.conv-high", "branch", "conv == 127", "the convolution is at its upper rail"),
    point("branch.conv-low", "branch", "conv == -128", "the convolution is at its lower rail"),
    point("branch.attention-high", "branch", "attention == 127", "attention at its upper rail"),
    point("branch.attention-low", "branch", "attention == -128", "attention at its lower rail"),
    point(
        "branch.opposite",
        "branch",
        "conv * attention < 0 and abs(conv) + abs(attention) > 200",
        "large branches of opposite sign",
    ),
)
ENTRIES = (
    Entry(
        operator="xvolution.int8",
        model=xvolution_int8,
        mutants=mutants_of(
            "xvolution.int8",
            *SHIFTING,
            *PRODUCTS,
            *PRODUCT_REQUANTISATION,
            *READING,
            *PAD_VALUE,
            *INTEGERS,
            *PARAMETERS,
            *ROUNDING,
            *BRANCHES,
        ),
        points=INTEGER_SHIFTING
        + over_products(INTEGER_CONVOLUTION)
        + requantisation("output", "output", "biased")
        + SUM,
        recipes=COMPOSED_INT8,
    ),
    Entry(
        operator="xvolution.fp32",
        model=xvolution_fp32,
        mutants=mutants_of("xvolution.fp32", *SHIFTING, *READING, *FLOATS, *FLOAT_BRANCHES),
        points=FLOAT_SHIFTING + over_products(CONVOLUTION) + SUMS,
        recipes=COMPOSED_FP32,
    ),
)
