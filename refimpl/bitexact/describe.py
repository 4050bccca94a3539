"""What rounds, in which order, to which format: a call's arithmetic in words and formulas.

For the manifest of a set, and for whoever reads it. Everything comes from the attributes' records
and the formats of the tensors; a default that attributes leave out is said too.
"""

from typing import Any

from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes, groups_of
from refimpl.bitexact.formats import Cast, cast_of, format_named
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.requantise import FORMULAS
from refimpl.bitexact.softmax import denominator_of, softmax_of
from refimpl.bitexact.transcendental import function_of


def described(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    """The arithmetic of a call as JSON: formats, accumulators, rounding, saturation."""
    family = _float if arithmetic in FLOAT_ARITHMETICS else _integer
    declared = family(operator, arithmetic, attributes)
    groups = groups_of(attributes)
    if groups > 1:
        declared["groups"] = (
            f"{groups}: outputs of group g read the g-th block of the input's channels alone; each "
            "group sums in the declared order of its own channels"
        )
    return declared


def cast_text(cast: Cast) -> str:
    """One line on a cast."""
    of = format_named(cast.format)
    beyond = "saturates" if of.kind != "float" else f"beyond ±{of.largest:g}: {cast.beyond}"
    return f"to {cast.format}, {cast.rounding}, {beyond}, subnormals {cast.subnormals}"


def _float(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    of = accumulation_of(attributes)
    declared: dict[str, Any] = {
        "name": arithmetic,
        "rounding": "to nearest, ties to even",
        "subnormals": of.subnormals,
        "output": cast_text(cast_of(attributes.get("output"), arithmetic)),
    }
    if operator in SHIFTED:
        product = cast_of(attributes.get("product_cast"), arithmetic)
        declared["product"] = f"x*x' {cast_text(product)}"
    for key, loops in SUMS[operator].items():
        sums = accumulation_of(attributes, key, loops=loops)
        if sums.between == "carried" and sums.lanes == 1:
            must_show_passes(operator, key, sums.pass_terms)
        declared[key] = sums.formula
    if operator == "xvolution":
        r = f"R_{of.format}"
        declared["sum"] = f"each branch: z = {r}({r}(y*s) + t) ; output = {r}(z_c + z_a)"
    if operator in ATTENTION:
        declared |= _softmax(attributes, arithmetic)
    if operator in ("batch_norm", "xvolution_training"):
        declared["rsqrt"] = function_of(attributes.get("rsqrt"), "rsqrt", of.format).formula
    return declared


def _integer(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    rule = attributes["rounding"]
    limits = attributes.get("clip", list(format_named(arithmetic).limits))
    declared: dict[str, Any] = {
        "name": arithmetic,
        "requantisation": f"{rule}: {FORMULAS[rule]}, a = accumulator, m = multiplier, s = shift",
        "saturation": f"after the zero point is added, to {list(limits)}; the stage before_clip "
        "shows the value before it, clipped to int32",
        "padding": "real zero, the input's zero point",
    }
    for key, loops in INTEGER_SUMS.get(operator, {"accumulator": "cuv"}).items():
        of = integer_accumulator({"order": loops, **(attributes.get(key) or {})})
        must_show_passes(operator, key, of.pass_terms)
        declared[key] = of.formula
    if operator in SHIFTED:
        kept = attributes.get("product", "requantised") == "wide"
        declared["product"] = (
            "(x - z)*(x' - z), kept wide" if kept else "(x - z)*(x' - z), requantised to z_t"
        )
    if operator == "xvolution_training":
        declared |= _training(attributes)
    if operator in ("pssa_backward", "xvolution_backward"):
        declared["dx"] = (
            "sum over d of (dproduct - z)*(x' - z_x), and of (dproduct - z)*(x - z_x) shifted back"
        )
        declared["saturation_gradient"] = "straight through: as though nothing had saturated"
    if operator == "xvolution_backward":
        declared["upstream"] = "(dy - z_dy)*s, requantised with u_multiplier and u_shift"
    return declared | (_softmax(attributes, "uint8") if operator in ATTENTION else {})


def must_show_passes(operator: str, key: str, pass_terms: int) -> None:
    """Refuse passes over a sum that no stage shows, where they change no bit either.

    Raises
    ------
    ValueError
        If there are any.
    """
    shown = PASSES.get(key, ())
    if pass_terms and operator not in shown:
        where = f"{key} of {', '.join(shown)}" if shown else "no operator"
        raise ValueError(
            f"{key}.pass_terms must be 0 in {operator}: no stage shows what a pass leaves, and it "
            f"changes no bit; {where} shows it"
        )


def _training(attributes: Attributes) -> dict[str, Any]:
    """How integer sums are normalised by the batch's statistics, and become integers again."""
    of = accumulation_of(attributes, "accumulation_statistics", loops="nij")
    return {
        "dequantised": "R(fl32(accumulator)*scale)",
        "accumulation_statistics": of.formula,
        "rsqrt": function_of(attributes.get("rsqrt"), "rsqrt", of.format).formula,
        "output": "R(R(conv + attention)*output_factor) to the nearest integer, ties to even, "
        "plus z_y",
    }


def _softmax(attributes: Attributes, form: str) -> dict[str, Any]:
    """How scores become weights."""
    if attributes.get("normalise", "softmax") == "none":
        return {"normalise": "none: the scaled scores are the weights"}
    declared = attributes.get("softmax", {})
    kind = "integer" if declared.get("kind") == "integer" and form == "uint8" else "float"
    softmax_of(declared, kind)
    if kind == "integer":
        return {
            "normalise": "d = min(rule(max - z), last index) ; e = exp_table[d] ; S = sum e ; "
            "r = floor((2^R + floor(S/2))/S) ; a = floor((e*r*D + 2^(R-1))/2^R)",
            "reciprocal_bits": declared.get("reciprocal_bits", 30),
            "denominator": denominator_of(declared),
        }
    into = declared.get("format", "fp32")
    divide = declared.get("normalise", "reciprocal") == "divide"
    last = "a = R(e/S)" if divide else "r = reciprocal(S) ; a = R(e*r)"
    chosen = {"format": form, **attributes.get("probabilities", {})}
    return {
        "normalise": f"t = R(z - max) ; e = exp(t) ; S = sum e ; {last} ; R to {into}",
        "exp": function_of(declared.get("exp"), "exp", into).formula,
        "reciprocal": function_of(declared.get("reciprocal"), "reciprocal", into).formula,
        "row_sum": accumulation_of(declared, "sum", loops="t").formula,
        "probabilities": f"round(a*{denominator_of(chosen)}) as {chosen['format']}, ties to even",
    }


SHIFTED = frozenset(
    {"shift_product", "pssa", "xvolution", "xvolution_fused", "xvolution_training",
     "pssa_backward", "xvolution_backward"}
)  # fmt: skip
ATTENTION = frozenset({"global_attention", "local_attention"})
_ATTENDING = {
    "accumulation": "cuv", "accumulation_scores": "d", "accumulation_context": "t",
}  # fmt: skip
_BACKWARD = {"accumulation_dx": "ouv", "accumulation_dw": "nij"}
SUMS: dict[str, dict[str, str]] = {
    "conv2d": {"accumulation": "cuv"},
    "shift_product": {},
    "pssa": {"accumulation": "cuv"},
    "xvolution": {"accumulation": "cuv"},
    "xvolution_fused": {"accumulation": "cuv"},
    "xvolution_training": {"accumulation": "cuv", "accumulation_statistics": "nij"},
    "batch_norm": {"accumulation_statistics": "nij"},
    "global_attention": _ATTENDING,
    "local_attention": _ATTENDING,
    "conv2d_backward": _BACKWARD,
    "pssa_backward": _BACKWARD,
    "xvolution_backward": {"accumulation": "cuv", **_BACKWARD},
}
"""The sums of each operator in floats: the attribute that declares one, and its loops."""
_ATTENDING_INTEGERS = {
    "accumulator": "cuv", "accumulator_scores": "d", "accumulator_context": "t",
}  # fmt: skip
_BACKWARD_INTEGERS = {"accumulator_dx": "ouv", "accumulator_dw": "nij"}
INTEGER_SUMS: dict[str, dict[str, str]] = {
    "shift_product": {},
    "global_attention": _ATTENDING_INTEGERS,
    "local_attention": _ATTENDING_INTEGERS,
    "conv2d_backward": _BACKWARD_INTEGERS,
    "pssa_backward": {**_BACKWARD_INTEGERS, "accumulator_shares": "d"},
    "xvolution_backward": {
        "accumulator": "cuv", **_BACKWARD_INTEGERS, "accumulator_shares": "d",
    },
}  # fmt: skip
"""The same in integers; what is not listed has the one sum of a convolution."""
_CONVOLVING = ("conv2d", "pssa", "xvolution", "xvolution_fused", "xvolution_training")
PASSES = {"accumulation": _CONVOLVING, "accumulator": (*_CONVOLVING, "xvolution_backward")}
"""The sums whose passes are stages, and of which operators."""
