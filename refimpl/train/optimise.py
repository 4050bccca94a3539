"""Adam with decoupled weight decay, and a cosine schedule: pure functions of flat weights.

    m ← β₁·m + (1 − β₁)·g          v ← β₂·v + (1 − β₂)·g²
    w ← w − η·( m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε) + λ·w )
    η(t) = η₀·½·(1 + cos(π·t/T))   after a linear warm-up

Decay λ is for kernels and matrices only, not for biases, γ and β (one axis).

Sources: Kingma and Ba, arXiv:1412.6980 (2015), Algorithm 1; Loshchilov and Hutter,
arXiv:1711.05101 (2019), Algorithm 2, and arXiv:1608.03983 (2017), Eq. 5.
"""

from dataclasses import dataclass, field
from math import cos, pi

import numpy as np

from refimpl.train.flat import Flat

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Running means of the gradient and of its square, after ``steps`` steps."""

    steps: int = 0
    first: Flat = field(default_factory=dict)
    second: Flat = field(default_factory=dict)


def adam(
    weights: Flat, gradients: Flat, moments: Moments, *, rate: float, decay: float
) -> tuple[Flat, Moments]:
    """One step: the weights that ``gradients`` has keys for are changed, the others kept."""
    steps = moments.steps + 1
    first = {
        key: BETA_1 * moments.first.get(key, np.zeros_like(g)) + (1 - BETA_1) * g
        for key, g in gradients.items()
    }
    second = {
        key: BETA_2 * moments.second.get(key, np.zeros_like(g)) + (1 - BETA_2) * g * g
        for key, g in gradients.items()
    }
    moved = dict(weights)
    for key in gradients:
        mean = first[key] / (1 - BETA_1**steps)
        deviation = np.sqrt(second[key] / (1 - BETA_2**steps))
        shrink = decay * weights[key] if weights[key].ndim > 1 else 0
        moved[key] = weights[key] - rate * (mean / (deviation + EPSILON) + shrink)
    return moved, Moments(steps=steps, first=first, second=second)


def cosine(step: int, steps: int, peak: float, *, warmup: int) -> float:
    """Learning rate at ``step`` of ``steps``: up linearly, then down along half a cosine to 0."""
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak * (1 + cos(pi * (step - warmup) / max(1, steps - warmup))) / 2
