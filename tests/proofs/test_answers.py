"""Twelve answers, each resting on claims that came out as expected, or saying that they did not."""

from dataclasses import replace

from proofs.answers import ANSWERS, resting_on, standing, topic
from proofs.article import UNDECIDED
from proofs.catalogue import CLAIMS


def test_there_is_an_answer_for_each_of_the_twelve_claims_of_the_article():
    assert list(ANSWERS) == [f"A{number}" for number in range(1, 13)]


def test_every_answer_rests_on_claims_of_its_own_sentences_and_every_sentence_has_an_answer():
    for about, answer in ANSWERS.items():
        sources = {each.source for each in CLAIMS.values() if topic(each) == about}
        undecided = {sentence for sentence, _ in UNDECIDED}
        assert set(answer.sentences) <= sources | undecided
        assert {source for source in sources if source.in_article} <= set(answer.sentences)
        assert all(sentence.id.partition(".")[0] == about for sentence in answer.sentences)


def test_a10_and_a12_are_the_papers_and_say_so():
    second_hand = {
        about for about, answer in ANSWERS.items() if any(s.second_hand for s in answer.sentences)
    }
    assert second_hand == {"A10", "A12"}


def test_a_surprise_takes_the_answer_away(verdict_of):
    verdicts = [verdict_of("convolution-is-attention-with-one-hot-positions")]
    assert standing(verdicts, "A12") == ANSWERS["A12"].verdict
    broken = [replace(each, counterexample={"image": (1,)}) for each in verdicts]
    assert standing(broken, "A12").startswith("SURPRISE: convolution-is-attention")
    assert standing(verdicts, "A8") == "NO EVIDENCE"
    assert resting_on(verdicts, "A12") == tuple(verdicts)


def test_an_answer_is_short():
    for answer in ANSWERS.values():
        assert len(answer.verdict) <= 60
        assert len(answer.why) <= 260
