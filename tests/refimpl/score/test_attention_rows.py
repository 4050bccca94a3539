"""Rows of the bit-exact model's softmax, counted by loops."""

import numpy as np
import pytest

from refimpl.bitexact.operators import PIPELINES
from refimpl.score.measure import hits_of
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases

CASES = random_cases(
    ["global_attention", "local_attention"],
    Sizes(batch=1, height=3, width=3),
    Choices(arithmetics=("int8", "fp32")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rows_are_counted_one_by_one(case):
    stages = PIPELINES[case.operator, case.arithmetic](case.tensors, case.attributes)
    hits = {point.id: many for point, many in hits_of(case)}
    rows = stages["scores"].reshape(-1, stages["scores"].shape[-1]).tolist()
    shares = stages["probabilities"].reshape(len(rows), -1).tolist()
    assert hits["row.negative"] == sum(max(row) < 0 for row in rows)
    assert hits["row.maximum-first"] == sum(
        row.index(max(row)) == 0 and row.count(max(row)) == 1 for row in rows
    )
    assert hits["row.zero-probability"] == sum(0 in row for row in shares)
    assert hits["row.all-equal"] == 0
    assert hits["case.heads"] == (stages["scores"].shape[1] > 1)


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.id)
def test_equal_keys_make_equal_rows(case):
    alike = {**case.tensors, "w_k": np.zeros_like(case.tensors["w_k"])}
    flat = type(case)(
        id=case.id, operator=case.operator, arithmetic=case.arithmetic, stimulus={},
        attributes=case.attributes, tensors=alike,
    )  # fmt: skip
    hits = {point.id: many for point, many in hits_of(flat)}
    stages = PIPELINES[case.operator, case.arithmetic](alike, case.attributes)
    assert hits["row.all-equal"] == stages["scores"][..., 0].size
    assert hits["row.maximum-first"] == 0
