"""How much of global attention an operator explains, at its best.

Global attention with projections W_q, W_k, W_v ~ N(0, 1/C), drawn anew for every seed, is to be
predicted at every pixel from what an operator can see there. What an operator computes is linear in
its last weights; these are fitted by least squares with a ridge on one set of images and judged on
another. The ridge is the one of RIDGES (in units of each feature's variance) that does best on the
last quarter of the training images when fitted on the rest:

    R² = 1 − Σ(target − prediction)² / Σ(target − mean of the training targets)²

So R² is what the best weights of that operator would reach, not what training finds: an upper
estimate, kind to every operator alike. 0 is no better than a constant; it can be negative.

    conv 1×1, conv 3×3                 pixels, 3×3 patches
    PSSA                               3×3 patches of the four shift products
    PSSA, two levels                   the same of x' = Σ_d x ⊙ shift(x, d), at length 2
    local attention                    3×3 window, the global one's own projections, a 1×1 read-out
    X-volution                         conv 3×3 and PSSA together
    X-volution, Eq. 9                  conv 3×3 and local attention together

The predictors are the shipped operators' own features. All choices here are ours.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from proofs.approximation.populations import Array, Sample
from refimpl import global_attention, local_attention, shift_product

Target: TypeAlias = Literal["softmax", "none"]
TARGETS: tuple[Target, ...] = ("none", "softmax")
RIDGES = tuple(10.0**power for power in range(-4, 4))


class Projections(NamedTuple):
    """W_q, W_k and W_v of a global attention, each (c, c)."""

    w_q: Array
    w_k: Array
    w_v: Array


def projections(channels: int, seed: int) -> Projections:
    """Random projections of variance 1/C."""
    rng = np.random.default_rng((seed, channels, 3))
    return Projections(*rng.standard_normal((3, channels, channels)) / np.sqrt(channels))


def explained(
    sample: Sample, weights: Projections, target: Target, names: Iterable[str]
) -> dict[str, float]:
    """R² on the test images of some predictors, by name."""
    wanted = [global_attention(x, *weights, normalise=target) for x in sample]
    return {
        name: r_squared([PREDICTORS[name](x, weights, target) for x in sample], wanted)
        for name in names
    }


def r_squared(seen: list[Array], wanted: list[Array]) -> float:
    """Fit on the first of each pair of arrays (n, f, h, w), judge on the second."""
    part = 3 * len(seen[0]) // 4
    known, held = [(seen[0][some], wanted[0][some]) for some in (np.s_[:part], np.s_[part:])]
    ridge = RIDGES[int(np.argmax(_scores(known, held, RIDGES)))]
    (score,) = _scores((seen[0], wanted[0]), (seen[1], wanted[1]), (ridge,))
    return score


def _scores(
    fit: tuple[Array, Array], judge: tuple[Array, Array], ridges: tuple[float, ...]
) -> list[float]:
    """R² on the second pair (features, target) of what was fitted on the first, ridge by ridge."""
    train, goal, test, truth = (_rows(each) for each in (*fit, *judge))
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    train, test = (train - mean) / deviation, (test - mean) / deviation
    centre = goal.mean(axis=0)
    spectrum, basis = np.linalg.eigh(train.T @ train)
    along, test = basis.T @ (train.T @ (goal - centre)), test @ basis
    spread = np.square(truth - centre).sum()
    found = []
    for ridge in ridges:
        fitted = along / (spectrum + ridge * len(train))[:, None]
        found.append(float(1 - np.square(truth - centre - test @ fitted).sum() / spread))
    return found


def patches(x: Array) -> Array:
    """The 3×3 surroundings of every pixel as channels, zeros outside the image."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = [padded[:, :, u : u + height, v : v + width] for u in range(3) for v in range(3)]
    return np.concatenate(taps, axis=1)


def _two_levels(x: Array) -> Array:
    products = shift_product(x)
    inner = products.reshape(len(x), -1, *x.shape[1:]).sum(axis=1)
    return patches(shift_product(inner, length=2))


def _attended(x: Array, weights: Projections, target: Target) -> Array:
    return local_attention(x, *weights, normalise=target)


See: TypeAlias = Callable[[Array, Projections, Target], Array]


def _together(one: See, other: See) -> See:
    return lambda x, *rest: np.concatenate([one(x, *rest), other(x, *rest)], axis=1)


def _conv(x: Array, *_: Any) -> Array:
    return patches(x)


def _pssa(x: Array, *_: Any) -> Array:
    return patches(shift_product(x))


PREDICTORS: Mapping[str, See] = MappingProxyType(
    {
        "conv 1×1": lambda x, *_: x,
        "conv 3×3": _conv,
        "PSSA": _pssa,
        "PSSA, two levels": lambda x, *_: _two_levels(x),
        "local attention": _attended,
        "X-volution": _together(_conv, _pssa),
        "X-volution, Eq. 9": _together(_conv, _attended),
    }
)


def _rows(image: Array) -> Array:
    return image.transpose(0, 2, 3, 1).reshape(-1, image.shape[1])
