"""The mutator makes the mistakes it says, and a trial sees one where there is one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.mutation.__main__ import ROOT, targets
from benchmarks.mutation.mutants import mutants

SOURCE = '''
"""Doc with 1 + 1."""
from typing import Any

LIMIT: int = 3


@decorator(size=4)
def f(x: Shape[5], y=2):
    """Says 1 + 1."""
    if x < LIMIT and not y:
        raise ValueError(f"{x + 1} must be 7")
    return g(-x, scale=y) if y else x * 2
'''


def changes(source):
    return [(each.kind, each.was, each.now) for each in mutants(source)]


def test_every_kind_of_mistake_is_made_once_where_it_can_be():
    assert changes(SOURCE) == [
        ("constant", "3", "4"),
        ("constant", "2", "3"),
        ("guard", "x < LIMIT and (not y)", "False"),
        ("logic", "x < LIMIT and (not y)", "x < LIMIT or not y"),
        ("comparison", "x < LIMIT", "x <= LIMIT"),
        ("logic", "not y", "not not y"),
        ("choice", "g(-x, scale=y) if y else x * 2", "x * 2 if y else g(-x, scale=y)"),
        ("keyword", "g(-x, scale=y)", "g(-x)"),
        ("logic", "-x", "+x"),
        ("arithmetic", "x * 2", "x + 2"),
        ("constant", "2", "3"),
    ]


def test_a_mutant_differs_from_the_module_in_its_mistake_only():
    original = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants(SOURCE):
        lines = mutant.source.splitlines()
        assert len(lines) == len(original)
        assert sum(one != other for one, other in zip(lines, original, strict=True)) == 1


def test_every_mutant_of_every_operator_is_python():
    for target in targets("operators"):
        found = mutants(target.path.read_text(encoding="utf-8"))
        assert [each.number for each in found] == list(range(len(found)))
        assert all(ast.parse(each.source) for each in found[:5])


def test_operators_claims_and_vectors_are_mutated_and_nothing_else():
    assert {each.name.rpartition(".")[0] for each in targets("claims")} == {"proofs.claims"}
    vectors = list(targets("vectors"))
    folders = {"refimpl.vectors", "refimpl.vectors.files", "refimpl.io"}
    assert {each.name.rpartition(".")[0] for each in vectors} == folders
    for each in vectors:
        assert len(set(each.tests)) == len(each.tests)
        assert all((ROOT / test).exists() for test in each.tests)
    with pytest.raises(ValueError, match="what must be operators, claims or vectors, not 'all'"):
        list(targets("all"))


TRIAL = """
import sys
from pathlib import Path
from benchmarks.mutation import trial

trial.PRELOADED = ("pytest", "hypothesis")
path = Path("refimpl/ops/relu.py").resolve()
source = path.read_text(encoding="utf-8")
for text in (source, source.replace("x > 0", "x > -1")):
    print(trial.attempt("refimpl.ops.relu", path, text, ("tests/refimpl/ops/test_relu.py",)).fate)
"""


def test_a_trial_kills_a_mistake_and_lets_the_module_itself_live():
    source = Path("refimpl/ops/relu.py").read_text(encoding="utf-8")
    assert "x > 0" in source
    command = [sys.executable, "-c", TRIAL]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["survived", "killed"]
