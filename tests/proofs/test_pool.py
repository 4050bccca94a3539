"""Several processes decide what one does."""

import os
import subprocess
import sys

import pytest

from proofs.catalogue import select
from proofs.pool import THREADS, WORTH_A_POOL, _one_thread_each, check_each

QUICK = ("*degree*", "*-adds-no-*", "A5.1", "A8.1", "A12.1")  # no cost of whole networks


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


def test_processes_of_a_pool_have_one_thread_each_unless_the_user_said_otherwise(monkeypatch):
    def seen():
        say = f"import os; print([os.environ.get(name) for name in {THREADS}])"
        return subprocess.check_output([sys.executable, "-c", say], text=True).strip()

    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    before = dict(os.environ)
    with _one_thread_each():
        assert seen() == "['1', '3', '1', '1']"
    assert dict(os.environ) == before
