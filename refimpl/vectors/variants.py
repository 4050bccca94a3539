"""Known ways in which devices deviate, as data: what is changed, and which operators it concerns.

A variant changes the attributes or the tensors of a case, or replaces one stage by another
function of the stages before it; everything after follows by the case's own steps. ``diagnose.py``
runs them and looks which one gives the device's bits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.bitexact.requantise import FORMULAS, RULES
from refimpl.vectors.case import Case, pipeline
from refimpl.vectors.convolutions import (
    Convolution,
    convolutions_of,
    geometry,
    input_of,
    padded_input,
)
from refimpl.vectors.im2col import to_columns
from refimpl.vectors.local import Arrays, steps_of

Change: TypeAlias = Callable[[Case], Case | None]
Stage: TypeAlias = Callable[[Convolution, Case, Arrays], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A deviation: a changed case, or one stage of every convolution computed otherwise.

    ``change`` returns None where the variant means nothing for a case. ``stage`` is the name of the
    replaced stage without the prefix of its branch.
    """

    name: str
    says: str
    change: Change | None = None
    stage: str = ""
    instead: Stage | None = None
    arithmetics: tuple[str, ...] = ()


def applicable(case: Case, variants: Mapping[str, Variant] | None = None) -> Iterator[Variant]:
    """The variants that mean something for a case."""
    for variant in (VARIANTS if variants is None else variants).values():
        if variant.arithmetics and case.arithmetic not in variant.arithmetics:
            continue
        if variant.change is not None and variant.change(case) is None:
            continue
        if variant.instead is not None and not _has(case, variant.stage):
            continue
        yield variant


def run(variant: Variant, case: Case) -> dict[str, Array]:
    """Every stage of the case as a device with this deviation computes it."""
    changed = case if variant.change is None else variant.change(case)
    if changed is None:
        raise ValueError(f"variant {variant.name} must mean something for case {case.id}")
    steps = steps_of(changed)
    if not steps:
        return dict(pipeline(changed))
    replaced = {
        f"{each.prefix}{variant.stage}": each
        for each in convolutions_of(case)
        if variant.instead is not None
    }
    arrays: dict[str, Array] = dict(changed.tensors)
    for stage, step in steps.items():
        own = replaced.get(stage)
        if own is not None and variant.instead is not None:
            arrays[stage] = variant.instead(own, changed, arrays)
        else:
            arrays[stage] = step.compute(arrays, changed.attributes)
    return {stage: arrays[stage] for stage in steps}


def _has(case: Case, stage: str) -> bool:
    steps = steps_of(case)
    return any(f"{each.prefix}{stage}" in steps for each in convolutions_of(case))


def _attributes(**values: Any) -> Change:
    """Other attributes, where the case has them and they differ."""

    def change(case: Case) -> Case | None:
        known = {key: value for key, value in values.items() if key in case.attributes}
        if not known or all(case.attributes[key] == value for key, value in known.items()):
            return None
        return replace(case, attributes={**case.attributes, **known})

    return change


def _kernels(turn: Callable[[Array], Array]) -> Change:
    """Other kernels, where turning them changes any."""

    def change(case: Case) -> Case | None:
        names = [each.kernels for each in convolutions_of(case)]
        turned = {name: turn(case.tensors[name]) for name in names}
        same = (
            each.shape != case.tensors[name].shape or np.array_equal(each, case.tensors[name])
            for name, each in turned.items()
        )
        if not names or all(same):
            return None
        return replace(case, tensors={**case.tensors, **turned})

    return change


def _without_bias(case: Case) -> Case | None:
    names = [each.bias for each in convolutions_of(case) if each.bias in case.tensors]
    if not any(case.tensors[name].any() for name in names):
        return None
    return replace(
        case,
        tensors={**case.tensors, **{name: np.zeros_like(case.tensors[name]) for name in names}},
    )


def _opposite_directions(case: Case) -> Case | None:
    if "directions" not in case.attributes:
        return None
    directions = [[-down, -right] for down, right in case.attributes["directions"]]
    if directions == case.attributes["directions"]:
        return None
    return replace(case, attributes={**case.attributes, "directions": directions})


def _other_order(case: Case) -> Case | None:
    if "order" not in case.attributes:
        return None
    order = "uvc" if case.attributes["order"] == "cuv" else "cuv"
    return replace(case, attributes={**case.attributes, "order": order})


def _other_boundary(case: Case) -> Case | None:
    if "boundary" not in case.attributes:
        return None
    other = "zero" if case.attributes["boundary"] == "circular" else "circular"
    return replace(case, attributes={**case.attributes, "boundary": other})


def _raw_zero_padding(each: Convolution, case: Case, arrays: Arrays) -> Array:
    """Padding that holds the stored number 0, not the zero point."""
    right = padded_input(each, arrays, case.attributes)
    top, left = geometry(each, arrays, case.attributes).padding
    x = input_of(each, arrays)
    wrong = np.zeros_like(right)
    wrong[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    return wrong


def _narrow(bits: int) -> Stage:
    """An accumulator of fewer bits, which wraps."""

    def accumulator(each: Convolution, case: Case, arrays: Arrays) -> Array:
        right = steps_of(case)[f"{each.prefix}accumulator"].compute(arrays, case.attributes)
        half = np.int64(1) << (bits - 1)
        return (((right.astype(np.int64) + half) & (2 * half - 1)) - half).astype(right.dtype)

    return accumulator


def _wrapped_output(each: Convolution, _: Case, arrays: Arrays) -> Array:
    """No saturation: the low eight bits."""
    return np.asarray(arrays[f"{each.prefix}before_clip"].astype(np.int8))


def _symmetric_output(each: Convolution, _: Case, arrays: Arrays) -> Array:
    return np.clip(arrays[f"{each.prefix}before_clip"], -127, 127).astype(np.int8)


def _summed(
    product: Callable[[Array], Array] = lambda exact: exact,
    accumulator: Callable[[Array], Array] = lambda total: total,
    *,
    backwards: bool = False,
) -> Stage:
    """A sequential sum whose products and accumulator pass through other roundings."""

    def accumulate(each: Convolution, case: Case, arrays: Arrays) -> Array:
        order, groups = case.attributes.get("order", "cuv"), groups_of(case.attributes)
        where = geometry(each, arrays, case.attributes)
        bias = np.zeros(len(arrays[each.kernels]), np.float32)
        if case.attributes.get("bias_at") == "first" and each.bias in arrays:
            bias = arrays[each.bias]
        split = (
            np.split(arrays[each.kernels], groups),
            np.split(bias, groups),
            np.split(arrays[f"{each.prefix}padded"], groups, axis=1),
        )
        parts = []
        for w, start, padded in zip(*split, strict=True):
            rows = (w if order == "cuv" else w.transpose(0, 2, 3, 1)).reshape(len(w), -1)
            columns = to_columns(padded, where, order)
            total = np.zeros((len(columns), len(rows), columns.shape[2]), np.float32)
            total += start[:, None]
            taps = range(rows.shape[1])
            for k in reversed(taps) if backwards else taps:
                exact = rows[:, k, None] * columns[:, None, k]
                total = accumulator(total + product(exact)).astype(np.float32)
            parts.append(total)
        shape = (len(parts[0]), len(bias), *where.output)
        return np.concatenate(parts, axis=1).reshape(shape)

    return accumulate


def _through(kind: Any) -> Callable[[Array], Array]:
    def rounded(values: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(values.astype(kind).astype(np.float32))

    return rounded


def _listed() -> Iterator[Variant]:
    for rule in RULES:
        yield Variant(
            name=f"rounding-{rule.replace('_', '-')}",
            says=f"rounds by {rule}: {FORMULAS[rule]}",
            change=_attributes(rounding=rule),
        )
    for letter, what in (("x", "input"), ("t", "shift product"), ("y", "output")):
        yield Variant(
            name=f"no-{letter}-zero",
            says=f"leaves out the zero point of the {what}",
            change=_attributes(**{f"{letter}_zero": 0}),
        )
    yield Variant(name="no-bias", says="leaves out the bias", change=_without_bias)
    yield Variant(
        name="kernel-rotated",
        says="reads the taps of each kernel backwards (a true convolution)",
        change=_kernels(lambda w: w[:, :, ::-1, ::-1]),
    )
    yield Variant(
        name="kernel-transposed",
        says="swaps rows and columns of each kernel",
        change=_kernels(lambda w: w.swapaxes(2, 3)),
    )
    yield Variant(
        name="kernel-mirrored",
        says="swaps left and right taps of each kernel",
        change=_kernels(lambda w: w[:, :, :, ::-1]),
    )
    yield Variant(
        name="input-channels-reversed",
        says="meets the input channels in reverse order",
        change=_kernels(lambda w: w[:, ::-1]),
    )
    yield Variant(
        name="shift-direction",
        says="shifts in the opposite directions",
        change=_opposite_directions,
    )
    yield Variant(
        name="shift-boundary",
        says="wraps where it must read zero, or reads zero where it must wrap",
        change=_other_boundary,
    )
    yield Variant(
        name="padding-raw-zero",
        says="pads with the stored number 0 instead of the zero point",
        stage="padded",
        instead=_raw_zero_padding,
        arithmetics=("int8",),
    )
    for bits in (16, 20, 24):
        yield Variant(
            name=f"accumulator-{bits}-bits",
            says=f"has an accumulator of {bits} bits that wraps",
            stage="accumulator",
            instead=_narrow(bits),
            arithmetics=("int8",),
        )
    yield Variant(
        name="no-saturation",
        says="keeps the low eight bits instead of saturating",
        stage="output",
        instead=_wrapped_output,
        arithmetics=("int8",),
    )
    yield Variant(
        name="symmetric-saturation",
        says="saturates at -127 instead of -128",
        stage="output",
        instead=_symmetric_output,
        arithmetics=("int8",),
    )
    yield Variant(
        name="other-loop-order",
        says="sums in the other loop order (cuv for uvc)",
        change=_other_order,
        arithmetics=("fp32",),
    )
    yield Variant(
        name="bias-first", says="adds the bias first", change=_attributes(bias_at="first")
    )
    yield Variant(name="bias-last", says="adds the bias last", change=_attributes(bias_at="last"))
    for name, says, stage in (
        ("order-reversed", "sums from the last tap to the first", _summed(backwards=True)),
        ("products-fp16", "rounds products to fp16", _summed(_through(np.float16))),
        ("products-bf16", "rounds products to bf16", _summed(_through(ml_dtypes.bfloat16))),
        (
            "accumulator-fp16",
            "has an fp16 accumulator",
            _summed(accumulator=_through(np.float16)),
        ),
        (
            "accumulator-bf16",
            "has a bf16 accumulator",
            _summed(accumulator=_through(ml_dtypes.bfloat16)),
        ),
    ):
        yield Variant(
            name=name, says=says, stage="accumulator", instead=stage, arithmetics=("fp32",)
        )


VARIANTS = {each.name: each for each in _listed()}
