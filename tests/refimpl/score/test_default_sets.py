"""Default sets: every mutant of the design half dies, every point is hit, in few outputs."""

import pytest

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.kill import Subject, observed, score
from refimpl.score.measure import coverage
from refimpl.score.models import run
from refimpl.score.mutant import half_of
from refimpl.score.select import DEFAULTS, default_cases, known_operators, select
from refimpl.vectors.case import Choices
from refimpl.vectors.write import About, Written, set_files

MOST_OUTPUTS = 20_000
DESIGNED = [each.operator for each in CATALOGUE.values() if each.mutants]


def survivors(cases, half):
    result = score(Subject(case) for case in cases)
    return [each.name for each in result.survivors if each.half == half]


def test_every_operator_with_bugs_has_a_default_set():
    assert set(DEFAULTS) == set(DESIGNED)


@pytest.mark.parametrize("operator", DESIGNED)
def test_the_default_set_of_an_operator_kills_every_mutant_of_the_design_half(operator):
    cases = default_cases([operator])
    assert cases
    assert survivors(cases, "design") == []


@pytest.mark.parametrize("operator", DESIGNED)
def test_the_default_set_of_an_operator_hits_every_point_that_applies(operator):
    rows = coverage(default_cases([operator]))
    assert [row.name for row in rows if not row.hits] == []
    assert all(row.applies for row in rows)


def test_all_default_sets_together_stay_below_their_budget():
    seen = [each for case in default_cases() for each in observed(case, run(case))]
    assert sum(each.size for each in seen) < MOST_OUTPUTS


@pytest.mark.parametrize("operator", DESIGNED)
def test_the_default_set_of_an_operator_can_be_written(operator):
    cases = default_cases([operator])
    about, written = About(command="", tool_version="0"), Written(kinds=("npy",))
    paths = [path for path, _ in set_files(cases, about=about, written=written)]
    for case in cases:
        assert any(str(path).startswith(case.id) for path in paths)


@pytest.mark.parametrize("operator", ["shift_product.int8", "shift_product.fp32", "conv2d.fp32"])
def test_the_table_of_defaults_is_what_the_selection_finds(operator):
    assert select(operator) == DEFAULTS[operator]


@pytest.mark.parametrize("operator", ["shift_product.int8", "conv2d.fp32"])
def test_no_case_of_a_default_set_is_idle(operator):
    cases = default_cases([operator])
    for left_out in cases:
        fewer = [case for case in cases if case is not left_out]
        unhit = [row for row in coverage(fewer) if row.applies and not row.hits]
        missing = any(not row.applies for row in coverage(fewer))
        assert unhit or missing or survivors(fewer, "design"), left_out.id


def test_the_selection_never_looks_at_the_held_out_half(monkeypatch):
    seen = []
    import refimpl.score.select as module  # noqa: PLC0415 - patched below

    honest = module.shows

    def watched(case, mutant, *rest):
        seen.append(mutant.id)
        return honest(case, mutant, *rest)

    monkeypatch.setattr(module, "shows", watched)
    select("shift_product.int8")
    assert seen
    assert {half_of(each) for each in seen} == {"design"}


@pytest.mark.parametrize("rounding", ["half_even", "floor", "tflite_double"])
def test_under_another_rounding_rule_the_design_half_dies_too(rounding):
    cases = default_cases(["conv2d.int8"], Choices(rounding=rounding))
    assert survivors(cases, "design") == []


@pytest.mark.small
def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match=r"operator must be one of .*, not 'conv3d\.int8'"):
        known_operators(["conv3d.int8"])
