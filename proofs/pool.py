"""Checking many claims: one after another, or in several processes at once.

A claim is decided alone, so the verdicts do not depend on how many processes there are. Processes
are started afresh (not forked: solvers and compiled code may hold threads), and are told ids only.
Each has one thread for linear algebra and compiled loops: the cores are taken by the processes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import fields
from multiprocessing import get_context
from typing import Any

from proofs.catalogue import CLAIMS
from proofs.claim import Claim
from proofs.verdict import Verdict, check

WORTH_A_POOL = 8  # claims; ours: below that, starting processes takes longer than it saves
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
Progress = Callable[[Claim], None]


def check_all(progress: Progress | None = None, *, jobs: int = 1) -> tuple[Verdict, ...]:
    """Check every claim; ``progress``, if given, is told of each one that is decided."""
    return check_each(tuple(CLAIMS.values()), progress, jobs=jobs)


def check_each(
    claims: Sequence[Claim], progress: Progress | None = None, *, jobs: int = 1
) -> tuple[Verdict, ...]:
    """Check some claims of the catalogue in ``jobs`` processes; verdicts in the order given.

    Raises
    ------
    ValueError
        If there is to be less than one process.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    said = progress or (lambda _: None)
    if jobs == 1 or len(claims) < WORTH_A_POOL:
        return tuple(_checked(each, said) for each in claims)
    found: dict[str, Verdict] = {}
    with _one_thread_each(), ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(decide, each.id): each for each in claims}
        for done in as_completed(waiting):
            claim = waiting[done]
            found[claim.id] = Verdict(claim=claim, **done.result())
            said(claim)
    return tuple(found[each.id] for each in claims)


def decide(id_: str) -> dict[str, Any]:
    """Everything that checking a claim finds, as values that another process can be sent."""
    verdict = check(CLAIMS[id_])
    return {each.name: getattr(verdict, each.name) for each in fields(Verdict)[1:]}


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside have one thread for each library, unless the user said otherwise."""
    unset = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, "1"))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


def _checked(claim: Claim, said: Progress) -> Verdict:
    verdict = check(claim)
    said(claim)
    return verdict
