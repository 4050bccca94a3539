"""The solver's answers: proofs for all integers, and counterexamples that are ones."""

import pytest
import z3

from proofs import smt


def test_what_holds_for_all_integers_is_proved():
    x = z3.Int("x")
    assert smt.decide(x * x >= 0) == smt.Answer(holds=True, counterexample={})


def test_a_counterexample_makes_the_statement_false():
    x, y = z3.Ints("x y")
    answer = smt.decide(x + y != 7)
    assert not answer.holds
    assert sum(answer.counterexample.values()) == 7


def test_words_of_bits_are_read_as_signed():
    (word,) = z3.BitVecs(["w"], 8)
    answer = smt.decide(word != -3)
    assert answer.counterexample == {"w": -3}


def test_what_takes_too_long_is_not_decided(monkeypatch):
    monkeypatch.setattr(smt, "MILLISECONDS", 1)
    a, b, c = z3.Ints("a b c")
    hard = z3.Implies(z3.And(a > 2, b > 2, c > 2), a * a * a + b * b * b != c * c * c)
    with pytest.raises(ValueError, match="must be decided in 1 ms"):
        smt.decide(hard)


@pytest.mark.parametrize("rule", smt.RULES)
def test_a_rule_is_one_formula_for_numbers_and_for_the_solver(rule):
    for number in (-(2**31), -(2**30), -1, 0, 1, 2**30, 2**30 + 1, 3 * 2**30, 7 * 2**31 + 5):
        for shift in (31, 33):
            symbolic = z3.simplify(smt.RULES[rule](z3.IntVal(number), shift))
            assert symbolic.as_long() == smt.RULES[rule](number, shift)


def test_a_clip_saturates_numbers_and_symbols_alike():
    for number in (-1000, -128, 0, 127, 128):
        assert z3.simplify(smt.clip(z3.IntVal(number))).as_long() == smt.clip(number)
        assert smt.clip(number) == max(-128, min(127, number))
