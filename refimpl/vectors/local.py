"""Each stage judged by itself: recomputed from what the device left of the stages before it.

One early deviation spoils every later stage; judged locally, only the stage that erred is wrong. A
step says which arrays a stage is computed of; ``recompute`` runs the one step on the device's own
arrays. The steps of an operator in turn are its pipeline: a test holds one against the other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows
from refimpl.bitexact.operators import PIPELINES, affine_fp32, shift_product_fp32
from refimpl.bitexact.requantise import Factor, requantise, saturate
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import (
    Convolution,
    convolutions_of,
    geometry,
    padded_input,
    zeros_of,
)
from refimpl.vectors.im2col import to_columns

Arrays: TypeAlias = Mapping[str, Array]
Attributes: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage, the arrays it is computed of, and the computation."""

    stage: str
    needs: tuple[str, ...]
    compute: Callable[[Arrays, Attributes], Array]


def steps_of(case: Case) -> dict[str, Step]:
    """Steps of a case by the stage they compute; empty where an operator has none."""
    make = STEPS.get((case.operator, case.arithmetic))
    steps = [] if make is None else make(case)
    return {step.stage: step for step in steps}


class Local(NamedTuple):
    """A stage recomputed, and which of the device's own stages it was computed of."""

    array: Array
    given: tuple[str, ...]


def recompute(stage: str, device: Arrays, case: Case) -> Local:
    """The stage as it must be, given what the device left before it.

    Where the device left out a stage, it is computed of the one before, and so back to the inputs.
    """
    steps, given = steps_of(case), [name for name in case.tensors if name in device]
    known = {**case.tensors, **{name: device[name] for name in given}}

    def have(name: str) -> None:
        if name in known:
            return
        if name in device:
            known[name] = device[name]
            given.append(name)
            return
        step = steps[name]
        for each in step.needs:
            have(each)
        known[name] = step.compute(known, case.attributes)

    for each in steps[stage].needs:
        have(each)
    return Local(steps[stage].compute(known, case.attributes), tuple(given))


def _shift_int8(prefix: str) -> list[Step]:
    def again(arrays: Arrays, attributes: Attributes, name: str) -> Array:
        return PIPELINES["shift_product", "int8"](_named(arrays), attributes)[name]

    def wide(arrays: Arrays, attributes: Attributes) -> Array:
        zero = attributes["x_zero"]
        centred = arrays["x"].astype(np.int32) - zero
        shifted = arrays[f"{prefix}shifted"].astype(np.int32) - zero
        return np.tile(centred, (1, len(attributes["directions"]), 1, 1)) * shifted

    def before(arrays: Arrays, attributes: Attributes) -> Array:
        factor = Factor(arrays["t_multiplier"], arrays["t_shift"])
        rounding, zero = attributes["rounding"], attributes["t_zero"]
        product = arrays[f"{prefix}wide_product"]
        return requantise(product, factor, rounding=rounding, zero_point=zero).astype(np.int32)

    return [
        Step(stage=f"{prefix}shifted", needs=("x",), compute=lambda a, t: again(a, t, "shifted")),
        Step(stage=f"{prefix}wide_product", needs=("x", f"{prefix}shifted"), compute=wide),
        Step(
            stage=f"{prefix}product_before_clip",
            needs=(f"{prefix}wide_product", "t_multiplier", "t_shift"),
            compute=before,
        ),
        Step(
            stage=f"{prefix}product",
            needs=(f"{prefix}product_before_clip",),
            compute=lambda a, _: saturate(a[f"{prefix}product_before_clip"]),
        ),
    ]


def _shift_fp32(prefix: str) -> list[Step]:
    def product(arrays: Arrays, attributes: Attributes) -> Array:
        copies = (1, len(attributes["directions"]), 1, 1)
        return np.tile(arrays["x"], copies) * arrays[f"{prefix}shifted"]

    return [
        Step(
            stage=f"{prefix}shifted",
            needs=("x",),
            compute=lambda a, t: shift_product_fp32({"x": a["x"]}, t)["shifted"],
        ),
        Step(stage=f"{prefix}product", needs=("x", f"{prefix}shifted"), compute=product),
    ]


def _sums(each: Convolution, case: Case) -> list[Step]:
    """Padded input, columns, partial sums and accumulator of a convolution."""
    p, attributes = each.prefix, case.attributes
    weights = (each.kernels, *((each.bias,) if each.bias in case.tensors else ()))
    needs = (*each.sources, *weights)
    steps = [
        Step(stage=f"{p}padded", needs=needs, compute=lambda a, t: padded_input(each, a, t)),
    ]
    source = f"{p}padded"
    if "im2col" in attributes:
        source = f"{p}columns"
        steps.append(
            Step(
                stage=source,
                needs=(f"{p}padded", *needs),
                compute=lambda a, t: to_columns(a[f"{p}padded"], geometry(each, a, t), t["im2col"]),
            )
        )
    if "k_tile" in attributes:
        tiles = f"{p}partial_sums"
        steps.append(
            Step(
                stage=tiles,
                needs=(source, *needs),
                compute=lambda a, _: np.stack(list(_tiles(each, case, a, source))),
            )
        )
        return [
            *steps,
            Step(stage=f"{p}accumulator", needs=(tiles,), compute=lambda a, _: a[tiles][-1]),
        ]
    accumulate = Step(
        stage=f"{p}accumulator",
        needs=(source, *needs),
        compute=lambda a, _: _accumulated(each, case, *_rows_columns(each, a, case, source), a),
    )
    return [*steps, accumulate]


def _rows_columns(
    each: Convolution, arrays: Arrays, case: Case, source: str
) -> tuple[Array, Array]:
    """Kernels (o, k) and what the device gathered for them (n, k, outputs), in declared order."""
    order = case.attributes.get("order", "cuv")
    rows = kernel_rows(arrays[each.kernels], order)
    if not source.endswith("columns"):
        return rows, to_columns(arrays[source], geometry(each, arrays, case.attributes), order)
    columns, of = arrays[source], case.attributes["im2col"]
    channels, taps = arrays[each.kernels].shape[1], prod(arrays[each.kernels].shape[2:])
    if of == order:
        return rows, columns
    split = (channels, taps) if of == "cuv" else (taps, channels)
    turned = columns.reshape(len(columns), *split, -1).swapaxes(1, 2)
    return rows, turned.reshape(columns.shape)


def _tiles(each: Convolution, case: Case, arrays: Arrays, source: str) -> Iterator[Array]:
    """The accumulator after each K tile."""
    rows, columns = _rows_columns(each, arrays, case, source)
    size = case.attributes["k_tile"]
    for end in (*range(size, rows.shape[1], size), rows.shape[1]):
        yield _accumulated(each, case, rows[:, :end], columns[:, :end], arrays)


def _accumulated(
    each: Convolution, case: Case, rows: Array, columns: Array, arrays: Arrays
) -> Array:
    """The accumulator of gathered columns: a 1×1 convolution over as many channels as taps."""
    zeros = _tap_zeros(each, arrays, case.attributes)[: rows.shape[1]]
    tensors = {"w": rows[:, :, None, None], "x": columns[:, :, None, :]}
    bare = {**case.attributes, "padding": [0, 0], "stride": [1, 1], "dilation": [1, 1]}
    if each.bias in arrays:
        tensors["b"] = arrays[each.bias]
    if case.arithmetic == "int8":
        tensors |= {
            "x": tensors["x"].astype(np.int32) - zeros.astype(np.int32)[:, None, None],
            "multiplier": arrays[f"multiplier{each.suffix}"],
            "shift": arrays[f"shift{each.suffix}"],
        }
        bare |= {"x_zero": 0, "y_zero": 0}
    sums = PIPELINES["conv2d", case.arithmetic](tensors, bare)["accumulator"]
    output = geometry(each, arrays, case.attributes).output
    return sums.reshape(len(columns), len(rows), *output)


def _tap_zeros(each: Convolution, arrays: Arrays, attributes: Attributes) -> Array:
    """Zero point of each tap, in the declared order."""
    zeros = zeros_of(each, arrays, attributes)
    taps = prod(arrays[each.kernels].shape[2:])
    channels_outside = attributes.get("order", "cuv") == "cuv"
    return np.repeat(zeros, taps) if channels_outside else np.tile(zeros, taps)


def _requantised(each: Convolution, zero: Callable[[Attributes], int]) -> list[Step]:
    p = each.prefix

    def biased(arrays: Arrays, _: Attributes) -> Array:
        wide = arrays[f"{p}accumulator"].astype(np.int64)
        return (wide + arrays[each.bias].astype(np.int64)[:, None, None]).astype(np.int32)

    def before(arrays: Arrays, attributes: Attributes) -> Array:
        factor = Factor(arrays[f"multiplier{each.suffix}"], arrays[f"shift{each.suffix}"])
        rounding, y_zero = attributes["rounding"], zero(attributes)
        value = requantise(arrays[f"{p}biased"], factor, rounding=rounding, zero_point=y_zero)
        return np.clip(value, -(2**31), 2**31 - 1).astype(np.int32)

    return [
        Step(stage=f"{p}biased", needs=(f"{p}accumulator", each.bias), compute=biased),
        Step(
            stage=f"{p}before_clip",
            needs=(f"{p}biased", f"multiplier{each.suffix}", f"shift{each.suffix}"),
            compute=before,
        ),
        Step(
            stage=f"{p}output",
            needs=(f"{p}before_clip",),
            compute=lambda a, _: saturate(a[f"{p}before_clip"]),
        ),
    ]


def _biased_fp32(each: Convolution, case: Case) -> list[Step]:
    p, last = each.prefix, case.attributes.get("bias_at", "last") == "last"

    def output(arrays: Arrays, _: Attributes) -> Array:
        total = arrays[f"{p}accumulator"]
        return total + arrays[each.bias][:, None, None] if last and each.bias in arrays else total

    bias = (each.bias,) if last and each.bias in case.tensors else ()
    return [Step(stage=f"{p}output", needs=(f"{p}accumulator", *bias), compute=output)]


def _own_zero(attributes: Attributes) -> int:
    return int(attributes["y_zero"])


def _branch_zero(_: Attributes) -> int:
    return 0


def _conv_steps(case: Case) -> list[Step]:
    """Steps of the operators that end with one convolution."""
    (each,) = convolutions_of(case.operator)
    shift = _shift_int8 if case.arithmetic == "int8" else _shift_fp32
    before = [] if case.operator == "conv2d" else shift("")
    after = _requantised(each, _own_zero) if case.arithmetic == "int8" else _biased_fp32(each, case)
    return before + _sums(each, case) + after


def _xvolution_steps(case: Case) -> list[Step]:
    conv, attention = convolutions_of("xvolution")
    integer = case.arithmetic == "int8"
    shift = (_shift_int8 if integer else _shift_fp32)("attention_")
    steps = []
    for each, before in ((conv, []), (attention, shift)):
        fp32 = [*_biased_fp32(each, case), _scaled(each)]
        after = _requantised(each, _branch_zero) if integer else fp32
        steps += before + _sums(each, case) + after
    return steps + (_sum_int8() if integer else [_SUM_FP32])


def _sum_int8() -> list[Step]:
    def total(arrays: Arrays, attributes: Attributes) -> Array:
        conv, attention = (arrays[f"{of}_output"].astype(np.int32) for of in ("conv", "attention"))
        return conv + attention + np.int32(attributes["y_zero"])

    return [
        Step(stage="before_clip", needs=("conv_output", "attention_output"), compute=total),
        Step(
            stage="output",
            needs=("before_clip",),
            compute=lambda arrays, _: saturate(arrays["before_clip"]),
        ),
    ]


def _scaled(each: Convolution) -> Step:
    scale, offset = f"s{each.suffix}", f"t{each.suffix}"
    return Step(
        stage=f"{each.prefix}scaled",
        needs=(f"{each.prefix}output", scale, offset),
        compute=lambda a, _: affine_fp32(a[f"{each.prefix}output"], a[scale], a[offset]),
    )


_SUM_FP32 = Step(
    stage="output",
    needs=("conv_scaled", "attention_scaled"),
    compute=lambda a, _: a["conv_scaled"] + a["attention_scaled"],
)


def _shift_steps(case: Case) -> list[Step]:
    return _shift_int8("") if case.arithmetic == "int8" else _shift_fp32("")


def _named(arrays: Arrays) -> Arrays:
    return {name: arrays[name] for name in ("x", "t_multiplier", "t_shift")}


STEPS: dict[tuple[str, str], Callable[[Case], list[Step]]] = {
    (operator, arithmetic): make
    for arithmetic in ("int8", "fp32")
    for operator, make in (
        ("conv2d", _conv_steps),
        ("shift_product", _shift_steps),
        ("pssa", _conv_steps),
        ("xvolution", _xvolution_steps),
        ("xvolution_fused", _conv_steps),
    )
}
