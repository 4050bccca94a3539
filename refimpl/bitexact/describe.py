"""What rounds, in which order, to which format: a call's arithmetic in words and formulas.

For the manifest of a set, and for whoever reads it. Everything comes from the attributes' records
and the formats of the tensors; a default that attributes leave out is said too.
"""

from typing import Any

from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.formats import Cast, cast_of, format_named
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.requantise import FORMULAS


def described(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    """The arithmetic of a call as JSON: formats, accumulators, rounding, saturation."""
    if arithmetic in FLOAT_ARITHMETICS:
        return _float(operator, arithmetic, attributes)
    return _integer(operator, arithmetic, attributes)


def cast_text(cast: Cast) -> str:
    """One line on a cast."""
    of = format_named(cast.format)
    beyond = "saturates" if of.kind != "float" else f"beyond ±{of.largest:g}: {cast.overflow}"
    return f"to {cast.format}, {cast.rounding}, {beyond}, subnormals {cast.subnormals}"


def _float(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    of = accumulation_of(attributes)
    declared = {
        "name": arithmetic,
        "rounding": "to nearest, ties to even",
        "subnormals": of.subnormals,
        "output": cast_text(cast_of(attributes.get("output"), arithmetic)),
    }
    if operator != "conv2d":
        product = cast_of(attributes.get("product_cast"), arithmetic)
        declared["product"] = f"x*x' {cast_text(product)}"
    if operator != "shift_product":
        declared["accumulation"] = of.formula
    if operator == "xvolution":
        r = f"R_{of.format}"
        declared["sum"] = f"each branch: z = {r}({r}(y*s) + t) ; output = {r}(z_c + z_a)"
    return declared


def _integer(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    rule = attributes["rounding"]
    limits = attributes.get("clip", list(format_named(arithmetic).limits))
    declared = {
        "name": arithmetic,
        "accumulator": integer_accumulator(attributes.get("accumulator")).formula,
        "requantisation": f"{rule}: {FORMULAS[rule]}, a = accumulator, m = multiplier, s = shift",
        "saturation": f"after the zero point is added, to {list(limits)}; the stage before_clip "
        "shows the value before it, clipped to int32",
        "padding": "real zero, the input's zero point",
    }
    if operator != "conv2d":
        kept = attributes.get("product", "requantised") == "wide"
        declared["product"] = (
            "(x - z)*(x' - z), kept wide" if kept else "(x - z)*(x' - z), requantised to z_t"
        )
    return declared
