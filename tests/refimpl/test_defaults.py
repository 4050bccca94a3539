"""A backward called without options is that of the forward called without options."""

from inspect import Parameter, signature

import pytest

import refimpl
from proofs.cases import operators


def options(function):
    """Keyword-only parameters and their defaults."""
    return {
        name: parameter.default
        for name, parameter in signature(function).parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    }


@pytest.mark.parametrize("name", sorted(operators()))
def test_a_backward_has_the_defaults_of_its_forward(name):
    forward, backward = getattr(refimpl, name), getattr(refimpl, f"{name}_backward")
    assert options(backward) == options(forward)
