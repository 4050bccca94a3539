"""Coverage: counts by loops, one event after another."""

import numpy as np
import pytest

from refimpl.bitexact.operators import OPERATORS, PIPELINES
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.measure import coverage, covered_ids, hits_of
from refimpl.score.recipe import Recipe
from refimpl.score.stimuli import cook
from refimpl.score.target import OURS, case_excluded
from refimpl.vectors.case import Choices, pipeline
from refimpl.vectors.stimuli import Sizes, random_cases

CASE = cook(
    "conv2d.int8",
    Recipe(name="counted", values="rails", stride=(2, 1), padding=(1, 2), dilation=(1, 2), batch=2,
           height=5, width=5, channels=2, outputs=3),
    Choices(),
)  # fmt: skip


def macs(case):
    """Every multiply-accumulate by six loops: word, weight, row and column read."""
    x, w, at = case.tensors["x"], case.tensors["w"], case.attributes
    output = PIPELINES["conv2d", "int8"](case.tensors, at)["output"]
    for n, o, i, j in np.ndindex(output.shape):
        for c, u, v in np.ndindex(w.shape[1:]):
            row, col = (
                k * s + t * d - p
                for k, s, t, d, p in zip(
                    (i, j), at["stride"], (u, v), at["dilation"], at["padding"], strict=True
                )
            )
            inside = 0 <= row < x.shape[2] and 0 <= col < x.shape[3]
            yield int(x[n, c, row, col]) if inside else None, int(w[o, c, u, v]), row, col


def counted(point):
    return {each.id: hits for each, hits in hits_of(CASE)}[point]


@pytest.mark.parametrize(
    ("point", "event"),
    [
        ("pad.above", lambda x, w, row, col: row < 0),
        ("pad.below", lambda x, w, row, col: row >= 5),
        ("pad.corner-above-right", lambda x, w, row, col: row < 0 and col >= 5),
        ("pad.weighted", lambda x, w, row, col: x is None and w != 0),
        ("operand.minus-128-squared", lambda x, w, row, col: x == -128 and w == -128),
        ("operand.w-127", lambda x, w, row, col: w == 127),
        ("operand.centred-9-bits", lambda x, w, row, col: x is not None and abs(x + 7) > 128),
        ("operand.zero", lambda x, w, row, col: x == -7),
    ],
)
def test_points_of_macs_count_the_events_of_the_loops(point, event):
    assert counted(point) == sum(bool(event(*mac)) for mac in macs(CASE))
    assert counted(point) > 0


def test_points_of_outputs_count_elements():
    stages = PIPELINES["conv2d", "int8"](CASE.tensors, CASE.attributes)
    before = stages["before_clip"].astype(int).reshape(-1)
    assert counted("output.high") == sum(each > 127 for each in before)
    assert counted("output.low") == sum(each < -128 for each in before)
    sums = stages["accumulator"].astype(int).reshape(-1)
    assert counted("accumulator.bits-16") == sum(abs(each) >= 2**14 for each in sums)


def test_a_tie_is_counted_where_the_fraction_is_one_half():
    recipe = Recipe(name="ties", values="small", scale="exact", bias="zero", outputs=4)
    case = cook("conv2d.int8", recipe, Choices())
    biased = PIPELINES["conv2d", "int8"](case.tensors, case.attributes)["biased"]
    multipliers, shifts = (case.tensors[name].tolist() for name in ("multiplier", "shift"))
    expected = {(parity, sign): 0 for parity in (0, 1) for sign in (False, True)}
    for n, o, i, j in np.ndindex(biased.shape):
        twice = 2 * int(biased[n, o, i, j]) * multipliers[o]
        quotient, rest = divmod(twice, 1 << shifts[o])
        if rest == 0 and quotient % 2:
            expected[quotient // 2 % 2, twice < 0] += 1
    got = {each.id: hits for each, hits in hits_of(case)}
    for (parity, negative), number in expected.items():
        name = f"output.tie-{('even', 'odd')[parity]}-{('positive', 'negative')[negative]}"
        assert got[name] == number
        assert number > 0


def test_wraps_are_counted_at_the_border_of_each_direction():
    case = cook(
        "shift_product.int8", Recipe(name="wraps", channels=2, height=3, width=5), Choices()
    )
    got = {each.id: hits for each, hits in hits_of(case)}
    assert [got[f"wrap.{side}"] for side in ("left", "right", "above", "below")] == [6, 6, 10, 10]
    assert "zero.left" not in got
    zero = cook("shift_product.int8", Recipe(name="wraps", boundary="zero"), Choices())
    assert "wrap.left" not in {each.id for each, _ in hits_of(zero)}


def test_orders_that_show_are_counted_and_exact_sums_show_none():
    whole = cook("conv2d.fp32", Recipe(name="whole", values="small", bias="zero"), Choices())
    assert not any(hits for each, hits in hits_of(whole) if each.id.startswith("order."))
    absorbing = cook("conv2d.fp32", Recipe(name="absorbing", values="absorbing"), Choices())
    hits = {each.id: many for each, many in hits_of(absorbing)}
    assert all(hits[f"order.{name}"] for name in ("backwards", "pairwise", "tiled", "channels"))


def test_a_case_that_the_model_does_not_give_to_the_bit_is_said_to_cover_nothing():
    (case,) = random_cases(["conv2d"], Sizes(batch=1), Choices(arithmetics=("int8",)))
    golden = pipeline(case)
    assert covered_ids(case, golden)
    assert covered_ids(case, golden | {"output": golden["output"] + 1}) == []
    (scales,) = random_cases(
        ["conv2d"], Sizes(batch=1), Choices(arithmetics=("int8",), rounding="float_even")
    )
    assert covered_ids(scales, pipeline(scales)) == []
    assert case_excluded(scales, OURS) == "the catalogue has no model of binary32 scales"


@pytest.mark.parametrize(
    "case", random_cases(OPERATORS, Sizes(batch=1), Choices()), ids=lambda case: case.id
)
def test_random_sets_are_measured_too_and_leave_points_uncovered(case):
    rows = coverage([case])
    assert {row.point.id for row in rows if row.hits} == set(covered_ids(case, pipeline(case)))
    assert any(row.applies and not row.hits for row in rows)
    assert [row.point for row in rows] == list(CATALOGUE[rows[0].operator].points)


def test_a_set_of_two_cases_adds_hits_and_names_the_first():
    one, two = coverage([CASE]), coverage([CASE, CASE])
    assert [2 * row.hits for row in one] == [row.hits for row in two]
    assert {row.first for row in two if row.hits} == {CASE.id}


@pytest.mark.parametrize("operator", CATALOGUE)
def test_ids_of_points_are_unique(operator):
    ids = [point.id for point in CATALOGUE[operator].points]
    assert len(set(ids)) == len(ids)
