"""Every operator, forward and backward, against PyTorch's autograd in float64.

`make test-oracles` installs PyTorch. Shapes, strides, dilations and groups are random, odd and tiny
ones among them, and so is the layout in memory; the bounds are those of ``bounds``.
"""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.cases import cast, leaves, operators, with_leaf
from tests.oracles.bounds import bounds
from tests.random_cases import RANDOM, filled
from tests.random_cases.layouts import LAYOUTS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles does it")
from tests.oracles.expressions import EXPRESSIONS  # noqa: E402 - it needs PyTorch

layouts = st.sampled_from(sorted(LAYOUTS))
spreads = st.sampled_from([(0, 0.1), (0, 1), (0, 10), (100, 1), (-3, 0.01)])
quickly = settings(deadline=None, max_examples=200)


def drawn(seed, centre, spread):
    """Normal numbers: images and scores of the given centre and spread, variances positive."""

    def make(path, shape):
        rng = np.random.default_rng(crc32(repr((seed, path)).encode()))
        if path[-1] == "var":
            return rng.uniform(0.25, 4, shape)
        scores = path[-1] in {"x", "q", "k", "logits"}
        return rng.normal(*((centre, spread) if scores else (0, 1)), shape)

    return make


def by_autograd(case, dy):
    """Output and gradients, by path, of PyTorch's expression."""
    tensors = {path: torch.tensor(array, requires_grad=True) for path, array in leaves(case.inputs)}
    inputs = case.inputs
    for path, tensor in tensors.items():
        inputs = with_leaf(inputs, path, tensor)
    y = EXPRESSIONS[case.name](**inputs, **case.constants, **case.options)
    if y.numel():
        y.backward(torch.tensor(dy))
    grads = {
        path: np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        for path, tensor in tensors.items()
    }
    return y.detach().numpy(), grads


def test_every_operator_has_an_oracle():
    assert set(EXPRESSIONS) == set(RANDOM) == operators() != set()


@pytest.mark.parametrize("name", sorted(RANDOM))
@given(data=st.data(), layout=layouts, spread=spreads, seed=st.integers(0, 2**32 - 1))
@quickly
def test_forward_and_backward_agree_with_autograd(name, data, layout, spread, seed):
    case = filled(data.draw(RANDOM[name]), drawn(seed, *spread))
    laid_out = cast(case.inputs, LAYOUTS[layout])
    y = case.forward(laid_out)
    dy = np.asarray(np.random.default_rng(seed).standard_normal(y.shape))
    grads = dict(leaves(case.backward(LAYOUTS[layout](dy), laid_out)))
    expected, by_path = by_autograd(case, dy)
    limit, limits = bounds(case, dy)
    assert y.shape == expected.shape
    assert (np.abs(y - expected) <= limit).all()
    assert set(grads) == set(by_path) == set(limits)
    for path, grad in grads.items():
        assert grad.shape == by_path[path].shape == limits[path].shape, path
        assert (np.abs(grad - by_path[path]) <= limits[path]).all(), path
