"""Every field that may be declared is described, and is read or refused: by law, not by list."""

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from refimpl.bitexact.describe import described
from refimpl.bitexact.formats import decode
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.records import ATTENTION
from refimpl.vectors.case import Choices
from refimpl.vectors.declare import declarable, must_read_declared, with_records
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, named_cases
from tests.refimpl.vectors.declared_fields import (
    TABLES,
    contexts,
    excepted,
    fields,
    is_extreme,
    nested,
    stimuli,
    values,
)  # fmt: skip

SMALL = Sizes(batch=2, channels=3, outputs=4, height=3, width=4)
CHANNELS = Sizes(batch=2, channels=9, outputs=4, height=2, width=3)
ONE_HEAD = Sizes(batch=1, channels=5, outputs=5, height=3, width=4)
RECORDS = [
    (operator, arithmetic, name)
    for operator, arithmetic in sorted(PIPELINES)
    if operator != "local_attention" or arithmetic in ("int8", "fp32")  # the rest is as global's
    for name in declarable(operator, arithmetic)
]


def declared(operator, arithmetic, flat):
    """The case that a declaration makes, with every field of it, and the choices."""
    named = {name: TABLES[name] for name in TABLES if name in flat.values()}
    choices = Choices(arithmetics=(arithmetic,), declared=nested(flat), tables=named)
    return with_records(plain(operator, arithmetic), choices), choices


@lru_cache(maxsize=256)
def plain(operator, arithmetic):
    """The case of the default arithmetic."""
    sizes = CHANNELS if operator == "batch_norm" else ONE_HEAD if operator in ATTENTION else SMALL
    (case,) = named_cases([operator], sizes, Choices(arithmetics=(arithmetic,)))
    return case


class Bits:
    """Every stage of a case on a field's stimuli, one stimulus after another, as they are asked."""

    def __init__(self, case, path):
        self.case, self.stimuli, self.found = case, list(stimuli(case.tensors, path)), []
        self.of = {}
        self[0]

    def __getitem__(self, number):
        while len(self.found) <= number:
            tensors = self.stimuli[len(self.found)]
            key = tuple(array.tobytes() for array in tensors.values())
            if key not in self.of:  # beyond a format's end, powers are the same numbers
                self.of[key] = self._computed(tensors)
            self.found.append(self.of[key])
        return self.found[number]

    def _computed(self, tensors):
        try:
            computed = stages(replace(self.case, tensors=tensors))
        except ValueError as error:
            if self.found:  # a large number that is none of an integer format
                return str(error)
            raise
        return [(name, a.dtype.name, a.shape, a.tobytes()) for name, a in computed.items()]

    def __ne__(self, other):
        return any(self[at] != other[at] for at in range(len(self.stimuli)))


@lru_cache(maxsize=64)
def standing(operator, arithmetic, context, path):
    """What a context gives without the field, or None where the context is refused itself."""
    try:
        base, chosen = declared(operator, arithmetic, json.loads(context))
        must_read_declared([base], chosen)
        return Bits(base, path)
    except ValueError:
        return None


def law(operator, arithmetic, path, context):
    """What is wrong with a field in a context, in words; nothing, if it is read and described."""
    extreme = path if is_extreme(path) else ""
    before = standing(operator, arithmetic, json.dumps(context), extreme)
    if before is None:
        return  # no context that there is
    said = described(operator, arithmetic, before.case.attributes)
    outcomes = []
    for value in values(operator, arithmetic, path):
        flat = {**context, path: value}
        try:
            case, choices = declared(operator, arithmetic, flat)
            differs = Bits(case, path) != before
        except ValueError as error:
            outcomes.append("illegal" if names_one(path, str(error)) else str(error))
            continue
        why = refusal(case, choices)
        if why and not why.startswith(path):
            outcomes.append("illegal")  # with this value, the context is none
            continue
        if why and differs:
            yield f"{flat}: changes bits, but {why}"
        if differs and described(operator, arithmetic, case.attributes) == said:
            yield f"{flat}: changes bits, and the text is the same"
        outcomes.append("refused" if why else "seen" if differs else "same")
    only_one = outcomes.count("same") == 1 and "illegal" in outcomes
    if "seen" not in outcomes and not only_one and {*outcomes} - {"refused", "illegal"}:
        yield f"{path} in {context}: neither refused nor seen: {outcomes}"


def names_one(path, sentence):
    """Whether a refusal is of this field."""
    return "must hold" in sentence or any(step in sentence for step in path.split(".")[-2:])


def refusal(case, choices):
    """Why a case's declaration is refused, or nothing."""
    try:
        must_read_declared([case], choices)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("operator", "arithmetic", "name"), RECORDS)
def test_every_field_is_described_and_is_read_or_refused(operator, arithmetic, name):
    wrong = []
    for path in fields(operator, arithmetic, name):
        for context in contexts(operator, arithmetic, path):
            own = path not in context or path.endswith((".entries", ".index_bits"))
            if own and not excepted(operator, arithmetic, path, context):
                wrong += law(operator, arithmetic, path, context)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("product", ["fp16", "bf16", "fp8_e5m2", "fp64", "int8"])
@pytest.mark.parametrize("arithmetic", ["fp32", "bf16", "fp8_e4m3"])
def test_a_fused_form_joins_products_of_a_format_of_their_own(arithmetic, product):
    case, _ = declared("xvolution_fused", arithmetic, {"product_cast.format": product})
    found = stages(case)
    assert list(found) == list(steps_of(case))
    for name in found:
        assert recompute(name, found, case).array.tobytes() == found[name].tobytes(), name
    both = np.concatenate([decode(case.tensors["x"]), decode(found["product"])], axis=1)
    assert np.array_equal(decode(found["padded"])[:, :, 1:-1, 1:-1], both)
    w, o, at = decode(case.tensors["w"]), 1, (1, 2)  # one output, its terms one by one
    around = decode(found["padded"])[0, :, at[0] : at[0] + 3, at[1] : at[1] + 3]
    total = np.float32(0)
    for term in (w[o] * around).reshape(-1):
        total += np.float32(term)
    assert decode(found["accumulator"])[0, o, at[0], at[1]] == total


def test_subnormal_operands_of_a_joined_input_are_those_of_their_own_format():
    flat = {"product_cast.format": "bf16", "accumulation.subnormals": "flushed"}
    case, _ = declared("xvolution_fused", "fp16", flat)
    x = np.full(case.tensors["x"].shape, 2.0**-20, np.float16)  # normal in bf16, not in fp16
    found = stages(replace(case, tensors={**case.tensors, "x": x}))
    assert not decode(found["accumulator"]).any()


def test_an_integer_softmax_has_an_integer_format():
    with pytest.raises(ValueError, match=r"softmax.format of kind integer must be an integer form"):
        declared("global_attention", "int8", {"softmax.kind": "integer", "softmax.format": "bf16"})
