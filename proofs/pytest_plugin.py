"""A pytest fixture: ``hold`` an implementation against a claim, in a test of your own.

    def test_my_kernel(hold):
        hold(my_pssa, "pssa", boundary="circular", length=1, stride=1, dilation=1)

pytest loads this module where the package is installed; it imports nothing of it until the fixture
is asked for.
"""

from collections.abc import Callable

import pytest


@pytest.fixture(name="hold")
def _hold() -> Callable[..., None]:
    """The function ``proofs.conformance.hold``."""
    from proofs.conformance import hold  # noqa: PLC0415 - only tests that ask for it pay for it

    return hold
