"""Points of the shift product: edges crossed, widths, operands."""

from refimpl.score.point import Point, point
from refimpl.score.points.requantisation import requantisation

SIDES = ("above", "below", "left", "right")
EDGES: tuple[Point, ...] = (
    *(
        point(
            f"wrap.{side}",
            "product",
            side,
            f"a partner {side} the image, wrapped around",
            "circular",
        )
        for side in SIDES
    ),
    *(
        point(
            f"zero.{side}", "product", side, f"a partner {side} the image, real 0", "not circular"
        )
        for side in SIDES
    ),
    *(
        point(
            f"wrap.differs-{side}",
            "product",
            f"{side} and other != 0 and other != inner",
            f"wrapping {side} gives another factor than 0 and than the nearest pixel",
            "circular",
        )
        for side in SIDES
    ),
)
OPERANDS: tuple[Point, ...] = (
    point("pair.minus-128-squared", "product", "x == -128 and partner == -128", "(-128)²"),
    point("pair.127-by-minus-128", "product", "x == 127 and partner == -128", "127·(-128)"),
    point("pair.127-squared", "product", "x == 127 and partner == 127", "127²"),
    point("pair.opposite-signs", "product", "own < 0 and other > 0", "factors of different sign"),
    point("pair.zero", "product", "own == 0 and other != 0", "real zero times something"),
    point("wide.16-bits", "product", "abs(wide) >= 16384", "a product of 16 bits"),
    point("wide.17-bits", "product", "abs(wide) >= 32768", "a product of 17 bits"),
    point("shift.far", "case", "length > 1", "a shift of more than one pixel"),
    point("shift.diagonal", "case", "directions > 4", "diagonal directions"),
)
FLOAT_OPERANDS: tuple[Point, ...] = tuple(
    each for each in OPERANDS if each.id.startswith(("shift", "pair.opp", "pair.zero"))
)
INTEGER_SHIFTING = EDGES + OPERANDS + requantisation("product", "product", "wide")
FLOAT_SHIFTING = EDGES + FLOAT_OPERANDS
