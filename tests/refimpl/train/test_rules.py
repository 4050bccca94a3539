"""What nodes do in training: an X-volution is that operator; unknown kinds are refused."""

import numpy as np
import pytest

import refimpl as ref
import refimpl.fast
from refimpl.nets.graph import Node
from refimpl.nets.sites import SHIFTS, site
from refimpl.train.rules import trace
from tests.refimpl.train.networks import tiny, weights


@pytest.mark.parametrize("operators", [ref, refimpl.fast])
def test_training_an_xvolution_node_is_the_operator_xvolution_training(operators):
    (node,) = site("xvolution", "site", "pool", 2, 2)
    arrays = weights(tiny("xvolution"))["site"]
    x, dy = np.random.default_rng(1).standard_normal((2, 3, 2, 5, 4))
    by_operator = {
        "w_c": arrays["w_c"], "w_a": arrays["w_a"],
        "gamma_c": arrays["bn_c"].gamma, "gamma_a": arrays["bn_a"].gamma,
    }  # fmt: skip
    betas = {"beta_c": arrays["bn_c"].beta, "beta_a": arrays["bn_a"].beta}
    expected = operators.xvolution_training(x, **by_operator, **betas, **SHIFTS)
    grads = operators.xvolution_training_backward(dy, x, **by_operator, **SHIFTS)

    traced = trace(operators, node, arrays, x)
    pulled = traced.pull(dy)
    np.testing.assert_array_equal(traced.y, expected.y)
    np.testing.assert_array_equal(traced.norms["bn_c"].mean, expected.conv.mean)
    np.testing.assert_array_equal(
        traced.norms["bn_a"].unbiased_var, expected.attention.unbiased_var
    )
    np.testing.assert_array_equal(pulled.inputs[0], grads.x)
    names = {"w_c": "w_c", "w_a": "w_a", "bn_c.gamma": "gamma_c", "bn_c.beta": "beta_c"}
    names |= {"bn_a.gamma": "gamma_a", "bn_a.beta": "beta_a"}
    for key, name in names.items():
        np.testing.assert_array_equal(pulled.arrays[key], getattr(grads, name))
    assert len(pulled.arrays) == 6


def test_a_kind_without_a_gradient_is_refused_by_name():
    with pytest.raises(ValueError, match=r"must be one of add, batch_norm, .*, not 'dropout'"):
        trace(ref, Node(name="a", kind="dropout", inputs=("image",)), {}, np.ones((1, 1, 2, 2)))
