"""Shift product: bugs, points and stimuli in int8 and binary32."""

from refimpl.score.bugs.floats import OPERANDS
from refimpl.score.bugs.integers import X_SIGNS
from refimpl.score.bugs.requantisation import ROUNDING
from refimpl.score.bugs.shifting import PRODUCT_REQUANTISATION, PRODUCTS, SHIFTING
from refimpl.score.entry import Entry
from refimpl.score.float_device import shift_product_fp32
from refimpl.score.mutant import mutants_of
from refimpl.score.points.shifting import FLOAT_SHIFTING, INTEGER_SHIFTING
from refimpl.score.recipe import EIGHT, Recipe
from refimpl.score.shifts import shift_product_int8

INT8 = (
    Recipe(name="plain", channels=2, height=4, width=5),
    Recipe(name="edges", values="edges", channels=3, height=4, width=5),
    Recipe(name="edges-far", values="edges", channels=2, height=5, width=4, length=2),
    Recipe(name="edges-diagonal", values="edges", channels=1, height=4, width=4, directions=EIGHT),
    Recipe(name="edges-unit", values="edges", channels=2, height=3, width=5, t_scale="unit"),
    Recipe(name="zero-boundary", channels=2, height=4, width=3, boundary="zero"),
    Recipe(name="rails", values="rails", channels=2, height=4, width=4, x_zero=127),
    Recipe(name="rails-low", values="rails", channels=2, height=4, width=4, x_zero=-128),
    Recipe(
        name="rails-exact", values="rails", channels=2, height=4, width=4, x_zero=0, t_scale="exact"
    ),
    Recipe(
        name="small-unit", values="small", channels=2, height=4, width=4, t_scale="unit", t_zero=-3
    ),
    Recipe(name="ties", values="small", channels=3, height=5, width=5, t_scale="exact"),
    Recipe(name="ties-pairs", values="pairs", channels=2, height=4, width=4, t_scale="exact"),
    Recipe(name="near-ties", values="pairs", channels=2, height=4, width=4),
    Recipe(name="near-ties-fine", values="pairs", channels=2, height=4, width=4, t_scale="fine"),
    Recipe(name="uniform-exact", channels=2, height=5, width=6, t_scale="exact"),
    Recipe(
        name="rails-unit", values="rails", channels=1, height=4, width=4, x_zero=127, t_scale="unit"
    ),
    Recipe(name="far", channels=1, height=6, width=5, length=2, batch=2),
)
FP32 = (
    Recipe(name="plain", values="bell", channels=2, height=4, width=5),
    Recipe(name="far", values="bell", channels=3, height=5, width=4, length=2),
    Recipe(name="diagonal", values="bell", channels=2, height=3, width=4, directions=EIGHT),
    Recipe(name="zero-boundary", values="bell", channels=2, height=4, width=3, boundary="zero"),
    Recipe(name="absorbing", values="absorbing", channels=1, height=4, width=4),
    Recipe(name="tiny", values="tiny", channels=1, height=3, width=4),
    Recipe(name="subnormal", values="subnormal", channels=2, height=3, width=4),
)
ENTRIES = (
    Entry(
        operator="shift_product.int8",
        model=shift_product_int8,
        mutants=mutants_of(
            "shift_product.int8",
            *SHIFTING,
            *PRODUCTS,
            *X_SIGNS,
            *ROUNDING,
            *(each for each in PRODUCT_REQUANTISATION if not each.id.startswith("t-round-")),
        ),
        points=INTEGER_SHIFTING,
        recipes=INT8,
    ),
    Entry(
        operator="shift_product.fp32",
        model=shift_product_fp32,
        mutants=mutants_of("shift_product.fp32", *SHIFTING, *OPERANDS),
        points=FLOAT_SHIFTING,
        recipes=FP32,
    ),
)
