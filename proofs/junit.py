"""Verdicts as JUnit XML, which continuous integration services read.

One test case a claim, with its seconds; a surprise is a failure.

Source: the JUnit format as pytest and Jenkins read it (testsuites, testsuite, testcase, failure).
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from proofs.verdict import Verdict


def junit_xml(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as one test suite."""
    suites = Element("testsuites")
    failed = sum(not each.as_expected for each in verdicts)
    seconds = sum(each.seconds for each in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failed), "time": f"{seconds:.3f}"}
    suite = SubElement(suites, "testsuite", {"name": "proofs", "errors": "0", **counts})
    for each in verdicts:
        claim = each.claim
        about = {"classname": claim.source.id, "name": claim.id, "time": f"{each.seconds:.3f}"}
        case = SubElement(suite, "testcase", about)
        if each.surprise is not None:
            failure = SubElement(case, "failure", {"message": each.surprise})
            failure.text = claim.statement
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
