"""Verdicts as JUnit XML: what a service counts is what was found."""

from xml.etree.ElementTree import fromstring

from proofs.catalogue import CLAIMS
from proofs.claims import folding
from proofs.junit import junit_xml
from proofs.verdict import check

IDS = ("x-volution-is-a-convolution-of-its-input", "batch-norm-folds-into-the-convolution")


def test_every_verdict_is_a_test_case_and_a_surprise_a_failure(monkeypatch):
    right = folding.fold_batch_norm
    monkeypatch.setattr(
        folding,
        "fold_batch_norm",
        lambda w, b, bn, **rest: right(w, b, bn._replace(beta=bn.beta * 0), **rest),
    )
    (suite,) = fromstring(junit_xml([check(CLAIMS[id_]) for id_ in IDS]))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    refuted, failed = suite
    assert [case.get("name") for case in suite] == list(IDS)
    assert [case.get("classname") for case in suite] == ["A4.2", "A4.1"]
    assert list(refuted) == []
    assert failed[0].get("message").startswith("it fails at image=")
    assert failed[0].text == CLAIMS[IDS[1]].statement
