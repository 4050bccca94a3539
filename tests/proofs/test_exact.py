"""One draw for every kind of exact number; a random test leaves open no more than is stated."""

from fractions import Fraction

import pytest

from proofs.claims import forms
from proofs.exact import EPS, drawer, false_accept, square_variances
from proofs.modular import Mod
from proofs.polynomials import Polynomial
from refimpl.forms import FORMS, run_trained


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [("rationals", Fraction), ("residues", Mod), ("variables", Polynomial)],
)
def test_a_draw_is_of_the_kind_and_shape_that_was_asked_for(numbers, kind):
    draw = drawer(numbers, room=9)
    drawn = draw(2, 3, seed=1)
    assert drawn.shape == (2, 3)
    assert {type(each) for each in drawn.flat} == {kind}
    assert len(set(drawn.ravel().tolist()) | set(draw(3, seed=2).tolist())) > 3


def test_variables_are_all_different_and_run_out():
    draw = drawer("variables", room=5)
    assert len({*draw(3, seed=1), *draw(2, seed=1)}) == 5
    with pytest.raises(ValueError, match="there must be 6 variables, not 5"):
        draw(1, seed=1)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="must be rationals, residues or variables, not 'reals'"):
        drawer("reals")


def test_variances_have_exact_roots_once_eps_is_added_and_stay_ordinary_numbers_otherwise():
    for var in square_variances(5):
        root = (var + EPS).sqrt()
        assert root * root == var + EPS
        assert type(var * 2) is Fraction
    with pytest.raises(ValueError, match="square of a positive rational"):
        square_variances(1)[0].sqrt()


def test_the_false_accept_probability_is_rounded_upwards():
    assert false_accept(3).endswith("at most 3/(2⁶¹ − 1) < 2e-18.")
    assert Fraction(3, 2**61 - 1) < Fraction(2, 10**18)


@pytest.mark.parametrize("attention", FORMS)
def test_no_form_has_a_higher_degree_than_is_stated(attention):
    draw = drawer("variables", room=forms.ROOM)
    x = draw(1, 1, 2, 2, seed=1)
    layer = forms.trained(draw, attention, channels=1, outputs=1)
    degrees = [each.flint.total_degree() for each in run_trained(layer, x).flat]
    assert max(degrees) <= forms.DEGREE
    if attention == "local_attention":
        assert max(degrees) == forms.DEGREE
