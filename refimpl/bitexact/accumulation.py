"""How a MAC array sums, as data: everything that decides a bit of a float sum of products.

    K terms p_k = w_k·x_k in the order of ``order``, cut into passes of ``pass_terms``, those into
    groups of ``lanes``. R rounds to the accumulator's format.

    in a group    "sequential"  g = p_0 ; g = R(g + p_i), i = 1, 2, …       acc = R(acc + g)
                  "tree"        neighbours in pairs, R after each addition, a last odd one passes
                                through, level by level until one is left   acc = R(acc + g)
                  "exact"       acc = R(acc + Σ p_i), one rounding
                  "aligned"     acc and all p_i cut (toward zero) to multiples of 2^(e − a + 1),
                                e = ⌊log₂ of the largest magnitude⌋, a = ``aligned_bits``;
                                acc = R(their exact sum)
    between passes "carried"    the accumulator goes on
                   "added"      each pass starts from 0; total = R(total + acc)

``order`` names the loops over the terms from the outermost in, one letter each: "cuv" is channel,
kernel row, kernel column. A capital letter is the loop over tiles of a small one, whose size
``tiles`` gives: "Cuvc" with tiles c = 16 runs all taps of 16 channels before the next 16.

``product`` is a format (each product is rounded to it, as ``product_rounding`` and
``product_overflow`` say) or "fused" (exact until it is added). A format without an infinity has
NaN in its place. The bias enters first (acc or total starts from it) or last (R(sum + b)).

Source: the recurrence is the definition, stated here; IEEE 754-2019 for each rounding.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product as cartesian
from typing import Any, Literal, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.formats import (
    FLOATS,
    Cast,
    Mode,
    NumberFormat,
    Overflow,
    Subnormals,
    format_named,
)
from refimpl.bitexact.rounding import MODES, OVERFLOWS

Order: TypeAlias = str
BiasAt: TypeAlias = Literal["first", "last"]
LaneOrder: TypeAlias = Literal["sequential", "tree", "exact", "aligned"]
Between: TypeAlias = Literal["carried", "added"]
LANE_ORDERS = ("sequential", "tree", "exact", "aligned")
MOST_ALIGNED_BITS = 40  # the sum of 2^10 such terms and a carry is exact in binary64
MOST_LANES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulation:
    """A MAC array's way of summing; the fields are those of the module's first lines."""

    order: str = "cuv"
    tiles: Mapping[str, int] = field(default_factory=dict)
    pass_terms: int = 0  # 0: all in one pass
    between: Between = "carried"
    lanes: int = 1
    lane_order: LaneOrder = "sequential"
    aligned_bits: int = 24
    product: str = "fp32"
    product_rounding: Mode = "nearest_even"
    product_overflow: Overflow = "infinity"
    format: str = "fp32"
    rounding: Mode = "nearest_even"
    overflow: Overflow = "infinity"
    subnormals: Subnormals = "kept"
    bias: BiasAt = "last"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("accumulator format", self.format, FLOATS),
            ("product", self.product, ("fused", *FLOATS)),
            ("order inside a lane group", self.lane_order, LANE_ORDERS),
            ("between passes sums", self.between, ("carried", "added")),
            ("rounding", self.rounding, tuple(MODES)),
            ("overflow", self.overflow, tuple(OVERFLOWS)),
            ("product_rounding", self.product_rounding, tuple(MODES)),
            ("product_overflow", self.product_overflow, tuple(OVERFLOWS)),
            ("subnormals", self.subnormals, ("kept", "flushed")),
        ):
            if value not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")
        if self.bias not in ("first", "last"):
            raise ValueError(f"bias must come 'first' or 'last', not {self.bias!r}")
        for name, number, least, most in (
            ("lanes", self.lanes, 1, MOST_LANES),
            ("aligned_bits", self.aligned_bits, 2, MOST_ALIGNED_BITS),
            ("pass_terms", self.pass_terms, 0, 2**31),
        ):
            if not least <= number <= most:
                raise ValueError(f"{name} must be from {least} to {most}, not {number}")
        if self.product == "fused" and self._products != ("nearest_even", "infinity"):
            raise ValueError(
                "product_rounding and product_overflow must be declared of products that are "
                "rounded to a format, not of fused ones"
            )
        _check_fp64(self)
        _check_order(self.order, self.tiles)

    def as_json(self) -> dict[str, Any]:
        """The record as attributes hold it."""
        return {**asdict(self), "tiles": dict(self.tiles)}

    @property
    def into(self) -> NumberFormat:
        """The accumulator's format."""
        return format_named(self.format)

    @property
    def cast(self) -> Cast:
        """R: how a sum becomes a number of the accumulator."""
        return Cast(
            format=self.format,
            rounding=self.rounding,
            overflow=self.overflow,
            subnormals=self.subnormals,
        )

    @property
    def product_cast(self) -> Cast | None:
        """How a product is rounded before it is added; None if it is fused."""
        if self.product == "fused":
            return None
        return Cast(
            format=self.product,
            rounding=self.product_rounding,
            overflow=self.product_overflow,
            subnormals=self.subnormals,
        )

    @property
    def _products(self) -> tuple[str, str]:
        return self.product_rounding, self.product_overflow

    @property
    def formula(self) -> str:
        """The recurrence in words of one line, for the manifest."""
        return self.recurrence(biased=True)

    @property
    def rounded(self) -> str:
        """What R is, in words of one line."""
        flushed = ", operands too" if self.subnormals == "flushed" else ""
        return (
            f"R_{self.format}: {self.rounding}, overflow to {self.cast.overflow_text}, "
            f"subnormals {self.subnormals}{flushed}{_products_text(self)}"
        )

    def recurrence(self, *, biased: bool) -> str:
        """The same, of a sum with a bias or of one that has none."""
        r, many = f"R_{self.format}", self.pass_terms or "all"
        p = "w*x" if self.product == "fused" else f"R_{self.product}(w*x)"
        group = {
            "sequential": f"acc = {r}(acc + chain of {self.lanes} {p})"
            if self.lanes > 1
            else f"acc = {r}(acc + {p})",
            "tree": f"acc = {r}(acc + pairwise tree of {self.lanes} {p})",
            "exact": f"acc = {r}(acc + exact sum of {self.lanes} {p})",
            "aligned": f"acc = {r}(sum of acc and {self.lanes} {p} cut to {self.aligned_bits} "
            "bits below the largest)",
        }[self.lane_order]
        passes = f" ; {many} terms a pass, {self.between}" if self.pass_terms else ""
        start = "b" if biased and self.bias == "first" else "0"
        end = f" ; y = {r}(acc + b)" if biased and self.bias == "last" else ""
        tiles = "".join(f" {k}={v}" for k, v in self.tiles.items())
        return f"acc = {start} ; for {self.order}{tiles}: {group}{passes}{end} ; {self.rounded}"


def _products_text(of: Accumulation) -> str:
    """How products are rounded, where that is not to nearest even, or has no infinity."""
    cast = of.product_cast
    if cast is None or (cast.rounding, cast.beyond) == ("nearest_even", "infinity"):
        return ""
    return f" ; R_{of.product}: {cast.rounding}, overflow to {cast.overflow_text}"


def accumulation_of(
    attributes: Mapping[str, Any], key: str = "accumulation", *, loops: str = "cuv"
) -> Accumulation:
    """The description that attributes declare; what they leave out is binary32, one by one.

    The record under ``key`` holds any fields; of the main sum ("accumulation") the attributes
    ``order`` and ``bias_at`` may say the loops and the bias, in short.

    Raises
    ------
    ValueError
        If a field is unknown or no choice there is, or the order is not over ``loops``.
    """
    chosen: dict[str, Any] = {"order": loops}
    if key == "accumulation":
        short = {"order": "order", "bias": "bias_at"}
        chosen |= {field: attributes[name] for field, name in short.items() if name in attributes}
    chosen |= attributes.get(key, {})
    unknown = set(chosen) - set(Accumulation.__dataclass_fields__)
    if unknown:
        raise ValueError(f"an accumulation must not have the fields {', '.join(sorted(unknown))}")
    made = Accumulation(**chosen)
    must_run_over(made.order, loops, "accumulation")
    return made


def must_run_over(order: Order, loops: str, what: str) -> None:
    """Refuse an order over other loops than those of its sum.

    Raises
    ------
    ValueError
        If it is one.
    """
    if sorted(each for each in order if each.islower()) != sorted(loops):
        raise ValueError(f"{what} order must run over the loops {', '.join(loops)}, not {order!r}")


def term_order(sizes: Mapping[str, int], order: Order, tiles: Mapping[str, int]) -> Array:
    """Positions of the terms, in the order in which they are summed.

    ``sizes`` are the loop lengths in the canonical (row-major) order of the flat index.
    """
    if order == "".join(sizes):
        return np.arange(int(np.prod(list(sizes.values()))))
    ranges = []
    for letter in order:
        size = sizes[letter.lower()]
        tile = tiles[letter.lower()] if letter.lower().upper() in order else size
        ranges.append(range(0, size, tile) if letter.isupper() else range(min(tile, size)))
    steps = (dict(zip(order, at, strict=True)) for at in cartesian(*ranges))
    places = (_position(at, sizes) for at in steps)
    return np.array([place for place in places if place is not None], np.int64)


def _position(at: Mapping[str, int], sizes: Mapping[str, int]) -> int | None:
    """Flat index of one step of all loops; None past the end of a ragged tile."""
    flat = 0
    for letter, size in sizes.items():
        index = at[letter] + at.get(letter.upper(), 0)
        if index >= size:
            return None
        flat = flat * size + index
    return flat


def _check_fp64(of: Accumulation) -> None:
    plain = ("fp64", "nearest_even", "nearest_even", "kept")
    chosen = (of.product, of.rounding, of.product_rounding, of.subnormals)
    if of.format == "fp64" and (of.lane_order in ("exact", "aligned") or chosen != plain):
        raise ValueError(
            "an fp64 accumulator must take fp64 products one after another or in a tree, to "
            "nearest even, subnormals kept"
        )
    if of.product == "fp64" and of.format != "fp64":
        raise ValueError("products must be rounded to fp64 only for an fp64 accumulator")


def _check_order(order: Order, tiles: Mapping[str, int]) -> None:
    small = [letter for letter in order if letter.islower()]
    tiled = sorted(letter.lower() for letter in order if letter.isupper())
    if len(set(order)) != len(order) or not set(tiled) <= set(small):
        raise ValueError(
            f"accumulation order must name each loop once, a tile loop with its own, not {order!r}"
        )
    for letter in tiled:
        if tiles.get(letter, 0) < 1:
            raise ValueError(f"tiles must give the size of {letter!r}, which the order tiles")
        if order.index(letter.upper()) > order.index(letter):
            raise ValueError(f"the tile loop {letter.upper()!r} must run outside {letter!r}")
