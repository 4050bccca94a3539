"""Classes of adders: what a device may do between its operands and its accumulator, for bounds.

A class says how one addition errs, whatever the order and tree of additions:

    rounded            every addition within a relative u of its exact value; u = 2^−p to nearest,
                       2^(1−p) truncated, or rounded up or down, p the significand of the coarsest
                       accumulator
    aligned-truncate   L products and the accumulator are shifted to the largest of their exponents,
                       bits below 2^−F of it are dropped, the sum is rounded to p bits: each term
                       errs by at most 2^−F of the largest, so a step of L products by less than
                       a = (L + 1)·2^−F of the sum of magnitudes, and with the rounding a + u + a·u

and whether products are rounded before they are added, and subnormals flushed to zero. A device of
no class has no bound: nothing but equal bits can pass it.

Sources: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 2.2 (the model,
truncation included); Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor
cores", PeerJ Computer Science 7 (2021), for what aligned adders drop.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import frexp
from typing import Any, Literal, TypeAlias

import numpy as np

from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.formats import FORMATS, NumberFormat, format_named

OTHER = "other"  # a format of the device's own, which nothing here knows
Kind: TypeAlias = Literal["rounded", "aligned-truncate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adders:
    """A class of adders; the default is binary32 to nearest with subnormals kept.

    ``precision`` is p in bits, ``smallest_exponent`` that of the smallest normal number of the
    accumulator, ``largest_exponent`` that of the largest binade. Products that are not rounded must
    be numbers of the accumulator (bf16 × bf16 in binary32), but for an aligned adder, which cuts
    them; ``width_bits`` is its F, ``products_per_step`` its L.
    """

    kind: Kind = "rounded"
    precision: int = 24
    smallest_exponent: int = -126
    largest_exponent: int = 127
    truncates: bool = False
    products_rounded: bool = True
    flushes_subnormals: bool = False
    width_bits: int = 0
    products_per_step: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("rounded", "aligned-truncate"):
            raise ValueError(f"adders must be rounded or aligned-truncate, not {self.kind!r}")
        for name, least, most in (
            ("precision", 2, 53),
            ("products_per_step", 1, 2**16),
            ("width_bits", 0, 60),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"{name} must be from {least} to {most}, not {value!r}")
        if self.kind == "aligned-truncate" and self.width_bits < 1:
            raise ValueError("width_bits of an aligned adder must be at least 1, not 0")

    @property
    def unit(self) -> float:
        """u: the relative error of one rounding."""
        return 2.0 ** (1 - self.precision if self.truncates else -self.precision)

    @property
    def step(self) -> float:
        """Relative error of one step of additions, in terms of the sum of magnitudes."""
        if self.kind == "rounded":
            return self.unit
        # Products and accumulator are cut in each step. An accumulator that stays the largest has
        # nothing left to be cut from its second step on; the bound does not use that.
        cut = (self.products_per_step + 1) * 2.0**-self.width_bits
        return (cut + self.unit + cut * self.unit) * (1 + 2.0**-50)

    def additions(self, inside: Any, terms: int) -> Any:
        """Steps on the longest path of a sum of ``terms`` products, ``inside`` of them not 0.

        A product with the padding's 0 rounds nothing; an aligned step cuts wherever it adds a
        product that is not 0, and there are no more of those than products, or than steps.
        """
        if self.kind == "rounded":
            return np.maximum(inside - 1, 0)
        return np.minimum(inside, -(-terms // self.products_per_step))

    @property
    def lost_product(self) -> float:
        """What one product may lose beyond a relative error where it enters the sum: underflow."""
        if self.flushes_subnormals:
            return self.flushed
        smallest = 2.0 ** (self.smallest_exponent - self.precision + 1)
        return smallest if self.truncates else smallest / 2

    @property
    def flushed(self) -> float:
        """λ: what is lost where a subnormal result is flushed to zero; 0 where it is kept."""
        return 2.0**self.smallest_exponent if self.flushes_subnormals else 0.0

    @property
    def overflow(self) -> float:
        """Magnitudes from here on may overflow, with a factor 2 to spare for the roundings."""
        return 2.0**self.largest_exponent

    @property
    def text(self) -> str:
        """The class in words, for a manifest."""
        how = "rounded in any direction" if self.truncates else "round to nearest"
        subnormals = "flushed to zero" if self.flushes_subnormals else "kept"
        products = "rounded or fused" if self.products_rounded else "exact"
        name = "binary32" if self == BINARY32 else f"{self.precision} bits of significand"
        if self.kind == "rounded":
            tree = "any order and tree of additions"
        else:
            tree = (
                f"any order of steps of {self.products_per_step} products, aligned to the largest "
                f"exponent and cut {self.width_bits} bits below it"
            )
        return (
            f"{name} multiply and add, {how}, subnormals {subnormals}; {tree}; products {products}"
        )


BINARY32 = Adders()
NEAREST = ("nearest_even", "nearest_away")
ACCUMULATORS: Mapping[str, Mapping[str, int]] = {
    "fp32": {"precision": 24, "smallest_exponent": -126, "largest_exponent": 127},
    "bf16": {"precision": 8, "smallest_exponent": -126, "largest_exponent": 127},
    "fp16": {"precision": 11, "smallest_exponent": -14, "largest_exponent": 15},
}


def adders_of(declared: Mapping[str, Any]) -> Adders | str:
    """Class of adders that a device declares, or why it is in none.

    Keys: ``kind``, ``accumulator`` (fp32, bf16, fp16, or another format, or ``other``, which have
    no class), ``rounding`` (nearest, truncate, upward,
    downward, or another that has no bound), ``products`` (rounded, exact), ``subnormals`` (kept,
    flushed), and for an aligned adder ``width_bits`` and ``products_per_step``.

    Raises
    ------
    ValueError
        If a key or value is none of these.
    """
    known = {
        "kind", "accumulator", "rounding", "products", "subnormals", "width_bits",
        "products_per_step",
    }  # fmt: skip
    unknown = set(declared) - known
    if unknown:
        raise ValueError(f"adders must have no {min(unknown)}: of {', '.join(sorted(known))}")
    accumulator = declared.get("accumulator", "fp32")
    if accumulator not in (*FORMATS, OTHER):
        raise ValueError(
            f"accumulator of adders must be one of {', '.join(FORMATS)}, or {OTHER}, not "
            f"{accumulator!r}"
        )
    if accumulator not in ACCUMULATORS:
        return f"its accumulator is {accumulator}, which has no class of adders"
    if declared.get("kind", "rounded") not in ("rounded", "aligned-truncate"):
        return f"its adders are {declared['kind']}, which is no class that has a bound"
    rounding = declared.get("rounding", "nearest")
    if rounding not in ("nearest", "truncate", "upward", "downward"):
        return f"its adders round {rounding}, which has no bound"
    for key, values in (("products", ("rounded", "exact")), ("subnormals", ("kept", "flushed"))):
        if declared.get(key, values[0]) not in values:
            raise ValueError(f"{key} must be {' or '.join(values)}, not {declared[key]!r}")
    return Adders(
        kind=declared.get("kind", "rounded"),
        truncates=rounding != "nearest",
        products_rounded=declared.get("products", "rounded") == "rounded",
        flushes_subnormals=declared.get("subnormals", "kept") == "flushed",
        width_bits=declared.get("width_bits", 0),
        products_per_step=declared.get("products_per_step", 1),
        **ACCUMULATORS[accumulator],
    )


def adders_for(of: Accumulation) -> Adders | str:
    """The class that a declared accumulation is a member of, or why it is in none.

    Of its accumulator and its products' format the coarser counts; an exact group rounds less often
    than any tree of its terms, and is in the class of rounded adders.
    """
    casts = [of.cast] if of.product_cast is None else [of.cast, of.product_cast]
    kinds = [format_named(each.format) for each in casts]
    if any(each.name == "fp64" for each in kinds):
        return "it sums in binary64, and so does the reference"
    if of.lane_order == "aligned" and (of.between == "added" or of.pass_terms % of.lanes):
        return "its aligned adders sum in passes that are added, or that its lanes do not fill"
    aligned: dict[str, Any] = {}
    if of.lane_order == "aligned":
        aligned = {
            "kind": "aligned-truncate",
            "width_bits": of.aligned_bits - 1,
            "products_per_step": of.lanes,
        }
    return Adders(
        precision=min(each.digits for each in kinds),
        smallest_exponent=max(each.least + each.fraction for each in kinds),
        largest_exponent=min(_spare_exponent(each) for each in kinds),
        truncates=any(each.rounding not in NEAREST for each in casts),
        flushes_subnormals=of.subnormals == "flushed",
        **aligned,
    )


def _spare_exponent(of: NumberFormat) -> int:
    """Largest e such that twice 2^e, or all but a rounding of it, does not overflow."""
    fraction, exponent = frexp(of.largest)
    return exponent - 1 if fraction == 1 - 2.0**-of.digits else exponent - 2


def coarsest(classes: Iterable[Adders | str]) -> Adders | str:
    """The smallest class here that holds devices of all of these."""
    known = list(dict.fromkeys(classes))
    outside = [each for each in known if isinstance(each, str)]
    if outside:
        return outside[0]
    adders = [each for each in known if isinstance(each, Adders)]
    if len(adders) == 1:
        return adders[0]
    if any(each.kind != "rounded" for each in adders):
        return "its sums are of aligned and of other adders"
    return Adders(
        precision=min(each.precision for each in adders),
        smallest_exponent=max(each.smallest_exponent for each in adders),
        largest_exponent=min(each.largest_exponent for each in adders),
        truncates=any(each.truncates for each in adders),
        flushes_subnormals=any(each.flushes_subnormals for each in adders),
    )
