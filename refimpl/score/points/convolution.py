"""Points of a convolution: geometry, tiles, operands, accumulator."""

from itertools import product

from refimpl.score.point import Point, point

SIDES = ("above", "below", "left", "right")
PADDING: tuple[Point, ...] = (
    *(point(f"pad.{side}", "mac", side, f"a tap reads {side} the image") for side in SIDES),
    *(
        point(f"pad.corner-{a}-{b}", "mac", f"{a} and {b}", f"a tap reads the corner {a} {b}")
        for a, b in product(SIDES[:2], SIDES[2:])
    ),
    point("pad.weighted", "mac", "outside and w != 0", "a tap outside the image has a weight"),
)
STEPS: tuple[Point, ...] = tuple(
    point(
        "steps."
        + "-".join(name if on else f"no-{name}" for name, on in zip(names, flags, strict=True)),
        "case",
        " and ".join(
            f"({low if not on else high})"
            for (low, high), on in zip(conditions, flags, strict=True)
        ),
        "stride, padding and dilation together: "
        + ", ".join(name if on else f"no {name}" for name, on in zip(names, flags, strict=True)),
    )
    for names, conditions in [
        (
            ("stride", "padding", "dilation"),
            tuple(
                (
                    f"{each}_h == {none} and {each}_w == {none}",
                    f"{each}_h > {none} or {each}_w > {none}",
                )
                for each, none in (("stride", 1), ("padding", 0), ("dilation", 1))
            ),
        )
    ]
    for flags in product((False, True), repeat=3)
)
GEOMETRY: tuple[Point, ...] = (
    point("geometry.oblong-stride", "case", "stride_h != stride_w", "strides differ"),
    point("geometry.oblong-dilation", "case", "dilation_h != dilation_w", "dilations differ"),
    point("geometry.oblong-padding", "case", "padding_h != padding_w", "paddings differ"),
    point("geometry.oblong-kernel", "case", "kernel_h != kernel_w", "a kernel that is not square"),
    point("geometry.oblong-image", "case", "height != width", "an image that is not square"),
    point("geometry.pointwise", "case", "kernel_h == 1 and kernel_w == 1", "a kernel of one tap"),
    point("geometry.batch", "case", "batch > 1", "more than one image"),
    point("geometry.one-output", "case", "pixels == 1", "an output of one pixel"),
    point(
        "geometry.unread-rest",
        "case",
        "unread_rows > 0 or unread_columns > 0",
        "a stride that leaves the last rows or columns unread",
    ),
)
GROUPS: tuple[Point, ...] = (
    point("geometry.groups", "case", "groups > 1", "more than one group"),
    point("geometry.depthwise", "case", "groups > 1 and groups == c_in", "a group per channel"),
    point(
        "geometry.depthwise-multiplier",
        "case",
        "groups > 1 and groups == c_in and c_out > groups",
        "a group per channel, of several outputs",
    ),
    point(
        "geometry.groups-of-channels",
        "case",
        "groups > 1 and groups < c_in",
        "groups of several channels",
    ),
)
TILES: tuple[Point, ...] = tuple(
    made
    for name, axis in (("c_in", "input channels"), ("c_out", "outputs"), ("pixels", "pixels"))
    for made in (
        point(
            f"tile.{name}-ragged",
            "case",
            f"{name} > tile_{name} and {name} % tile_{name} != 0",
            f"a ragged last tile of {axis} after a full one",
        ),
        point(f"tile.{name}-short", "case", f"{name} < tile_{name}", f"fewer {axis} than a tile"),
        point(
            f"tile.{name}-full",
            "case",
            f"{name} > tile_{name} and {name} % tile_{name} == 0",
            f"only full tiles of {axis}, more than one",
        ),
    )
)
OPERANDS: tuple[Point, ...] = (
    point("operand.x-minus-128", "mac", "not outside and x == -128", "activation -128"),
    point("operand.x-127", "mac", "not outside and x == 127", "activation 127"),
    point("operand.w-minus-128", "mac", "w == -128", "weight -128"),
    point("operand.w-127", "mac", "w == 127", "weight 127"),
    point("operand.minus-128-squared", "mac", "not outside and x == -128 and w == -128", "(-128)²"),
    point(
        "operand.127-by-minus-128", "mac", "not outside and x == 127 and w == -128", "127·(-128)"
    ),
    point("operand.127-squared", "mac", "not outside and x == 127 and w == 127", "127²"),
    point("operand.centred-9-bits", "mac", "abs(centred) > 128", "x minus zero point needs 9 bits"),
    point("operand.zero", "mac", "not outside and centred == 0", "a real zero inside the image"),
    point("operand.zero-point", "case", "x_zero != 0", "a zero point of the input"),
)
ACCUMULATOR: tuple[Point, ...] = (
    *(
        point(
            f"accumulator.bits-{bits}",
            "output",
            f"abs(accumulator) >= {1 << (bits - 2)}",
            f"a sum of products that needs {bits} bits or more",
        )
        for bits in (10, 13, 16, 18, 20, 22, 24)
    ),
    *(
        point(
            f"biased.bits-{bits}",
            "output",
            f"abs(biased) >= {1 << (bits - 2)}",
            f"a sum with its bias that needs {bits} bits or more",
        )
        for bits in (16, 20, 24, 28, 32)
    ),
    point(
        "biased.wraps",
        "output",
        "abs(biased - accumulator - bias) > 0",
        "a sum with its bias that wraps at 32 bits",
    ),
    point("accumulator.negative", "output", "accumulator < 0", "a negative sum"),
    point("accumulator.zero", "output", "accumulator == 0", "a sum of zero"),
)
CONVOLUTION = PADDING + STEPS + GEOMETRY + TILES


def over_products(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Those points that a convolution of shift products can hit: its channels come in fours."""
    never = {"tile.c_in-ragged", "tile.c_in-short"}
    return tuple(each for each in points if each.id not in never)


def over_image_and_products(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Those points that the fused form can hit: it has at least five channels."""
    return tuple(each for each in points if each.id != "tile.c_in-short")


INTEGER_CONVOLUTION = CONVOLUTION + OPERANDS + ACCUMULATOR
