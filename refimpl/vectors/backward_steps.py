"""Stages of the gradients, each from the ones before it: of conv2d, PSSA and X-volution."""

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.backward_float import (
    channel_sums,
    input_gradient,
    through_product,
    weight_gradients,
)
from refimpl.bitexact.call import Attributes, branch, repeated
from refimpl.bitexact.float_operators import conv2d_float, operand, pssa_float, rounded
from refimpl.bitexact.formats import cast_of, encode, format_of
from refimpl.bitexact.mac import add_rounded
from refimpl.vectors.case import Case
from refimpl.vectors.float_steps import shift_steps
from refimpl.vectors.integer_backward_steps import integer_backward_steps
from refimpl.vectors.step import Step
from refimpl.vectors.sums import Arrays, is_integer

SHARES = ("x", "dy")  # what both branches of X-volution read


def backward_steps(case: Case) -> list[Step]:
    """Steps of a gradient."""
    if is_integer(case):
        return integer_backward_steps(case)
    if case.operator == "xvolution_backward":
        return _two_branches(case)
    name = format_of(case.tensors["x"]).name
    if case.operator == "pssa_backward":
        return _through_pssa(case, to=name)
    return _through_conv2d(case, to=name)


def _through_conv2d(
    case: Case, *, to: str, prefix: str = "", suffix: str = "", upstream: str = "dy"
) -> list[Step]:
    w, attributes = f"w{suffix}", _cast_dx(case, prefix)

    def image(a: Arrays, _: Attributes) -> Array:
        return input_gradient(a[upstream], a["x"], a[w], attributes, to)

    needs = (upstream, "x", w)
    return [
        *_of_weights(needs, prefix),
        Step(stage=f"{prefix}dx", needs=needs, compute=image),
    ]


def _through_pssa(
    case: Case, *, to: str, prefix: str = "", suffix: str = "", upstream: str = "dy"
) -> list[Step]:
    w, attributes = f"w{suffix}", _cast_dx(case, prefix)
    of = accumulation_of(attributes, "accumulation_dx", loops="ouv")
    product, spread = f"{prefix}product", f"{prefix}dproduct"

    def of_product(a: Arrays, t: Attributes) -> Array:
        return input_gradient(a[upstream], repeated(a["x"], t), a[w], t, of.format, "dproduct")

    def image(a: Arrays, _: Attributes) -> Array:
        total = through_product(operand(a[spread], of), operand(a["x"], of), attributes, of)
        return encode(total, cast_of(attributes.get("dx"), to))

    return [
        *shift_steps(prefix, format_of(case.tensors["x"]).name),
        *_of_weights((upstream, product, w), prefix),
        Step(stage=spread, needs=(upstream, "x", w), compute=of_product),
        Step(stage=f"{prefix}dx", needs=(spread, "x"), compute=image),
    ]


def _of_weights(needs: tuple[str, str, str], prefix: str) -> list[Step]:
    """Gradients of kernels and bias, from the upstream gradient and what was convolved."""
    upstream, seen, w = needs

    def kernels(a: Arrays, t: Attributes) -> Array:
        return weight_gradients(a[upstream], a[seen], a[w], t)["dw"]

    def bias(a: Arrays, t: Attributes) -> Array:
        return weight_gradients(a[upstream], a[seen], a[w], t)["db"]

    return [
        Step(stage=f"{prefix}dw", needs=needs, compute=kernels),
        Step(stage=f"{prefix}db", needs=needs, compute=bias),
    ]


def _cast_dx(case: Case, prefix: str) -> Attributes:
    """A branch's dx stays in the accumulator's format: it is added to the other's."""
    if not prefix:
        return case.attributes
    of = accumulation_of(case.attributes, "accumulation_dx", loops="ouv")
    return {**case.attributes, "dx": {"format": of.format}}


def _two_branches(case: Case) -> list[Step]:
    of = accumulation_of(case.attributes, "accumulation_dx", loops="ouv")
    name = format_of(case.tensors["x"]).name

    def total(a: Arrays, t: Attributes) -> Array:
        both = add_rounded(operand(a["conv_dx"], of), operand(a["attention_dx"], of), of)
        return encode(both, cast_of(t.get("dx"), name))

    return [
        *_branch(case, "conv_", "_c"),
        *_branch(case, "attention_", "_a"),
        Step(stage="dx", needs=("conv_dx", "attention_dx"), compute=total),
    ]


def _branch(case: Case, p: str, suffix: str) -> list[Step]:
    of = accumulation_of(case.attributes, "accumulation_dx", loops="ouv")
    sums = accumulation_of(case.attributes, "accumulation_dw", loops="nij")
    run, back = {
        "_c": (conv2d_float, _through_conv2d),
        "_a": (pssa_float, _through_pssa),
    }[suffix]
    s, own = (
        f"s{suffix}",
        tuple(f"{key}{suffix}" for key in "wb" if f"{key}{suffix}" in case.tensors),
    )

    def output(a: Arrays, t: Attributes) -> Array:
        forward = {**t, "output": {"format": accumulation_of(t).format}}
        return run(branch(a, suffix[1:], SHARES), forward)["output"]

    def scale(a: Arrays, t: Attributes) -> Array:
        return channel_sums(a["dy"], a[f"{p}output"], t, sums)

    def upstream(a: Arrays, _: Attributes) -> Array:
        return rounded(operand(a["dy"], of) * operand(a[s], of)[:, None, None], of)

    return [
        Step(stage=f"{p}output", needs=("x", *own), compute=output),
        Step(stage=f"{p}ds", needs=("dy", f"{p}output"), compute=scale),
        Step(
            stage=f"{p}dt",
            needs=("dy",),
            compute=lambda a, t: channel_sums(a["dy"], None, t, sums),
        ),
        Step(stage=f"{p}upstream", needs=("dy", s), compute=upstream),
        *back(case, to=of.format, prefix=p, suffix=suffix, upstream=f"{p}upstream"),
    ]
