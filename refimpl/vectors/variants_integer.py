"""Known deviations in integers: rounding rules, zero points in one place, widths, saturation."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.formats import format_of, integers_of, to_integers
from refimpl.bitexact.integer_sum import integer_accumulator
from refimpl.bitexact.requantise import (
    FLOAT_RULE,
    FORMULAS,
    INT8,
    ROUNDINGS,
    Factor,
    fixed_point,
)
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, geometry, input_of, padded_input
from refimpl.vectors.declare_tensors import narrowed, with_scales
from refimpl.vectors.local import Arrays, steps_of
from refimpl.vectors.step import Compute
from refimpl.vectors.variant import (
    INTEGERS,
    SUMS,
    Otherwise,
    Variant,
    after,
    attributes,
    convolving,
    only,
)

WIDTHS = (12, 16, 20, 24, 32, 40)
ADDED = rf"({SUMS})|[qkv]_accumulator|scores|context|.*d[wbst]|.*_accumulator"
PRODUCTS = ("product", "attention_product")
BRANCHES = ("conv_output", "attention_output")


def integer_variants() -> Iterator[Variant]:
    """Every known deviation of an integer device."""
    for rule in ROUNDINGS:
        yield Variant(
            name=f"rounding-{rule.replace('_', '-')}",
            says=f"rounds by {rule}: {FORMULAS[rule]}",
            change=partial(_other_rule, rule),
            arithmetics=INTEGERS,
        )
    for letter, what in (("x", "input"), ("t", "shift product")):
        yield Variant(
            name=f"{letter}-zero-not-subtracted",
            says=f"pads with the zero point of the {what}, and multiplies without taking it off",
            otherwise=only(SUMS, attributes(**{f"{letter}_zero": 0})),
            arithmetics=INTEGERS,
        )
    yield Variant(
        name="shift-zero-not-subtracted",
        says="multiplies shifted pixels without taking their zero point off",
        otherwise=only(r"(attention_)?wide_product", attributes(x_zero=0)),
        arithmetics=INTEGERS,
    )
    yield Variant(
        name="padding-raw-zero",
        says="pads with the stored number 0 instead of the zero point",
        otherwise=convolving("padded", _raw_zero_padding),
        arithmetics=INTEGERS,
    )
    for bits in WIDTHS:
        yield Variant(
            name=f"accumulator-{bits}-bits",
            says=f"has an accumulator of {bits} bits that wraps",
            otherwise=_narrower(bits),
            arithmetics=INTEGERS,
        )
    yield Variant(
        name="accumulator-other-overflow",
        says="wraps where an accumulator must saturate, or saturates where it must wrap",
        change=_other_overflow,
        arithmetics=INTEGERS,
    )
    for name, says, which in _SATURATING:
        yield Variant(
            name=name, says=says, otherwise=_saturated(_wrapped, which), arithmetics=INTEGERS
        )
    yield Variant(
        name="symmetric-saturation",
        says="saturates at the negative of the largest number, one above the smallest",
        otherwise=_saturated(_symmetric, lambda stage: stage not in PRODUCTS),
        arithmetics=INTEGERS,
    )


_SATURATING: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (
        "no-saturation",
        "keeps the low bits of outputs instead of saturating",
        lambda stage: stage not in PRODUCTS,
    ),
    (
        "product-no-saturation",
        "keeps the low bits of shift products instead of saturating",
        lambda stage: stage in PRODUCTS,
    ),
    (
        "branches-no-saturation",
        "keeps the low bits of each branch instead of saturating it before the sum",
        lambda stage: stage in BRANCHES,
    ),
    (
        "last-no-saturation",
        "keeps the low bits of the last output instead of saturating it",
        lambda stage: stage == "output",
    ),
)


def _other_rule(rule: str, case: Case) -> Case | None:
    """Another rounding rule, with factors of the kind that it takes."""
    declared = case.attributes.get("rounding")
    if declared in (None, rule):
        return None
    tensors = dict(case.tensors)
    if rule == FLOAT_RULE:
        tensors = with_scales(tensors)
    elif declared == FLOAT_RULE:
        for name, scales in case.tensors.items():
            if "multiplier" in name and scales.dtype == np.float32:
                found = _fixed(scales, 15 if format_of(case.tensors["x"]).bits > INT8_BITS else 31)
                if found is None:
                    return None
                tensors[name] = found.multiplier.astype(np.int32)
                tensors[name.replace("multiplier", "shift")] = found.shift.astype(np.int8)
    return replace(case, tensors=tensors, attributes={**case.attributes, "rounding": rule})


INT8_BITS = int(INT8[1] - INT8[0]).bit_length()


def _fixed(scales: Array, bits: int) -> Factor | None:
    try:
        return narrowed(fixed_point(scales.astype(np.float64)), bits)
    except ValueError:  # 1 or more, which no fixed factor is
        return None


def _other_overflow(case: Case) -> Case | None:
    if "rounding" not in case.attributes:
        return None
    declared = integer_accumulator(case.attributes.get("accumulator"))
    other = "wrap" if declared.overflow == "saturate" else "saturate"
    record = {**declared.as_json(), "overflow": other}
    return replace(case, attributes={**case.attributes, "accumulator": record})


def _raw_zero_padding(each: Convolution, case: Case, arrays: Arrays) -> Array:
    """Padding that holds the stored number 0, not the zero point."""
    right = padded_input(each, arrays, case.attributes)
    top, left = geometry(each, arrays, case.attributes).padding
    x = input_of(each, arrays, case.attributes)
    wrong = np.zeros_like(right)
    wrong[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    return wrong


def _narrower(bits: int) -> Otherwise:
    """Accumulators of fewer bits than declared, which wrap."""

    def wrapped(right: Array) -> Array:
        return _low(right, bits) if right.dtype.kind == "i" else right

    every = after(ADDED, wrapped)

    def otherwise(case: Case) -> Mapping[str, Compute]:
        declared = integer_accumulator(case.attributes.get("accumulator")).bits
        return every(case) if bits < declared else {}

    return otherwise


def _low(values: Array, bits: int) -> Array:
    """The low bits of integers, as a two's complement number of so many."""
    half = np.int64(1) << (bits - 1)
    low = ((integers_of(values) + half) & (2 * half - 1)) - half
    return to_integers(low, format_of(values).name)


def _saturated(instead: Callable[[Array, Array], Array], which: Callable[[str], bool]) -> Otherwise:
    """Stages that only saturate the one before, by another rule of what was before and right."""

    def otherwise(case: Case) -> Mapping[str, Compute]:
        found: dict[str, Compute] = {}
        for stage, step in steps_of(case).items():
            if len(step.needs) == 1 and step.needs[0].endswith("before_clip") and which(stage):
                found[stage] = _instead(step.compute, step.needs[0], instead)
        return found

    return otherwise


def _instead(compute: Compute, before: str, instead: Callable[[Array, Array], Array]) -> Compute:
    return lambda arrays, attributes: instead(arrays[before], compute(arrays, attributes))


def _wrapped(before: Array, right: Array) -> Array:
    form = format_of(right)
    low = integers_of(before) & ((1 << form.bits) - 1)
    signed = np.where(low > form.limits[1], low - (1 << form.bits), low)
    return to_integers(signed, form.name)


def _symmetric(_: Array, right: Array) -> Array:
    form = format_of(right)
    return to_integers(np.maximum(integers_of(right), -form.limits[1]), form.name)
