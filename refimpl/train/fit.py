"""Epochs of training: a network, crops and a recipe give one frozen record per epoch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

import refimpl.fast
from refimpl.bitexact.random import words
from refimpl.nets.graph import Network, Parameters, initialise
from refimpl.ops.batch_norm import Normalised
from refimpl.train.crops import Crops, Split
from refimpl.train.evaluate import Score, evaluate, score
from refimpl.train.flat import Flat, flatten, unflatten
from refimpl.train.gradient import gradient
from refimpl.train.optimise import Moments, adam, cosine
from refimpl.train.rules import Operators

MOMENTUM = 0.1  # of the newest batch in the running statistics, as is usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train: every number that is not a weight."""

    epochs: int = 10
    batch: int = 32
    rate: float = 4e-3
    decay: float = 0.05
    seed: str = "0"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.rate > 0:
            raise ValueError(f"rate must be positive, not {self.rate}")
        if not self.decay >= 0:
            raise ValueError(f"decay must not be negative, not {self.decay}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one pass over the training crops left: scores on both sets, and the weights."""

    number: int
    train: Score
    test: Score
    parameters: Parameters


def fit(
    network: Network,
    data: Split,
    recipe: Recipe,
    *,
    operators: Operators = refimpl.fast,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[Epoch]:
    """Train from seeded weights; yield a record after every epoch.

    ``train`` is the mean over the epoch's batches, in training mode, while the weights move;
    ``test`` is at the epoch's end, with running statistics. ``progress`` is called after each step.
    """
    weights, moments = flatten(initialise(network, seed=recipe.seed)), Moments()
    steps = recipe.epochs * -(-len(data.train.labels) // recipe.batch)
    for number in range(1, recipe.epochs + 1):
        seen: list[tuple[Score, int]] = []
        for batch in _batches(data.train, recipe, number):
            rate = cosine(moments.steps, steps, recipe.rate, warmup=min(steps // 10, 50))
            got = gradient(
                network,
                unflatten(network, weights),
                batch.images,
                batch.labels,
                operators=operators,
            )
            weights, moments = adam(weights, got.arrays, moments, rate=rate, decay=recipe.decay)
            weights |= running(weights, got.norms)
            seen.append((score(got.logits, batch.labels), len(batch.labels)))
            progress()
        parameters = unflatten(network, weights)
        yield Epoch(
            number=number,
            train=_mean(seen),
            test=evaluate(network, parameters, data.test, operators=operators),
            parameters=parameters,
        )


def running(weights: Flat, norms: Mapping[str, Normalised]) -> Flat:
    """Running statistics after a batch: (1 − MOMENTUM)·old + MOMENTUM·new, variance unbiased."""
    new = {f"{key}.mean": norm.mean for key, norm in norms.items()}
    new |= {f"{key}.var": norm.unbiased_var for key, norm in norms.items()}
    return {key: (1 - MOMENTUM) * weights[key] + MOMENTUM * value for key, value in new.items()}


def _batches(crops: Crops, recipe: Recipe, epoch: int) -> Iterator[Crops]:
    """The crops in a seeded order, ``recipe.batch`` at a time; the last batch may be smaller."""
    order = np.argsort(words(f"epoch-{recipe.seed}", str(epoch), crops.labels.shape), kind="stable")
    for first in range(0, len(order), recipe.batch):
        chosen = order[first : first + recipe.batch]
        yield Crops(images=crops.images[chosen], labels=crops.labels[chosen])


def _mean(scores: list[tuple[Score, int]]) -> Score:
    total = sum(count for _, count in scores)
    loss, accuracy = (sum(s[i] * count for s, count in scores) / total for i in (0, 1))
    return Score(loss, accuracy)
