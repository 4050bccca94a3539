"""Trained X-volutions in exact numbers, every normalisation with a rational deviation."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from proofs.rings import duals, rationals
from refimpl import BatchNorm
from refimpl.forms import XVolution

EPS = Fraction(1, 9)
sides = st.tuples(st.integers(1, 4), st.integers(1, 4))
steps = st.fixed_dictionaries({"stride": st.integers(1, 2), "dilation": st.integers(1, 2)})
kernels = st.sampled_from([1, 3])
shifts = st.fixed_dictionaries(
    {
        "length": st.integers(1, 2),
        "boundary": st.sampled_from(["circular", "zero"]),
        "directions": st.lists(
            st.sampled_from([(0, -1), (0, 1), (-1, 0), (1, 0), (1, -1), (-1, 1), (0, 2)]),
            min_size=1,
            max_size=3,
            unique=True,
        ),
    }
)
OUTPUTS, CHANNELS = 2, 2


def image(size, seed=0):
    return rationals(2, CHANNELS, *size, seed=seed)


def norm(seed):
    gamma, beta, mean, roots = rationals(4, OUTPUTS, seed=seed)
    roots = np.abs(roots) + Fraction(1, 2)
    return BatchNorm(gamma, beta, mean, duals(roots * roots - EPS))


def norms(seed=9):
    return {"bn_c": norm(seed), "bn_a": norm(seed + 1), "eps": EPS}


def shifted(k_c=3, k_a=3, *, biased=True, seed=1, directions=((0, -1), (1, 0)), **options):
    """An X-volution with pixel shifts."""
    arrays = {
        "w_c": rationals(OUTPUTS, CHANNELS, k_c, k_c, seed=seed),
        "w_a": rationals(OUTPUTS, len(directions) * CHANNELS, k_a, k_a, seed=seed + 1),
    }
    if biased:
        arrays |= {f"b_{of}": rationals(OUTPUTS, seed=seed + 2) for of in "ca"}
    options = {**norms(), **options, "directions": directions}
    return XVolution(arrays=arrays, **options)


def attending(kind, k_c=3, *, values=OUTPUTS, depth=2, output=False, seed=1, **options):
    """An X-volution with local or global attention."""
    arrays = {
        "w_c": rationals(OUTPUTS, CHANNELS, k_c, k_c, seed=seed),
        "b_c": rationals(OUTPUTS, seed=seed + 1),
        "w_q": rationals(depth, CHANNELS, seed=seed + 2),
        "w_k": rationals(depth, CHANNELS, seed=seed + 3),
        "w_v": rationals(values, CHANNELS, seed=seed + 4),
    }
    if output:
        arrays["w_o"] = rationals(OUTPUTS, values, seed=seed + 5)
    return XVolution(attention=kind, arrays=arrays, **(norms() | options))
