"""A device with a bug of the catalogue is named as the bug, where known deviations do not tell."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.bitexact.operators import OPERATORS
from refimpl.score.suspects import catalogued
from refimpl.vectors.case import Choices
from refimpl.vectors.diagnose import diagnose
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

SIZES = Sizes(batch=1, channels=3, outputs=3, height=6, width=5, stride=2)
CASES = random_cases(OPERATORS, SIZES, Choices())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_bug_of_the_catalogue_that_shows_is_named_by_the_bits_it_leaves(case):
    golden, shown = stages(case), 0
    suspects = list(catalogued(case))
    for suspect in suspects:
        device = suspect.run(case)
        *_, output = device
        if np.array_equal(golden[output], device[output], equal_nan=True):
            continue
        shown += 1
        findings = diagnose(case, golden, {output: device[output]}, suspects=[suspect])
        assert suspect.name in [each.name for each in findings if each.reproduces]
    assert shown > len(suspects) / 3


def test_a_bug_that_no_known_deviation_has_is_told_only_where_the_catalogue_is_tried():
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int8",)))
    golden = stages(case)
    bug = next(each for each in catalogued(case) if each.name == "pad-right")
    device = {**golden, **bug.run(case)}  # it left what it gathered, too: that is right
    assert not [each for each in diagnose(case, golden, device) if each.reproduces]
    best = diagnose(case, golden, device, suspects=catalogued(case))[0]
    assert (best.name, best.reproduces) == ("pad-right", True)
    assert "has the bug “columns right of the image read its last column” (pad-right)" in (
        best.sentence
    )


def test_a_case_that_the_model_does_not_know_has_no_suspects():
    (case,) = random_cases(["pssa"], SIZES, Choices(arithmetics=("int8",)))
    assert list(catalogued(case))
    wide = replace(case, attributes={**case.attributes, "product": "wide"})
    assert not list(catalogued(wide))
    for operator in ("batch_norm", "global_attention"):
        (other,) = random_cases([operator], SIZES, Choices(arithmetics=("bf16",)))
        assert not list(catalogued(other))
