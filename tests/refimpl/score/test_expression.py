"""The language of points: as Python evaluates it, and as SystemVerilog would."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.expression import conjuncts, evaluate, names_in, system_verilog

TEXTS = sorted({point.when for entry in CATALOGUE.values() for point in entry.points})


@pytest.mark.parametrize("text", TEXTS)
def test_every_point_of_the_catalogue_is_evaluated_as_python_does(text):
    generator = np.random.default_rng(1)
    values = {
        name: generator.integers(1 if name.startswith("tile_") else -3, 4, 50)
        for name in sorted(names_in(text))
    }
    got = evaluate(text, values)
    for at in range(50):
        scalars = {name: int(array[at]) for name, array in values.items()}
        assert bool(got[at]) == bool(eval(text, {"abs": abs}, scalars))  # noqa: S307 - our own


@given(st.integers(-100, 100), st.integers(1, 9))
def test_a_remainder_is_never_negative_and_is_written_so(a, m):
    assert evaluate(f"a % {m} == {a % m}", {"a": a}).item()
    assert system_verilog(f"a % {m}") == f"(((a % {m}) + {m}) % {m})"


@pytest.mark.small
def test_verilog_of_each_kind_of_node():
    assert system_verilog("not a and abs(b) >= -2 or c * 2 - d != 1") == (
        "(((!a) && (((b < 0) ? (-b) : b) >= (-2))) || (((c * 2) - d) != 1))"
    )


@pytest.mark.small
@pytest.mark.parametrize("text", ["a ** 2", "f(a)", "a[0]", "a if b else c", "a < b < c", "'a'"])
def test_what_is_not_in_the_language_is_refused(text):
    for use in (lambda: evaluate(text, {"a": 1, "b": 1, "c": 1}), lambda: system_verilog(text)):
        with pytest.raises(ValueError, match="a coverage point must not use"):
            use()


@pytest.mark.small
def test_unknown_names_and_broken_text_are_refused():
    with pytest.raises(ValueError, match="b must be one of a"):
        evaluate("b > 0", {"a": 1})
    with pytest.raises(ValueError, match="must be an expression, not 'a >'"):
        evaluate("a >", {"a": 1})


@pytest.mark.small
def test_a_conjunction_falls_into_its_parts():
    assert conjuncts("a and b > 1 and (c or d)") == ["a", "b > 1", "c or d"]
    assert conjuncts("a or b") == ["a or b"]
