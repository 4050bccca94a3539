"""Several processes decide what one does."""

import pytest

from proofs.catalogue import select
from proofs.pool import WORTH_A_POOL, check_each

QUICK = ("*degree*", "*direction*", "*kernel*", "A7", "A12")


def facts(verdicts):
    return [verdict.row() | {"seconds": 0} for verdict in verdicts]


def test_two_processes_find_what_one_finds_in_the_same_order():
    claims = select(QUICK)
    assert len(claims) >= WORTH_A_POOL
    said = []
    together = check_each(claims, said.append, jobs=2)
    assert facts(together) == facts(check_each(claims))
    assert sorted(each.id for each in said) == sorted(each.id for each in claims)


def test_there_must_be_a_process():
    with pytest.raises(ValueError, match="jobs must be at least 1, not 0"):
        check_each(select(["A12"]), jobs=0)
