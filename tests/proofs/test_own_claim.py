"""The example of the page on claims of one's own does what the page says."""

import re
from pathlib import Path

from proofs.conformance import CONTRACTS
from proofs.rings import rationals, same
from refimpl import pssa

PAGE = (Path(__file__).parents[2] / "docs" / "your-own-claim.md").read_text(encoding="utf-8")


def test_the_claim_of_the_page_holds_and_needs_its_hypothesis():
    (code,) = [
        each for each in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "@claim" in each
    ]
    names = {"rationals": rationals, "same": same, "pssa": pssa, "__name__": "a_page"}
    exec(compile(code, "your-own-claim.md", "exec"), names)  # noqa: S102 - our own page
    verdict = names["check"](names["pssa_is_linear_in_its_kernel"])
    assert verdict.outcome == "holds"
    assert verdict.dropped[0].counterexample is not None


def test_the_page_names_every_contract():
    assert all(f"| `{name}` |" in PAGE for name in CONTRACTS)
