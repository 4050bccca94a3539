"""The catalogue: data, of every family, split by hash, its equivalents never show."""

import json
from hashlib import sha256

import pytest

from refimpl.score import ledger, mutant
from refimpl.score.catalogue import CATALOGUE, MUTANTS
from refimpl.score.changes import CHANGES
from refimpl.score.kill import shows
from refimpl.score.models import run
from refimpl.score.mutant import FAMILIES, Mutant, half_of
from refimpl.score.sequence import CHANGES as SEQUENCE_CHANGES
from refimpl.score.sequence import Before, is_sequential
from refimpl.score.site import probe_of
from refimpl.score.stimuli import cook
from refimpl.vectors.case import Choices

BUGS = {each.id for each in MUTANTS}


def test_there_are_at_least_sixty_bugs_that_count_and_each_name_is_unique():
    assert len({each.id for each in MUTANTS if not each.equivalent}) >= 60
    names = [each.name for each in MUTANTS]
    assert len(set(names)) == len(names)


def test_every_family_that_was_asked_for_has_a_bug():
    present = {each.family for each in MUTANTS if not each.equivalent}
    assert present >= {
        "geometry", "sign", "width", "rounding", "saturation", "tile edge", "order",
        "shift direction", "wrap-around", "stale buffer", "missed clear", "backpressure",
        "out of bounds", "missing shift",
    }  # fmt: skip
    assert present <= set(FAMILIES)


def test_the_catalogue_is_data_that_json_carries():
    rows = [(each.site, each.change, dict(each.arguments), dict(each.unless)) for each in MUTANTS]
    again = json.loads(json.dumps(rows))
    for each, (site, change, arguments, _) in zip(MUTANTS, again, strict=True):
        assert (site, change) == (each.site, each.change)
        assert set(arguments) == set(each.arguments)
        assert change in (SEQUENCE_CHANGES if is_sequential(each) else CHANGES)


def test_a_bug_is_the_same_bug_in_every_operator():
    for bug in BUGS:
        says = {(m.family, m.site, m.change, m.equivalent) for m in MUTANTS if m.id == bug}
        assert len({family for family, *_ in says}) == 1, bug
        assert len({change for _, _, change, _ in says}) == 1, bug


@pytest.mark.small
def test_the_split_is_the_stated_hash_and_nearly_even():
    for bug in BUGS - ledger.MOVED:
        even = sha256(bug.encode()).digest()[3] % 2 == 0  # the last bit of four big-endian bytes
        assert half_of(bug) == ("design" if even else "held-out")
    design = sum(half_of(bug) == "design" for bug in BUGS)
    assert abs(design / len(BUGS) - 0.5) < 0.1


def test_a_moved_bug_belongs_to_the_design_half(monkeypatch):
    held = next(bug for bug in sorted(BUGS) if half_of(bug) == "held-out")
    monkeypatch.setattr(mutant, "MOVED", frozenset({held}))
    assert half_of(held) == "design"


def test_every_move_of_the_ledger_names_a_bug_and_its_replacement():
    for move in ledger.MOVES:
        assert move.bug in BUGS
        assert move.replaced_by in BUGS
        assert move.because
        assert move.release


@pytest.mark.parametrize("operator", CATALOGUE)
def test_no_designed_case_shows_an_equivalent_mutant(operator):
    equivalent = [each for each in CATALOGUE[operator].mutants if each.equivalent]
    before = None
    for recipe in CATALOGUE[operator].recipes:
        case = cook(operator, recipe, Choices())
        golden = run(case)
        for each in equivalent:
            assert not shows(case, each, golden, before), (each.name, case.id)
        before = Before(case, golden)


@pytest.mark.small
def test_an_unknown_family_and_an_unknown_change_are_refused():
    with pytest.raises(ValueError, match="family must be one of geometry"):
        Mutant(id="a", operator="b", family="magic", what="", site="x", change="wrap")
    odd = Mutant(id="a", operator="b", family="sign", what="", site="x", change="vanish")
    with pytest.raises(ValueError, match=r"change must be one of .*, not 'vanish'"):
        probe_of(odd)
