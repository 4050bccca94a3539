"""Stages of the float operators, each from the ones before it."""

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes, repeated, shifted
from refimpl.bitexact.float_operators import affine_float, operand
from refimpl.bitexact.formats import Cast, cast_of, decode, encode, format_of
from refimpl.bitexact.mac import add_rounded
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, convolutions_of
from refimpl.vectors.step import Step, sum_steps
from refimpl.vectors.sums import Arrays


def float_steps(case: Case) -> list[Step]:
    """Steps of an operator in floats."""
    name = format_of(case.tensors["x"]).name
    if case.operator == "xvolution":
        return _two_branches(case, name)
    before = [] if case.operator == "conv2d" else shift_steps("", name)
    sums = [
        step
        for each in convolutions_of(case)
        for step in (
            *sum_steps(each, case),
            *output_steps(each, case, cast_of(case.attributes.get("output"), name)),
        )
    ]
    return before + sums


def _two_branches(case: Case, name: str) -> list[Step]:
    of = accumulation_of(case.attributes)
    steps = []
    for each in convolutions_of(case):
        steps += [] if each.suffix == "_c" else shift_steps(each.prefix, name)
        steps += [*sum_steps(each, case), *output_steps(each, case, of.cast)]
        steps.append(_scaled(each))

    def total(arrays: Arrays, attributes: Attributes) -> Array:
        conv, attention = (
            operand(arrays[f"{branch}_scaled"], of) for branch in ("conv", "attention")
        )
        return encode(add_rounded(conv, attention, of), cast_of(attributes.get("output"), name))

    needs = ("conv_scaled", "attention_scaled")
    return [*steps, Step(stage="output", needs=needs, compute=total)]


def shift_steps(prefix: str, name: str) -> list[Step]:
    """Shifted copies, and the product rounded once."""
    copies = f"{prefix}shifted"

    def product(arrays: Arrays, attributes: Attributes) -> Array:
        of = accumulation_of(attributes)
        here = repeated(operand(arrays["x"], of), attributes)
        exact = here * operand(arrays[copies], of)
        return encode(exact, cast_of(attributes.get("product_cast"), name))

    return [
        Step(stage=copies, needs=("x",), compute=lambda a, t: shifted(a["x"], t)),
        Step(stage=f"{prefix}product", needs=("x", copies), compute=product),
    ]


def output_steps(each: Convolution, case: Case, to: Cast) -> list[Step]:
    """The sum with its bias, where that has another format than the output; and the output."""
    p, of = each.prefix, accumulation_of(case.attributes)
    last = of.bias == "last" and each.bias in case.tensors
    bias = (each.bias,) if last else ()

    def biased(arrays: Arrays) -> Array:
        total = arrays[f"{p}accumulator"]
        if not last:
            return decode(total)
        return add_rounded(operand(total, of), operand(arrays[each.bias], of)[:, None, None], of)

    if to.format == of.format:
        return [
            Step(
                stage=f"{p}output",
                needs=(f"{p}accumulator", *bias),
                compute=lambda a, _: encode(biased(a), to),
            )
        ]
    return [
        Step(
            stage=f"{p}biased",
            needs=(f"{p}accumulator", *bias),
            compute=lambda a, t: encode(biased(a), accumulation_of(t).cast),
        ),
        Step(
            stage=f"{p}output",
            needs=(f"{p}biased",),
            compute=lambda a, _: encode(decode(a[f"{p}biased"]), to),
        ),
    ]


def _scaled(each: Convolution) -> Step:
    scale, offset, source = f"s{each.suffix}", f"t{each.suffix}", f"{each.prefix}output"
    return Step(
        stage=f"{each.prefix}scaled",
        needs=(source, scale, offset),
        compute=lambda a, t: affine_float(a[source], a[scale], a[offset], accumulation_of(t)),
    )
