"""Stages of the integer operators, each from the ones before it."""

from collections.abc import Callable

from refimpl.arrays import Array
from refimpl.bitexact.call import Attributes, repeated, shifted
from refimpl.bitexact.formats import format_of, integers_of, to_integers
from refimpl.bitexact.integer_operators import (
    clip,
    is_wide,
    product_bits,
    scaled,
    to_product,
    to_wide,
)
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.requantise import factor_of, requantise
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, convolutions_of
from refimpl.vectors.step import Step, sum_steps
from refimpl.vectors.sums import Arrays

SHARED = ("x", "t_multiplier", "t_shift")


def integer_steps(case: Case) -> list[Step]:
    """Steps of an operator in integers."""
    if case.operator == "xvolution":
        return _two_branches(case)
    before = [] if case.operator == "conv2d" else shift_steps("", case)
    sums = [
        step
        for each in convolutions_of(case)
        for step in (*sum_steps(each, case), *_requantised(each, case, alone=False))
    ]
    return before + sums


def branch_steps(case: Case) -> list[Step]:
    """Both branches of X-volution, each to its own output."""
    conv, attention = convolutions_of(case)
    steps = [*sum_steps(conv, case), *_requantised(conv, case, alone=True)]
    steps += shift_steps("attention_", case)
    return [*steps, *sum_steps(attention, case), *_requantised(attention, case, alone=True)]


def _two_branches(case: Case) -> list[Step]:
    def total(arrays: Arrays, attributes: Attributes) -> Array:
        both = integers_of(arrays["conv_output"]) + integers_of(arrays["attention_output"])
        return to_integers(both + attributes["y_zero"], "int32")

    name = format_of(case.tensors["x"]).name
    return [
        *branch_steps(case),
        Step(stage="before_clip", needs=("conv_output", "attention_output"), compute=total),
        Step(
            stage="output",
            needs=("before_clip",),
            compute=lambda a, t: clip(integers_of(a["before_clip"]), t, name),
        ),
    ]


def shift_steps(prefix: str, case: Case) -> list[Step]:
    """The shift product, wide or requantised."""
    name = format_of(case.tensors["x"]).name
    copies, product = f"{prefix}shifted", f"{prefix}wide_product"

    def moved(arrays: Arrays, attributes: Attributes) -> Array:
        zero = attributes["x_zero"]
        return to_integers(shifted(integers_of(arrays["x"]) - zero, attributes) + zero, name)

    def wide(arrays: Arrays, attributes: Attributes) -> Array:
        zero = attributes["x_zero"]
        here = repeated(integers_of(arrays["x"]) - zero, attributes)
        there = integers_of(arrays[copies]) - zero
        return to_wide(here * there, case.tensors["x"], attributes)

    def before(arrays: Arrays, attributes: Attributes) -> Array:
        value = requantise(
            integers_of(arrays[product]),
            factor_of({key: arrays[key] for key in _given(arrays)}, "t_"),
            rounding=attributes["rounding"],
            zero_point=attributes["t_zero"],
            bits=max(product_bits(case.tensors["x"]), 32),
        )
        return to_integers(value, "int32")

    factors = tuple(key for key in SHARED if key != "x" and key in case.tensors)
    steps = [
        Step(stage=copies, needs=("x",), compute=moved),
        Step(stage=product, needs=("x", copies), compute=wide),
    ]
    if is_wide(case.attributes):
        return steps
    own = f"{prefix}product_before_clip"
    return [
        *steps,
        Step(stage=own, needs=(product, *factors), compute=before),
        Step(
            stage=f"{prefix}product",
            needs=(own,),
            compute=lambda a, t: to_product(integers_of(a[own]), t, name),
        ),
    ]


def _given(arrays: Arrays) -> tuple[str, ...]:
    return tuple(key for key in SHARED if key in arrays)


def requantised_steps(
    case: Case,
    own: Callable[[Attributes], Attributes],
    *,
    prefix: str = "",
    suffix: str = "",
    output: str = "output",
) -> list[Step]:
    """Bias, requantisation and clip of an accumulator; ``own`` are the attributes that they see."""
    p, name = prefix, format_of(case.tensors["x"]).name
    factors = tuple(
        f"{key}{suffix}" for key in ("multiplier", "shift") if f"{key}{suffix}" in case.tensors
    )
    bias = (f"b{suffix}",) if f"b{suffix}" in case.tensors else ()

    def biased(arrays: Arrays, attributes: Attributes) -> Array:
        of = integer_accumulator(own(attributes).get("accumulator"))
        total = integers_of(arrays[f"{p}accumulator"])
        if bias:
            total = of.fit(total + integers_of(arrays[bias[0]])[:, None, None])
        return to_integers(total, of.carrier)

    def before(arrays: Arrays, attributes: Attributes) -> Array:
        tensors = {key.removesuffix(suffix): arrays[key] for key in factors}
        value = integers_of(arrays[f"{p}biased"])
        return scaled(value, tensors, own(attributes), name)["before_clip"]

    def clipped(arrays: Arrays, attributes: Attributes) -> Array:
        value = integers_of(arrays[f"{p}before_clip"])
        return clip(value, own(attributes), name)

    return [
        Step(stage=f"{p}biased", needs=(f"{p}accumulator", *bias), compute=biased),
        Step(stage=f"{p}before_clip", needs=(f"{p}biased", *factors), compute=before),
        Step(stage=output, needs=(f"{p}before_clip",), compute=clipped),
    ]


def _requantised(each: Convolution, case: Case, *, alone: bool) -> list[Step]:
    """The same after a convolution; ``alone`` is a branch that is added to another."""
    p = each.prefix

    def own(attributes: Attributes) -> Attributes:
        if not alone:
            return attributes
        return {key: value for key, value in attributes.items() if key != "clip"} | {"y_zero": 0}

    return requantised_steps(case, own, prefix=p, suffix=each.suffix, output=f"{p}output")
