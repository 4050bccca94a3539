"""What rounds, in which order, to which format: a call's arithmetic in words and formulas.

For the manifest of a set, and for whoever reads it. Everything comes from the attributes' records
and the formats of the tensors; a default that attributes leave out is said too, a record that
nothing reads is not. Two declarations that compute different bits have different texts.
"""

from typing import Any

from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes, groups_of
from refimpl.bitexact.describe_parts import (
    cast_text,
    limits_text,
    real_text,
    rule_text,
    saturated_text,
    shift_text,
    softmax_text,
)
from refimpl.bitexact.float_operators import scalar
from refimpl.bitexact.formats import Cast, cast_of, default_cast, format_named
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.normalisation import eps_of, rsqrt_of
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.records import (
    ATTENTION,
    BIASED,
    SHIFTED,
    SUMS,
    integer_sums,
    sums_floats,
)
from refimpl.bitexact.softmax import cast_of_weights


def described(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    """The arithmetic of a call as JSON: formats, accumulators, rounding, saturation."""
    family = _float if arithmetic in FLOAT_ARITHMETICS else _integer
    declared: dict[str, Any] = {"name": arithmetic, **family(operator, arithmetic, attributes)}
    if operator in SHIFTED:
        declared["shift"] = shift_text(attributes)
    groups = groups_of(attributes)
    if groups > 1:
        declared["groups"] = (
            f"{groups}: outputs of group g read the g-th block of the input's channels alone; each "
            "group sums in the declared order of its own channels"
        )
    return declared


def _float(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    declared: dict[str, Any] = {}
    if operator in SHIFTED:
        product = cast_of(attributes.get("product_cast"), arithmetic)
        declared["product"] = f"x*x' {cast_text(product)}"
    for key, loops in SUMS[operator].items():
        biased = operator in BIASED and key == "accumulation"
        declared[key] = accumulation_of(attributes, key, loops=loops).recurrence(biased=biased)
    if operator == "batch_norm":
        declared |= _normalised(attributes, attributes.get("statistics", "given"))
    if operator in ("xvolution", "xvolution_training"):
        declared |= _branches(operator, attributes)
    if operator in ATTENTION:
        declared |= _attention(arithmetic, attributes)
    if operator.endswith("_backward"):
        return declared | _backward(operator, arithmetic, attributes)
    if operator != "shift_product":
        declared["output"] = cast_text(cast_of(attributes.get("output"), arithmetic))
    return declared


def _branches(operator: str, attributes: Attributes) -> dict[str, str]:
    """How an X-volution in floats puts its branches together."""
    of = accumulation_of(attributes)
    r = f"R_{of.format}"
    if operator == "xvolution":
        return {"sum": f"each branch: z = {r}({r}(y*s) + t) ; output = {r}(z_c + z_a)"}
    carried = cast_text(default_cast(of.format))
    return {
        **_normalised(attributes, "batch"),
        "branches": f"each cast {carried}, normalised, and cast {carried}",
        "sum": f"output = {r}(conv + attention)",
    }


def _backward(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, str]:
    """What a gradient in floats casts, and how it comes through products and branches."""
    dx = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    dw = accumulation_of(attributes, "accumulation_dw", loops="nij")
    r, carried = f"R_{dx.format}", cast_text(default_cast(dx.format))
    declared = {
        "dx": cast_text(cast_of(attributes.get("dx"), arithmetic)),
        "dw": cast_text(cast_of(attributes.get("dw"), dw.format)) + "; db alike",
    }
    if operator == "conv2d_backward":
        return declared
    declared["dproduct"] = carried
    declared["through_product"] = (
        f"direction by direction: acc = {r}(acc + {r}(dproduct*x')) ; acc = {r}(acc + "
        f"{r}(dproduct*x) shifted back), {r} that of accumulation_dx"
    )
    if operator == "xvolution_backward":
        forward = cast_text(default_cast(accumulation_of(attributes).format))
        declared["dw"] += ", ds and dt too"
        declared["branches"] = (
            f"z = the branch's output, cast {forward}"
            f" ; ds = sum of dy*z and dt = sum of dy as accumulation_dw ; upstream = {r}(dy*s) ; "
            f"each branch's dx cast {carried} ; dx = {r}(dx_c + dx_a)"
        )
    return declared


def _normalised(attributes: Attributes, statistics: str) -> dict[str, str]:
    """A normalisation in floats, with statistics "given" or of the "batch"."""
    of = accumulation_of(attributes, "accumulation_statistics", loops="nij")
    eps = repr(eps_of(attributes, of).item())
    said = {
        "accumulation_statistics": of.rounded,
        "statistics": "given",
        "rsqrt": rsqrt_of(attributes, of).formula,
        "normalisation": f"R(R(R(x - mean)*R(gamma*rsqrt(R(var + {eps})))) + beta), R that of "
        "accumulation_statistics",
    }
    if statistics == "given":
        return said
    return said | {
        "accumulation_statistics": of.recurrence(biased=False),
        "statistics": "of the batch: mean = R(sum of x * R(1/m)), var = R(sum of R(x - mean)^2 * "
        "R(1/m)), summed as accumulation_statistics",
    }


def _attention(arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    """Attention in floats, around its sums."""
    of = accumulation_of(attributes, "accumulation_scores", loops="d")
    declared = {
        "projections": f"q, k and v {cast_text(default_cast(arithmetic))}",
        "scaled_scores": f"R(scores*{scalar(attributes['scale'], of).item()!r}), R that of "
        "accumulation_scores",
    }
    if attributes.get("normalise", "softmax") == "none":
        cast = cast_text(cast_of_weights(attributes.get("probabilities"), arithmetic))
        return declared | {"normalise": f"none: weights = scaled_scores {cast}"}
    return declared | softmax_text(attributes, arithmetic, integer=False)


def _integer(operator: str, arithmetic: str, attributes: Attributes) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "requantisation": f"{rule_text(attributes['rounding'])}, a = accumulator, m = multiplier, "
        "s = shift",
        "saturation": "after the zero point is added, to "
        f"{limits_text(operator, arithmetic, attributes)}; the stage before_clip shows the value "
        "before it, clipped to int32",
        "padding": "real zero, the input's zero point",
    }
    for key, loops in integer_sums(operator).items():
        declared[key] = integer_accumulator(attributes.get(key), loops=loops, name=key).formula
    if operator in SHIFTED:
        declared["product"] = _product(arithmetic, attributes)
    if operator == "xvolution":
        into = saturated_text(attributes.get("output_format", arithmetic))
        declared["branches"] = f"each with zero point 0, {into}"
    if operator == "xvolution_training":
        declared |= _training(attributes)
    if operator in ("pssa_backward", "xvolution_backward"):
        declared["dproduct"] = "requantised to z_dproduct, " + saturated_text(
            attributes.get("dproduct_format", arithmetic)
        )
        declared["dx"] = (
            "sum over d of (dproduct - z)*(x' - z_x), and of (dproduct - z)*(x - z_x) shifted back"
        )
        declared["saturation_gradient"] = "straight through: as though nothing had saturated"
    if operator == "xvolution_backward":
        declared["upstream"] = "(dy - z_dy)*s, requantised with u_multiplier and u_shift"
    if operator in ATTENTION:
        declared |= _integer_attention(attributes)
    return declared


def _product(arithmetic: str, attributes: Attributes) -> str:
    if attributes.get("product", "requantised") == "wide":
        return f"(x - z)*(x' - z), kept wide: int{2 * format_named(arithmetic).bits + 1}"
    into = saturated_text(attributes.get("product_format", arithmetic))
    return f"(x - z)*(x' - z), requantised to z_t, {into}"


def _integer_attention(attributes: Attributes) -> dict[str, Any]:
    """Attention in integers, around its sums."""
    if attributes.get("normalise", "softmax") == "none":
        return {
            "normalise": "none: weights = rule(scores) with weights_multiplier and weights_shift, "
            "saturated to the format of x"
        }
    declared = softmax_text(attributes, "uint8", integer=True)
    if attributes.get("softmax", {}).get("kind", "float") == "float":
        scale = real_text(attributes["score_scale"], Cast(format="fp32"))
        declared["scaled_scores"] = f"R(fl32(scores)*{scale}), R that of the softmax"
    if sums_floats(attributes):
        of = accumulation_of(attributes, "accumulation_context", loops="t")
        factor = scalar(attributes.get("output_factor", 1.0), of).item()
        declared |= {
            "accumulator_context": "none: the context is a sum of floats",
            "accumulation_context": of.recurrence(biased=False),
            "output": f"R(context*{factor!r}), R that of accumulation_context, to the nearest "
            "integer, ties to even, plus z_y",
        }
    return declared


def _training(attributes: Attributes) -> dict[str, Any]:
    """How integer sums are normalised by the batch's statistics, and become integers again."""
    of = accumulation_of(attributes, "accumulation_statistics", loops="nij")
    factor = scalar(attributes["output_factor"], of).item()
    return {
        "dequantised": "R(fl32(accumulator)*scale)",
        **_normalised(attributes, "batch"),
        "output": f"R(R(conv + attention)*{factor!r}) to the nearest integer, ties to even, plus "
        "z_y ; R that of accumulation_statistics",
    }
