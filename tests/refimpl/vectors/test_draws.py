"""Random cases of every operator in every arithmetic: they run, are declared, and become files."""

import json

import numpy as np
import pytest

from refimpl.bitexact.describe import described
from refimpl.bitexact.formats import decode
from refimpl.bitexact.operators import ALL_OPERATORS, ARITHMETICS, OPERATORS, PIPELINES
from refimpl.bitexact.outputs import is_output
from refimpl.bitexact.records import INTEGER_SUMS
from refimpl.vectors.case import Choices
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

SMALL = Sizes(batch=1, channels=2, outputs=2, height=4, width=3)
PAIRS = [
    (operator, arithmetic)
    for operator in ALL_OPERATORS
    for arithmetic in ARITHMETICS
    if (operator, arithmetic) in PIPELINES
]


def one(operator, arithmetic, sizes=SMALL, seed="0"):
    (case,) = random_cases([operator], sizes, Choices(arithmetics=(arithmetic,)), seed=seed)
    return case


@pytest.mark.parametrize(("operator", "arithmetic"), PAIRS)
def test_every_operator_in_every_arithmetic_is_a_case_whose_arithmetic_is_declared(
    operator, arithmetic
):
    case = one(operator, arithmetic)
    assert json.loads(json.dumps(case.attributes)) == case.attributes
    said = described(operator, arithmetic, case.attributes)
    assert said["name"] == arithmetic
    assert json.loads(json.dumps(said)) == said
    written = dict(
        set_files(
            [case],
            about=About(command="c", tool_version="0"),
            written=Written(kinds=("npy", "bin", "hex")),
        )
    )
    (entry,) = json.loads(written["manifest.json"])["cases"]
    names = [tensor["name"] for tensor in entry["tensors"]]
    assert set(stages(case)) <= set(names)
    roles = [tensor["role"] for tensor in entry["tensors"]]
    assert roles.count("output") == sum(
        is_output(operator, name, case.attributes) for name in stages(case)
    )
    assert "output" in roles


@pytest.mark.parametrize(
    ("operator", "arithmetic"),
    [pair for pair in PAIRS if pair[0] not in OPERATORS or pair[1] not in ("int8", "fp32")],
)
def test_a_seed_decides_the_output_and_outputs_are_not_all_alike(operator, arithmetic):
    sizes = Sizes(batch=1, channels=3, outputs=4, height=6, width=6)
    first, again = (stages(one(operator, arithmetic, sizes)) for _ in range(2))
    assert all(np.array_equal(first[name], again[name], equal_nan=False) for name in first)
    *_, output = first.values()
    words = np.ascontiguousarray(output).view(f"u{output.dtype.itemsize}")
    assert len(np.unique(words)) > 8
    other = stages(one(operator, arithmetic, sizes, seed="1"))
    assert not np.array_equal(first[list(first)[-1]], other[list(first)[-1]])


@pytest.mark.parametrize("arithmetic", ["int4", "int8", "int16"])
@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_the_accumulators_of_a_seeded_case_hold_its_sums(operator, arithmetic):
    """None wraps: accumulators that saturate instead have the same numbers."""
    case = one(operator, arithmetic, Sizes(channels=16, outputs=16))
    saturating = {
        name: {"order": loops, **case.attributes.get(name, {}), "overflow": "saturate"}
        for name, loops in INTEGER_SUMS.get(operator, {"accumulator": "cuv"}).items()
    }
    now, held = (
        PIPELINES[operator, arithmetic](case.tensors, each)
        for each in (case.attributes, {**case.attributes, **saturating})
    )
    for name, stage in now.items():
        np.testing.assert_array_equal(decode(stage), decode(held[name]), err_msg=name)


def test_every_operator_has_a_form_in_every_arithmetic():
    assert [(each, arithmetic) for each in ALL_OPERATORS for arithmetic in ARITHMETICS] == PAIRS
