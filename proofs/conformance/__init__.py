"""Hold a stranger's implementation against a claim: NumPy, PyTorch, a compiled kernel, an RTL run.

    from proofs.conformance import hold
    hold(my_pssa, "pssa", boundary="circular", length=1, stride=1, dilation=1)

``hold.py`` draws cases, shrinks the first that differs and says what broke; ``contract.py`` says
what a contract is; ``contracts.py`` lists them: one file each beside it. In pytest, the fixture
``hold`` is the same function.
"""

from proofs.conformance.contract import Contract, DisagreementError, Property, Suspect
from proofs.conformance.contracts import CONTRACTS, contract
from proofs.conformance.hold import hold

__all__ = [
    "CONTRACTS",
    "Contract",
    "DisagreementError",
    "Property",
    "Suspect",
    "contract",
    "hold",
]
