"""What is right is left alone; what is wrong is found, shrunk, explained, and tried on the laws."""

from dataclasses import replace

import numpy as np
import pytest

from proofs.catalogue import CLAIMS
from proofs.conformance import CONTRACTS, DisagreementError, contract, hold
from proofs.conformance.hold import differing_stage
from proofs.conformance.pixel_shift import reference
from refimpl import FOUR_DIRECTIONS, pssa, shift_product

QUICK = {"examples": 60}
ONLY = {
    "directions": FOUR_DIRECTIONS,
    "length": 1,
    "boundary": "circular",
    "stride": 1,
    "dilation": 1,
}


def trouble(implementation, against, **options):
    with pytest.raises(DisagreementError) as raised:
        hold(implementation, against, **QUICK, **options)
    return str(raised.value), raised.value.case


@pytest.mark.parametrize("each", CONTRACTS.values(), ids=lambda each: each.name)
def test_the_reference_itself_is_left_alone(each):
    hold(lambda **arguments: each.reference(arguments), each, examples=30)


@pytest.mark.parametrize(
    ("each", "suspect"),
    [(each, suspect) for each in CONTRACTS.values() for suspect in each.suspects],
    ids=lambda value: getattr(value, "name", getattr(value, "sentence", None)),
)
def test_every_usual_mistake_is_found_and_named(each, suspect):
    said, case = trouble(lambda **arguments: suspect.run(arguments), each, shrink=False)
    assert f"likely mistake: {suspect.sentence}" in said
    wrong, right = suspect.run(case), each.reference(case)
    assert differing_stage(right, wrong, 0.0) is not None


def test_every_contract_and_law_leads_to_claims_that_there_are():
    for each in CONTRACTS.values():
        assert set(each.claims) | {law.claim for law in each.properties} <= set(CLAIMS)


def test_a_claim_leads_to_its_contract():
    for each in CONTRACTS.values():
        assert {contract(name).name for name in (each.name, *each.claims)} == {each.name}
    with pytest.raises(ValueError, match=r"a contract must be one of pssa, .*, not 'psa'"):
        contract("psa")


def test_the_first_stage_that_differs_is_reported():
    def wrong_products(**arguments):
        products = shift_product(arguments["x"], boundary="zero")
        return {"products": products, "y": reference(arguments | ONLY)["y"]}

    said, _ = trouble(wrong_products, "pssa", **ONLY)
    assert said.startswith("pssa: stage 'products' at (0, ")


def test_an_implementation_that_ends_with_an_error_is_a_disagreement():
    def fragile(x, w, **_):
        if x.shape[2] > 1:
            raise RuntimeError("only rows")
        return pssa(x, w)

    said, case = trouble(fragile, "pssa", **ONLY)
    assert "was not reached: RuntimeError: only rows" in said
    assert case["x"].shape[2] == 2
    assert "law BROKEN" in said


def test_a_wrong_shape_is_told_from_wrong_numbers():
    said, _ = trouble(lambda x, w: pssa(x, w)[:, :1, :1], "pssa", **ONLY)
    assert "must have shape" in said


def test_a_missing_output_is_told():
    said, _ = trouble(lambda x, **_: {"products": shift_product(x)}, "pssa", **ONLY)
    assert "stage 'y' must be among what is returned, not only products" in said


def test_a_mistake_that_is_not_usual_is_not_explained_away():
    said, _ = trouble(lambda x, w: pssa(x, w) + (x.max() > 2), "pssa", **ONLY)
    assert "likely mistake: none of the usual ones explains every case" in said
    assert "law BROKEN: f(−x) = f(x)" in said


def test_rounding_needs_a_tolerance():
    def rounded(x, w):
        return pssa(x, w) * np.float64(1 + 2**-30)

    assert "must be" in trouble(rounded, "pssa", **ONLY)[0]
    hold(rounded, "pssa", **QUICK, **ONLY, tolerance=1e-6)


def test_the_same_implementation_gives_the_same_sentence():
    def wrong(x, w):
        return pssa(x, w, boundary="zero")

    assert trouble(wrong, "pssa", **ONLY)[0] == trouble(wrong, "pssa", **ONLY)[0]


def test_a_contract_of_ones_own_is_held_the_same_way():
    doubled = replace(
        CONTRACTS["pssa"], reference=lambda arguments: {"y": 2 * reference(arguments)["y"]}
    )
    hold(lambda **arguments: 2 * pssa(**arguments), doubled, **QUICK)
    with pytest.raises(DisagreementError):
        hold(pssa, doubled, **QUICK)


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="an option of merged-int8 must be one of side, not 'k'"):
        hold(pssa, "merged-int8", k=3)
