"""The bound between trained and fused: kept on any image, and no wider than it need be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.checkpoint import fuse_site
from refimpl.checkpoint.check import UNIT, _largest_part, bound
from refimpl.checkpoint.keys import ARRAY_NAMES
from refimpl.forms import FORMS, magnitude, run_fused, run_trained
from tests.refimpl.checkpoint.states import C, attending, shifted

some = settings(deadline=None, derandomize=True, max_examples=25)
KINDS = [
    *((shifted, {}, form) for form in FORMS["pssa"] if form != "tied"),
    (attending, {"operator": "xvolution_local", "normalise": "none"}, "kernel"),
    (attending, {"operator": "xvolution_local", "normalise": "softmax"}, "kernel"),
    (attending, {"operator": "xvolution_global", "normalise": "none"}, "sa"),
]
every_kind = pytest.mark.parametrize(("make", "attributes", "form"), KINDS)


def fused_of(make, attributes, form, *, seed=0, spread=0):
    arrays = {ARRAY_NAMES[k]: a for k, a in make("", seed=seed).items() if k in ARRAY_NAMES}
    rng = np.random.default_rng(seed)
    for name, array in list(arrays.items()):
        if "." not in name:
            arrays[name] = array * 10.0 ** rng.integers(-spread, spread + 1, array.shape)
    return fuse_site("", arrays, attributes, form=form)


@every_kind
@given(seed=st.integers(0, 2**32 - 1), spread=st.integers(0, 3), stride=st.integers(1, 2))
@some
def test_the_two_forms_are_within_the_bound_on_images_and_weights_of_any_spread(
    make, attributes, form, seed, spread, stride
):
    site = fused_of(make, attributes | {"stride": stride}, form, seed=seed, spread=spread)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1, C, 4, 5)) * 10.0 ** rng.integers(-spread, spread + 1, (1, C, 4, 5))
    limit = bound(site, x)
    assert (np.abs(run_trained(site.trained, x) - run_fused(site.fused, x)) <= limit).all()


@every_kind
def test_the_bound_is_small_beside_the_result(make, attributes, form):
    site = fused_of(make, attributes, form)
    x = np.random.default_rng(1).standard_normal((1, C, 4, 5))
    assert bound(site, x).max() < 1e-9 * np.abs(run_trained(site.trained, x)).max()


def test_squares_need_a_larger_bound_than_products():
    """Beside a large number a small one: its square is lost, and the product with it."""
    site = fused_of(shifted, {}, "square")
    x = np.full((1, C, 4, 6), 1e-9)
    x[..., ::3] = 1e9
    difference = np.abs(run_trained(site.trained, x) - run_fused(site.fused, x))
    assert (difference > 1000 * UNIT * magnitude(site.trained, x)).any()
    assert (difference <= bound(site, x)).all()


def test_a_difference_where_the_bound_is_zero_is_beyond_it():
    differences, limits = np.array([0.0, 1.0, 2.0]), np.array([0.0, 4.0, 4.0])
    assert _largest_part(differences, limits) == 0.5
    assert _largest_part(differences + 1e-300, limits) == np.inf
    assert _largest_part(differences * np.nan, limits) == np.inf


def test_a_tolerance_of_tied_kernels_is_in_the_bound():
    arrays = {ARRAY_NAMES[k]: a for k, a in shifted("").items() if k in ARRAY_NAMES}
    for name in list(arrays):
        if "bn" in name:
            del arrays[name]
    noise = np.random.default_rng(3).uniform(-1, 1, arrays["w_a"].shape)
    tied = np.concatenate([arrays["w_c"] * each for each in (1, 2, -1, 0.5)], axis=1)
    arrays["w_a"] = tied + 1e-5 * noise
    site = fuse_site("", arrays, {}, form="tied", tolerance=1e-4)
    x = np.random.default_rng(1).standard_normal((1, C, 4, 5))
    difference = np.abs(run_trained(site.trained, x) - run_fused(site.fused, x))
    assert difference.max() > 1e-7
    assert (difference <= bound(site, x)).all()
