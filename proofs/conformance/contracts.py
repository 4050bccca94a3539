"""Every contract by name, and by the claims that say the same."""

from collections.abc import Mapping
from types import MappingProxyType

from proofs.conformance.contract import Contract
from proofs.conformance.fusing import FUSED
from proofs.conformance.integers import MERGED_INT8
from proofs.conformance.pixel_shift import PSSA

CONTRACTS: Mapping[str, Contract] = MappingProxyType(
    {each.name: each for each in (PSSA, FUSED, MERGED_INT8)}
)


def contract(name: str) -> Contract:
    """A contract by its name, or by the id of a claim of its.

    Raises
    ------
    ValueError
        If there is none.
    """
    for each in CONTRACTS.values():
        if name == each.name or name in each.claims:
            return each
    known = [*CONTRACTS, *(claim for each in CONTRACTS.values() for claim in each.claims)]
    raise ValueError(f"a contract must be one of {', '.join(known)}, not {name!r}")
