"""Every fast operator against its definition, forward and backward.

On small integers every sum is exact, in any order and with or without fused multiply-add, in both
types: operators that only add and multiply must then agree with ``==``, and one wrong pixel shows.
"""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

import refimpl as ref
from proofs.cases import leaves
from tests.random_cases import RANDOM, filled

if config.DISABLE_JIT:
    pytest.skip("the fast paths are compiled or not at all", allow_module_level=True)

from refimpl import fast

ACCELERATED = sorted(
    {each.__name__.removesuffix("_backward") for each in fast.FAST} - {"dynamic_conv2d"}
)
seeds = st.integers(0, 2**32 - 1)
types = st.sampled_from([np.float32, np.float64])
quickly = settings(deadline=None, max_examples=40)


def integers(rng, dtype, most=3):
    """Small integers; positive ones for variances, so that their roots exist."""
    return lambda path, shape: (
        rng.integers(1, most + 1, shape)
        if path[-1] == "var"
        else rng.integers(-most, most + 1, shape)
    ).astype(dtype)


def run(module, case, dy=None):
    """Output and gradients of a case by one of the two modules."""
    result = getattr(module, case.name)(**case.inputs, **case.options)
    y = result if isinstance(result, np.ndarray) else result[0]
    dy = np.ones_like(y) if dy is None else dy(y)
    needed = {name: case.inputs[name] for name in case.backward_needs}
    return y, dy, getattr(module, f"{case.name}_backward")(dy, **needed, **case.options)


def test_every_name_of_refimpl_is_also_a_fast_one():
    assert set(ref.__all__) <= set(dir(fast))
    assert {"conv2d", "pssa", "xvolution_fused", "shift_product"} <= set(ACCELERATED)


@pytest.mark.parametrize("name", ACCELERATED)
def test_a_fast_operator_has_the_signature_of_its_definition(name):
    for each in (name, f"{name}_backward"):
        quick, slow = (inspect.signature(getattr(module, each)) for module in (fast, ref))
        assert str(quick) == str(slow)
        assert getattr(fast, each) is not getattr(ref, each)


@pytest.mark.parametrize("name", ACCELERATED)
def test_a_fast_operator_computes_what_its_definition_does(name):
    @given(case=RANDOM[name], seed=seeds, dtype=types)
    @quickly
    def agrees(case, seed, dtype):
        rng = np.random.default_rng(seed)
        most = 1 if name == "pssa_stack" else 3  # three levels multiply: sums must stay below 2²⁴
        case = filled(case, integers(rng, dtype, most))
        upstream = {}

        def dy(y):
            if not upstream:
                upstream["dy"] = rng.integers(-3, 4, y.shape).astype(dtype)
            return upstream["dy"]

        slow, _, slow_grads = run(ref, case, dy)
        quick, _, quick_grads = run(fast, case, dy)
        close = exactly if case.polynomial else nearly
        close(quick, slow, ("y",))
        assert type(quick_grads).__name__ == type(slow_grads).__name__
        wanted = dict(leaves(given_of(slow_grads)))
        for path, array in leaves(given_of(quick_grads)):
            close(array, wanted[path], path)

    agrees()


def given_of(grads):
    return {key: value for key, value in grads._asdict().items() if value is not None}


def exactly(quick, slow, path):
    assert quick.dtype == slow.dtype, path
    np.testing.assert_array_equal(quick, slow, err_msg=str(path))


def nearly(quick, slow, path):
    assert quick.dtype == slow.dtype, path
    limit = 2e-4 if slow.dtype == np.float32 else 1e-11
    scale = max(1.0, np.abs(slow).max(initial=0))
    np.testing.assert_allclose(quick, slow, rtol=0, atol=limit * scale, err_msg=str(path))
