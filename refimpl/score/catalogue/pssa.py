"""Pixel-shift self-attention: the bugs of a shift product and of the convolution behind it."""

from refimpl.score.bugs.composed import JOINED
from refimpl.score.bugs.floats import FLOATS
from refimpl.score.bugs.integers import INTEGERS
from refimpl.score.bugs.reading import PAD_VALUE, READING
from refimpl.score.bugs.requantisation import REQUANTISATION
from refimpl.score.bugs.shifting import PRODUCT_REQUANTISATION, PRODUCTS, SHIFTING
from refimpl.score.entry import Entry
from refimpl.score.float_device import pssa_fp32
from refimpl.score.mutant import mutants_of
from refimpl.score.points.convolution import CONVOLUTION, INTEGER_CONVOLUTION, over_products
from refimpl.score.points.requantisation import requantisation
from refimpl.score.points.shifting import FLOAT_SHIFTING, INTEGER_SHIFTING
from refimpl.score.points.sums import SUMS
from refimpl.score.recipes import COMPOSED_FP32, COMPOSED_INT8
from refimpl.score.shifts import pssa_int8

ENTRIES = (
    Entry(
        operator="pssa.int8",
        model=pssa_int8,
        mutants=mutants_of(
            "pssa.int8",
            *SHIFTING,
            *PRODUCTS,
            *PRODUCT_REQUANTISATION,
            *READING,
            *PAD_VALUE,
            *INTEGERS,
            *REQUANTISATION,
            *JOINED,
        ),
        points=INTEGER_SHIFTING
        + over_products(INTEGER_CONVOLUTION)
        + requantisation("output", "output", "biased"),
        recipes=COMPOSED_INT8,
    ),
    Entry(
        operator="pssa.fp32",
        model=pssa_fp32,
        mutants=mutants_of("pssa.fp32", *SHIFTING, *READING, *FLOATS),
        points=FLOAT_SHIFTING + over_products(CONVOLUTION) + SUMS,
        recipes=COMPOSED_FP32,
    ),
)
