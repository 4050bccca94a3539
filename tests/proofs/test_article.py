"""Sentences of the article are quoted and translated, and each has a claim."""

from proofs import article
from proofs.article import UNDECIDED, Sentence, ours
from proofs.catalogue import CLAIMS

NO_CLAIM = [sentence for sentence, _ in UNDECIDED]
SENTENCES = [
    each for each in vars(article).values() if isinstance(each, Sentence) and each not in NO_CLAIM
]


def test_every_sentence_has_an_original_a_translation_and_an_id_of_its_own():
    everything = SENTENCES + NO_CLAIM
    assert len({each.id for each in everything}) == len(everything)
    for each in everything:
        assert each.in_article
        assert any("\u4e00" <= character <= "\u9fff" for character in each.text)
        assert each.translation.isascii()
        assert each.translation.endswith(".")


def test_every_sentence_is_decided_by_a_claim():
    assert set(SENTENCES) <= {claim.source for claim in CLAIMS.values()}


def test_what_is_called_undecided_has_no_claim_but_a_reason():
    assert not set(NO_CLAIM) & {claim.source for claim in CLAIMS.values()}
    assert all(reason.endswith(".") for _, reason in UNDECIDED)


def test_what_is_ours_is_not_in_the_article():
    assert not ours("A4").in_article
    assert ours().id == "ours"
