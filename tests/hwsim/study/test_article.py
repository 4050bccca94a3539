"""The article's sentences beside the rows: quoted as the claims quote them, judged by the rows."""

from dataclasses import replace

import pytest

from hwsim.io import preset
from hwsim.study import Study, rows
from hwsim.study.article import HOLDS, IN_PART, NOT, SENTENCES, findings
from proofs import article

STUDY = Study(
    networks=("resnet34",),
    stages=("conv5_x",),
    batches=(1,),
    machines=("davinci-310p", "gemmini-default"),
    forms=(
        "convolution",
        "pssa",
        "aa-convolution",
        "xvolution-training",
        "xvolution-fused",
        "xvolution-kernel",
        "xvolution-kernel-stored",
        "attention-tiled",
    ),
)


@pytest.fixture(scope="module")
def found():
    return list(rows(STUDY, [preset(name) for name in STUDY.machines]))


def verdict_on(start, answered):
    (only,) = (each for each in findings(answered) if each.translation.startswith(start))
    return only


def test_sentences_that_claims_quote_are_quoted_and_translated_alike():
    known = [each for each in vars(article).values() if isinstance(each, article.Sentence)]
    shared = 0
    for sentence in SENTENCES:
        for claim in known:
            if claim.text and (claim.text in sentence.text or sentence.text in claim.text):
                shared += 1
                first = claim.translation.split(",")[0].split(";")[0].split("(")[0].rstrip(" .")
                assert sentence.translation.startswith(first) or first.startswith(
                    sentence.translation.split("(")[0].rstrip(" .")
                )
    assert shared >= 4


def test_every_sentence_is_asked_of_rows_that_have_its_form(found):
    assert len(findings(found)) == len(SENTENCES)
    assert not findings([row for row in found if row.form == "convolution"])


def test_more_work_than_the_convolution_contradicts_no_computation(found):
    start = "Nor does it add computation"
    assert verdict_on(start, found).verdict == NOT
    assert "5.00 times the multiply-accumulates" in verdict_on(start, found).measured
    lean = [replace(row, work_ratio=1.0) for row in found]
    assert verdict_on(start, lean).verdict == HOLDS


def test_aa_net_is_supported_badly_until_a_row_says_otherwise(found):
    start = "Convolution and self-attention differ"
    assert verdict_on(start, found).verdict == HOLDS
    kind = [replace(row, failed=(), reason="") for row in found]
    assert verdict_on(start, kind).verdict == NOT
    half = [replace(r, failed=()) if r.machine == "davinci-310p" else r for r in found]
    assert verdict_on(start, half).verdict == IN_PART


def test_a_shift_is_indexing_where_nothing_is_moved(found):
    start = "First the input features are shifted"
    assert "on davinci-310p it is a copy" in verdict_on(start, found).measured
    still = [replace(row, budget=()) for row in found]
    assert verdict_on(start, still).verdict == HOLDS


def test_no_additional_operator_fails_where_nothing_multiplies(found):
    start = "On existing general network frameworks"
    said = verdict_on(start, found)
    assert said.verdict == IN_PART
    assert "1 of 2 machines multiply no elements: gemmini-default" in said.measured
    bare = [replace(row, missing=("none",)) for row in found]
    assert verdict_on(start, bare).verdict == NOT


def test_the_weapon_is_measured_against_softmax_on_machines_that_execute_both(found):
    said = verdict_on("It is a new basic weapon", found)
    assert "of 1 pairs" in said.measured
    nothing = [replace(row, missing=("none",)) for row in found]
    assert "no machine of this study" in verdict_on("It is a new basic", nothing).measured
