"""Stages of the gradients in integers, each from the ones before it."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from refimpl.arrays import Array
from refimpl.bitexact.backward_integer import (
    input_gradient,
    rescaled,
    weight_gradients,
)
from refimpl.bitexact.backward_pixel_shift import (
    channel_sums,
    gained,
    share_here,
    share_there,
    summed_shares,
    to_dproduct,
    upstream_before_clip,
)
from refimpl.bitexact.call import Attributes, repeated
from refimpl.bitexact.formats import format_of, integers_of, to_integers
from refimpl.bitexact.integer_operators import centre, centred_product, clip
from refimpl.vectors.case import Case
from refimpl.vectors.integer_steps import branch_steps, shift_steps
from refimpl.vectors.step import Step
from refimpl.vectors.sums import Arrays

Own: TypeAlias = Callable[[Attributes], Attributes]


def integer_backward_steps(case: Case) -> list[Step]:
    """Steps of a gradient in integers."""
    make = {
        "conv2d_backward": _through_conv2d,
        "pssa_backward": _through_pssa,
        "xvolution_backward": _two_branches,
    }
    return make[case.operator](case)


def _through_conv2d(
    case: Case, *, prefix: str = "", suffix: str = "", upstream: str = "dy"
) -> list[Step]:
    own = partial(_inner, prefix)
    return [
        *_of_weights((upstream, "x"), prefix, suffix),
        *_of_image(upstream, "x", f"{prefix}dx", own, suffix),
        *_rescaled(case, f"{prefix}dx", own, factors=_factors(prefix, suffix)),
    ]


def _through_pssa(
    case: Case, *, prefix: str = "", suffix: str = "", upstream: str = "dy"
) -> list[Step]:
    p, own, copies = prefix, partial(_inner, prefix), f"{prefix}shifted"
    spread, here, there = (f"{p}{name}" for name in ("dproduct", "here", "there"))

    def seen_from_here(a: Arrays, t: Attributes) -> Array:
        return share_here(a[spread], a[copies], t)

    def seen_from_there(a: Arrays, t: Attributes) -> Array:
        return share_there(a[spread], a["x"], t)

    return [
        *([] if prefix else shift_steps("", case)),
        *_of_weights((upstream, _product(case, p)), p, suffix),
        *_of_image(upstream, "product", spread, own, suffix),
        *_rescaled(case, spread, own, factors=(f"d_multiplier{suffix}", f"d_shift{suffix}")),
        Step(stage=here, needs=(spread, copies), compute=seen_from_here),
        Step(stage=there, needs=(spread, "x"), compute=seen_from_there),
        Step(
            stage=f"{p}dx_accumulator",
            needs=(here, there),
            compute=lambda a, t: summed_shares(a[here], a[there], t),
        ),
        *_rescaled(case, f"{p}dx", own, factors=_factors(p, suffix), which="shares"),
    ]


def _two_branches(case: Case) -> list[Step]:
    name = format_of(case.tensors["x"]).name
    forward = branch_steps(case)
    steps = []
    for prefix, suffix, back in (
        ("conv_", "_c", _through_conv2d),
        ("attention_", "_a", _through_pssa),
    ):
        steps += [step for step in forward if step.stage.startswith(prefix)]
        steps += _upstream(case, prefix, suffix)
        steps += back(case, prefix=prefix, suffix=suffix, upstream=f"{prefix}upstream")

    def before(a: Arrays, t: Attributes) -> Array:
        both = integers_of(a["conv_dx"]) + integers_of(a["attention_dx"])
        return to_integers(both + t["dx_zero"], "int32")

    return [
        *steps,
        Step(stage="dx_before_clip", needs=("conv_dx", "attention_dx"), compute=before),
        Step(
            stage="dx",
            needs=("dx_before_clip",),
            compute=lambda a, t: clip(integers_of(a["dx_before_clip"]), t, name),
        ),
    ]


def _upstream(case: Case, p: str, suffix: str) -> list[Step]:
    """A branch's gain and offset, and the gradient of its output."""
    name, s = format_of(case.tensors["x"]).name, f"s{suffix}"
    wide, before = f"{p}wide_upstream", f"{p}upstream_before_clip"
    factors = _present(case, (f"u_multiplier{suffix}", f"u_shift{suffix}"))

    def gain(a: Arrays, t: Attributes) -> Array:
        dy = centre(a["dy"], t["dy_zero"])
        return channel_sums(dy, integers_of(a[f"{p}output"]), t)

    def offset(a: Arrays, t: Attributes) -> Array:
        return channel_sums(centre(a["dy"], t["dy_zero"]), None, t)

    def scaled(a: Arrays, t: Attributes) -> Array:
        own = {key.removesuffix(suffix): a[key] for key in factors}
        return upstream_before_clip(a[wide], own, t)

    return [
        Step(stage=f"{p}ds", needs=("dy", f"{p}output"), compute=gain),
        Step(stage=f"{p}dt", needs=("dy",), compute=offset),
        Step(stage=wide, needs=("dy", s), compute=lambda a, t: gained(a["dy"], a[s], t)),
        Step(stage=before, needs=(wide, *factors), compute=scaled),
        Step(
            stage=f"{p}upstream",
            needs=(before,),
            compute=lambda a, _: to_integers(integers_of(a[before]), name),
        ),
    ]


def _inner(prefix: str, attributes: Attributes) -> Attributes:
    """Attributes as a branch's own gradient sees them."""
    if not prefix:
        return attributes
    own = {key: value for key, value in attributes.items() if key != "clip"}
    return own | {"dy_zero": attributes["upstream_zero"], "dx_zero": 0}


def _factors(prefix: str, suffix: str) -> tuple[str, str]:
    """Factor of dx: a branch has it beside that of its output."""
    before = "dx_" if prefix else ""
    return f"{before}multiplier{suffix}", f"{before}shift{suffix}"


def _present(case: Case, factors: tuple[str, str]) -> tuple[str, ...]:
    """A factor's tensors: a binary32 scale has no shift."""
    return tuple(key for key in factors if key in case.tensors)


def _product(case: Case, prefix: str) -> str:
    wide = case.attributes.get("product", "requantised") == "wide"
    return f"{prefix}wide_product" if wide else f"{prefix}product"


def _of_weights(needs: tuple[str, str], prefix: str, suffix: str) -> list[Step]:
    """Gradients of kernels and bias, from the upstream gradient and what was convolved."""
    (upstream, seen), w = needs, f"w{suffix}"

    def both(a: Arrays, attributes: Attributes) -> dict[str, Array]:
        t = _inner(prefix, attributes)
        dy = centre(a[upstream], t["dy_zero"])
        name = seen.removeprefix(prefix)
        x = centre(a["x"], t["x_zero"]) if name == "x" else centred_product({name: a[seen]}, t)
        return weight_gradients(dy, x, a[w], t)

    return [
        Step(stage=f"{prefix}dw", needs=(*needs, w), compute=lambda a, t: both(a, t)["dw"]),
        Step(stage=f"{prefix}db", needs=(*needs, w), compute=lambda a, t: both(a, t)["db"]),
    ]


def _of_image(upstream: str, seen: str, stage: str, own: Own, suffix: str) -> list[Step]:
    """The accumulator of what was convolved: x, or the product."""
    w = f"w{suffix}"

    def total(a: Arrays, attributes: Attributes) -> Array:
        t = own(attributes)
        shape = a["x"].shape if seen == "x" else repeated(a["x"], t).shape
        return input_gradient(centre(a[upstream], t["dy_zero"]), a[w], shape, t)

    return [Step(stage=f"{stage}_accumulator", needs=(upstream, w, "x"), compute=total)]


def _rescaled(
    case: Case, stage: str, own: Own, *, factors: tuple[str, str], which: str = "dx"
) -> list[Step]:
    """A gradient's requantisation and its saturation, from its accumulator."""
    total, before = f"{stage}_accumulator", f"{stage}_before_clip"
    name = format_of(case.tensors["x"]).name
    product, held = stage.endswith("dproduct"), _present(case, factors)

    def rule(a: Arrays, attributes: Attributes) -> Array:
        t = own(attributes)
        zero = t.get("dproduct_zero", 0) if product else t["dx_zero"]
        tensors = dict(zip(("multiplier", "shift"), (a[key] for key in held), strict=False))
        return rescaled(a[total], tensors, t, zero, which=which)

    def saturated(a: Arrays, attributes: Attributes) -> Array:
        t = own(attributes)
        return to_dproduct(a[before], t, name) if product else clip(integers_of(a[before]), t, name)

    return [
        Step(stage=before, needs=(total, *held), compute=rule),
        Step(stage=stage, needs=(before,), compute=saturated),
    ]
