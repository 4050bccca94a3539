"""Points of binary32 sums: orders that show, cancellation, subnormals."""

from refimpl.score.point import Point, point

SUMS: tuple[Point, ...] = (
    point("order.backwards", "sum", "accumulator != backwards", "shows the order of the products"),
    point("order.pairwise", "sum", "accumulator != pairwise", "shows a tree of adders"),
    point("order.tiled", "sum", "accumulator != tiled", "shows partial sums"),
    point(
        "order.channels",
        "sum",
        "accumulator != other_order",
        "shows whether channels run outermost or innermost",
    ),
    point("order.fused", "sum", "accumulator != fused", "shows whether products are rounded"),
    point("order.bias", "sum", "result != bias_moved", "shows where the bias enters"),
    point(
        "sum.cancels",
        "sum",
        "abs(accumulator) * 65536 < magnitude",
        "terms cancel to less than 2⁻¹⁶ of their magnitudes",
    ),
    point(
        "sum.cancels-exactly",
        "sum",
        "accumulator == 0 and magnitude > 0",
        "terms cancel to nothing",
    ),
    point("sum.subnormal", "sum", "subnormal", "a subnormal sum"),
    point("sum.negative", "sum", "accumulator < 0", "a negative sum"),
    point("sum.large", "sum", "magnitude >= 16777216", "magnitudes of 2²⁴ and more"),
)
