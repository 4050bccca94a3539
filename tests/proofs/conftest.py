"""Each claim is decided once per test process, when a test first asks for it."""

from functools import cache

import pytest

from proofs.catalogue import CLAIMS
from proofs.verdict import Verdict, check


@cache
def decided(id_: str) -> Verdict:
    return check(CLAIMS[id_])


@pytest.fixture
def verdict_of():
    return decided
