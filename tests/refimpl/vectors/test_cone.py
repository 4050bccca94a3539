"""Cones of every stage of every operator: what an element is made of, and the sum of its terms."""

import numpy as np
import pytest

from refimpl.bitexact.formats import cast_of, decode, encode, format_of, integers_of
from refimpl.bitexact.operators import ALL_OPERATORS, PIPELINES
from refimpl.vectors.case import KNOWN, Choices
from refimpl.vectors.cone import cone
from refimpl.vectors.local import steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.sums import is_integer

SIZES = Sizes(batch=2, channels=3, outputs=4, height=5, width=4)
CASES = [
    case
    for sizes in (SIZES, Sizes(batch=1, channels=2, outputs=2, height=5, width=6, stride=2))
    for operator in ALL_OPERATORS
    for arithmetic in KNOWN
    if (operator, arithmetic) in PIPELINES and (sizes is SIZES or arithmetic in {"int8", "bf16"})
    for case in random_cases([operator], sizes, Choices(arithmetics=(arithmetic,)))
]
OF_CONSTANTS = ("shifted_variance",)


def some(array, case, stage):
    """The first, the last and a middle index of a stage."""
    for flat in {0, array.size // 2 + 1, array.size - 1}:
        yield tuple(int(at) for at in np.unravel_index(min(flat, array.size - 1), array.shape))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_stage_has_a_cone_and_a_sum_ends_in_its_element(case):
    golden = stages(case)
    for stage in steps_of(case):
        for index in some(golden[stage], case, stage):
            found = cone(case, golden, stage, index)
            outside = stage.endswith(("shifted", "padded", "there"))  # may show no element
            assert found.operands or found.taps or outside, stage
            assert found.text.startswith(f"{stage}{list(index)} is computed of")
            if found.taps and stage.removesuffix("output") != "conv_":
                check_sum(case, golden[stage], index, found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_output_alone_is_told_back_to_its_sums(case):
    """Operands and partial sums of every sum, whatever the device left out."""
    golden = stages(case)
    output = list(golden)[-1]
    index = tuple(side // 2 for side in golden[output].shape)
    arrays = {**case.tensors, **golden}  # as a set's are read
    found = cone(case, arrays, output, index, {output: golden[output]})
    every = (found, *found.before)
    sums = [each for each in every if each.taps]
    assert {each.stage for each in sums} >= SUMS_BEHIND[case.operator](case)
    for each in sums:
        if each.stage != "conv_output":
            check_sum(case, golden[each.stage], each.at, each)
    at = [(each.stage, each.at) for each in every]
    assert all(stage in golden for stage, _ in at)
    assert len(set(at)) == len(at)
    for each in every:
        for operand in each.operands:
            alike = [other for other in each.operands if other.name == operand.name]
            if operand.name in golden and len(alike) <= 8:
                assert (operand.name, operand.at) in at


def one_sum(*names):
    return lambda case: set(names)


def of_gradient(prefix, *, product):
    def names(case):
        through = f"{prefix}{'dproduct' if product else 'dx'}"
        return {f"{through}_accumulator" if is_integer(case) else through}

    return names


BRANCHES = one_sum("conv_accumulator", "attention_accumulator")
SUMS_BEHIND = {
    "conv2d": one_sum("accumulator"),
    "shift_product": one_sum(),  # one product
    "pssa": one_sum("accumulator"),
    "xvolution": BRANCHES,
    "xvolution_fused": one_sum("accumulator"),
    "global_attention": one_sum("context"),
    "local_attention": one_sum("context"),
    "batch_norm": one_sum(),  # one product
    "xvolution_training": BRANCHES,
    "conv2d_backward": of_gradient("", product=False),
    "pssa_backward": lambda case: (
        of_gradient("", product=True)(case) if is_integer(case) else {"dx"}
    ),
    "xvolution_backward": lambda case: (
        of_gradient("attention_", product=True)(case) | of_gradient("conv_", product=False)(case)
        if is_integer(case)
        else {"attention_dx", "conv_dx"}
    ),
}


@pytest.mark.parametrize(
    ("arithmetic", "record"), [("int8", "accumulator"), ("bf16", "accumulation")]
)
def test_terms_are_told_by_the_pass_that_adds_them(arithmetic, record):
    declared = {record: {"pass_terms": 10}}
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=(arithmetic,), declared=declared))
    golden = stages(case)
    found = cone(case, golden, "output", (1, 2, 3, 3)).before[-1]
    assert [tap.tile for tap in found.taps] == [0] * 10 + [1] * 10 + [2] * 7
    for number in (0, 1):
        last = decode(golden[f"partial_{number}"])[1, 2, 3, 3]
        assert found.taps[10 * number + 9].partial == last


def test_what_the_device_left_is_not_gone_back_from():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    index = (1, 2, 3, 3)
    whole = cone(case, golden, "output", index)
    assert [each.stage for each in whole.before] == ["before_clip", "biased", "accumulator"]
    left = {name: golden[name] for name in ("biased", "output")}
    part = cone(case, golden, "output", index, left)
    assert [each.stage for each in part.before] == ["before_clip"]


@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
@pytest.mark.parametrize("operator", ["conv2d_backward", "pssa_backward", "xvolution_backward"])
def test_gradients_in_groups_are_told_by_the_terms_of_their_group(operator, arithmetic):
    sizes = Sizes(batch=2, channels=4, outputs=6, height=5, width=4, groups=2)
    (case,) = random_cases([operator], sizes, Choices(arithmetics=(arithmetic,)))
    golden = stages(case)
    for stage in golden:
        for index in some(golden[stage], case, stage):
            found = cone(case, golden, stage, index)
            if found.taps and stage.removesuffix("output") not in ("conv_", "attention_"):
                check_sum(case, golden[stage], index, found)
    summed = [each for each in golden if each.endswith(SUMMED)]
    assert all(cone(case, golden, each, next(some(golden[each], case, each))).taps
               for each in summed if each.endswith(("dw", "db")))  # fmt: skip


def check_sum(case, array, index, found):
    last = found.taps[-1].partial
    if is_integer(case) and not np.issubdtype(array.dtype, np.floating):
        assert last == integers_of(array)[index], found.stage
        return
    if found.stage.endswith("output"):
        return  # the bias, and a cast, come after
    cast = cast_of(None, format_of(array).name)
    assert decode(encode(np.array([last]), cast))[0] == decode(array)[index], found.stage


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_a_cone_names_is_all_that_the_element_depends_on(case):
    """Other numbers everywhere else leave the element as it is."""
    golden, steps = stages(case), steps_of(case)
    rng = np.random.default_rng(3)
    arrays = {**case.tensors, **golden}
    for stage in [each for each in steps if each.endswith(SUMMED)]:
        index = next(iter(some(golden[stage], case, stage)))
        found = cone(case, golden, stage, index)
        if not found.taps or stage.endswith("output"):
            continue
        named = {}
        for name, places in zip(
            found.factors,
            zip(*((tap.weight_at, tap.at) for tap in found.taps), strict=True),
            strict=True,
        ):
            named.setdefault(name, []).extend(at for at in places if at)
        others = dict(arrays)
        for name in steps[stage].needs:
            if name in named:
                shuffled = rng.permutation(arrays[name].reshape(-1)).reshape(arrays[name].shape)
                for at in named[name]:
                    shuffled[at] = arrays[name][at]
                others[name] = shuffled
        again = steps[stage].compute(others, case.attributes)
        assert again[index].tobytes() == golden[stage][index].tobytes(), stage


SUMMED = ("q_accumulator", "k_accumulator", "scores", "context", "dw", "db", "ds", "dt", "dx")
SUMMED += ("dproduct", "dx_accumulator", "dproduct_accumulator", "row_sum")


def test_a_gradient_is_told_by_its_terms():
    (case,) = random_cases(["conv2d_backward"], SIZES, Choices(arithmetics=("fp32",)))
    golden = stages(case)
    found = cone(case, golden, "dw", (1, 2, 0, 0))
    assert found.factors == ("dy", "x")
    assert len(found.taps) == 2 * 5 * 4
    first = found.taps[0]
    assert (first.weight_at, first.at, first.x) == ((0, 1, 0, 0), None, 0)  # in the padding
    inside = found.taps[5]
    assert (inside.weight_at, inside.at) == ((0, 1, 1, 1), (0, 2, 0, 0))
    assert inside.product == inside.x * inside.weight
    assert "dy" in found.text.splitlines()[1]
    assert "padding" in found.text


def test_a_row_maximum_is_told_by_its_row():
    (case,) = random_cases(["local_attention"], SIZES, Choices(arithmetics=("int8",)))
    found = cone(case, stages(case), "row_maximum", (1, 2, 3, 0))
    assert [each.at for each in found.operands if each.name == "scaled_scores"] == [
        (1, 2, 3, t) for t in range(9)
    ]
