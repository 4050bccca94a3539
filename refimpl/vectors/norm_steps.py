"""Stages of batch normalisation and of X-volution in training, each from the ones before it."""

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.float_operators import operand, rounded
from refimpl.bitexact.formats import (
    Cast,
    cast_of,
    encode,
    format_of,
    integers_of,
    to_integers,
)
from refimpl.bitexact.integer_operators import centre, clip
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.mac import add_rounded
from refimpl.bitexact.normalisation import (
    batch_mean,
    batch_variance,
    eps_of,
    inverse_root,
    rsqrt_of,
)
from refimpl.bitexact.training_integer import (
    dequantised,
    scaled_sum,
    statistics_of,
    sum_before_clip,
)
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, convolutions_of
from refimpl.vectors.float_steps import output_steps, shift_steps
from refimpl.vectors.integer_steps import requantised_steps
from refimpl.vectors.integer_steps import shift_steps as integer_shift_steps
from refimpl.vectors.step import Step, sum_steps
from refimpl.vectors.sums import Arrays, is_integer


def norm_steps(case: Case) -> list[Step]:
    """Steps of batch normalisation."""
    if is_integer(case):
        return _integer_norm(case)
    name = format_of(case.tensors["x"]).name
    batch = case.attributes.get("statistics", "given") == "batch"
    to = cast_of(case.attributes.get("output"), name)
    return _float_norm(case, "x", to, batch=batch)


def training_steps(case: Case) -> list[Step]:
    """Steps of X-volution's training form: each branch normalised by its own batch, then added."""
    if is_integer(case):
        return _integer_training(case)
    of = accumulation_of(case.attributes)
    name = format_of(case.tensors["x"]).name
    wide = cast_of({"format": of.format}, name)
    steps = []
    for each in convolutions_of(case):
        steps += [] if each.suffix == "_c" else shift_steps(each.prefix, name)
        steps += [*sum_steps(each, case), *output_steps(each, case, wide)]
        source, p = f"{each.prefix}output", f"{each.prefix}norm_"
        steps += _float_norm(case, source, wide, batch=True, prefix=p, suffix=each.suffix)

    def total(arrays: Arrays, attributes: Attributes) -> Array:
        conv, attention = (operand(arrays[each], of) for each in needs)
        return encode(add_rounded(conv, attention, of), cast_of(attributes.get("output"), name))

    needs = ("conv_norm_output", "attention_norm_output")
    return [*steps, Step(stage="output", needs=needs, compute=total)]


def _float_norm(
    case: Case, source: str, to: Cast, *, batch: bool, prefix: str = "", suffix: str = ""
) -> list[Step]:
    of = accumulation_of(case.attributes, "accumulation_statistics", loops="nij")
    p = prefix
    mean, variance = (f"{p}mean", f"{p}var") if batch else (f"mean{suffix}", f"var{suffix}")
    gamma, beta = f"gamma{suffix}", f"beta{suffix}"
    rsqrt = rsqrt_of(case.attributes, of)
    table = f"{rsqrt.entries}{suffix}"

    def raised(a: Arrays, t: Attributes) -> Array:
        return rounded(add_rounded(operand(a[variance], of), eps_of(t, of), of), of)

    def inverse(a: Arrays, t: Attributes) -> Array:
        entries = {rsqrt.entries: a[table]} if rsqrt.entries else {}
        return inverse_root(a[f"{p}shifted_variance"], entries, t, of)

    def factor(a: Arrays, _: Attributes) -> Array:
        return rounded(operand(a[gamma], of) * operand(a[f"{p}inverse"], of), of)

    def centred(a: Arrays, _: Attributes) -> Array:
        mine = -operand(a[mean], of)[:, None, None]
        return rounded(add_rounded(operand(a[source], of), mine, of), of)

    def scaled(a: Arrays, _: Attributes) -> Array:
        factor = operand(a[f"{p}factor"], of)[:, None, None]
        return rounded(operand(a[f"{p}centred"], of) * factor, of)

    def output(a: Arrays, _: Attributes) -> Array:
        offset = operand(a[beta], of)[:, None, None]
        return encode(add_rounded(operand(a[f"{p}scaled"], of), offset, of), to)

    return [
        *(_statistics(p, source, of) if batch else []),
        Step(stage=f"{p}shifted_variance", needs=(variance,), compute=raised),
        Step(
            stage=f"{p}inverse",
            needs=(f"{p}shifted_variance", *((table,) if rsqrt.entries else ())),
            compute=inverse,
        ),
        Step(
            stage=f"{p}factor",
            needs=(gamma, f"{p}inverse"),
            compute=factor,
        ),
        Step(stage=f"{p}centred", needs=(source, mean), compute=centred),
        Step(stage=f"{p}scaled", needs=(f"{p}centred", f"{p}factor"), compute=scaled),
        Step(stage=f"{p}output", needs=(f"{p}scaled", beta), compute=output),
    ]


def _statistics(p: str, source: str, of: Accumulation) -> list[Step]:
    """Mean and variance of the batch; the variance about the device's own mean."""

    def mean(a: Arrays, _: Attributes) -> Array:
        return batch_mean(operand(a[source], of), of)

    def variance(a: Arrays, _: Attributes) -> Array:
        return batch_variance(operand(a[source], of), a[f"{p}mean"], of)

    return [
        Step(stage=f"{p}mean", needs=(source,), compute=mean),
        Step(stage=f"{p}var", needs=(source, f"{p}mean"), compute=variance),
    ]


def _integer_norm(case: Case) -> list[Step]:
    def accumulator(a: Arrays, t: Attributes) -> Array:
        of = integer_accumulator(t.get("accumulator"))
        gain = integers_of(a["g"])[:, None, None]
        return to_integers(of.fit(centre(a["x"], t["x_zero"]) * gain), of.carrier)

    return [
        Step(stage="accumulator", needs=("x", "g"), compute=accumulator),
        *requantised_steps(case, lambda attributes: attributes),
    ]


def _integer_training(case: Case) -> list[Step]:
    """Integer sums, then the statistics of their batch in floats."""
    of, name = statistics_of(case.attributes), format_of(case.tensors["x"]).name
    wide = cast_of({"format": of.format}, name)
    steps = []
    for each in convolutions_of(case):
        steps += [] if each.suffix == "_c" else integer_shift_steps(each.prefix, case)
        steps += [*sum_steps(each, case), _dequantised(each, of)]
        source, p = f"{each.prefix}dequantised", f"{each.prefix}norm_"
        steps += _float_norm(case, source, wide, batch=True, prefix=p, suffix=each.suffix)
    return [*steps, *_requantised_sum(of, name)]


def _dequantised(each: Convolution, of: Accumulation) -> Step:
    total, scale = f"{each.prefix}accumulator", f"scale{each.suffix}"
    return Step(
        stage=f"{each.prefix}dequantised",
        needs=(total, scale),
        compute=lambda a, _: dequantised(a[total], a[scale], of),
    )


def _requantised_sum(of: Accumulation, name: str) -> list[Step]:
    needs = ("conv_norm_output", "attention_norm_output")

    def total(a: Arrays, _: Attributes) -> Array:
        conv, attention = (operand(a[each], of) for each in needs)
        return rounded(add_rounded(conv, attention, of), of)

    return [
        Step(stage="sum", needs=needs, compute=total),
        Step(stage="scaled_sum", needs=("sum",), compute=lambda a, t: scaled_sum(a["sum"], t)),
        Step(
            stage="before_clip",
            needs=("scaled_sum",),
            compute=lambda a, t: sum_before_clip(a["scaled_sum"], t),
        ),
        Step(
            stage="output",
            needs=("before_clip",),
            compute=lambda a, t: clip(integers_of(a["before_clip"]), t, name),
        ),
    ]
