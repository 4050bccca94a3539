"""The measurement over seeds: every population, every operator, medians with bootstrap intervals.

A seed draws images and projections. The interval is the percentile bootstrap of the median over
seeds: RESAMPLES resamples with replacement, their 2.5 % and 97.5 % points.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from proofs.approximation.populations import POPULATIONS, draw
from proofs.approximation.predict import PREDICTORS, TARGETS, explained, projections
from proofs.approximation.steps import measured

SEEDS = range(100, 112)  # others than those that the rules of the claims were tried on
RESAMPLES = 2000


class Row(NamedTuple):
    """One number: R² of a predictor, or the relative error of a step, for one seed."""

    population: str
    target: str
    what: str
    seed: int
    value: float


class Summary(NamedTuple):
    """A median over seeds and its 95 % interval."""

    median: float
    low: float
    high: float
    seeds: int


def measure(
    seeds: Sequence[int] = SEEDS, progress: Callable[[str], None] = lambda _: None
) -> tuple[Row, ...]:
    """Measure every population with every seed."""
    rows: list[Row] = []
    for population in POPULATIONS:
        for seed in seeds:
            progress(f"{population}, seed {seed}")
            rows += measure_one(population, seed)
    return tuple(rows)


def measure_one(
    population: str, seed: int, *, predictors: Iterable[str] = tuple(PREDICTORS)
) -> tuple[Row, ...]:
    """Measure one population with one seed."""
    sample = draw(population, seed)
    weights = projections(sample.train.shape[1], seed)
    rows = [
        Row(population, target, name, seed, value)
        for target in TARGETS
        for name, value in explained(sample, weights, target, predictors).items()
    ]
    steps = measured(sample, weights)
    rows += [Row(population, target, name, seed, value) for (name, target), value in steps.items()]
    return tuple(rows)


def values(rows: Iterable[Row], population: str, target: str, what: str) -> tuple[float, ...]:
    """The numbers of one line of the study, seed by seed."""
    return tuple(
        row.value
        for row in rows
        if (row.population, row.target, row.what) == (population, target, what)
    )


def summarise(numbers: Sequence[float]) -> Summary:
    """Median and its bootstrap interval.

    Raises
    ------
    ValueError
        If there are no numbers.
    """
    if not numbers:
        raise ValueError("a summary needs at least one number, not none")
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(numbers), (RESAMPLES, len(numbers)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return Summary(float(np.median(numbers)), float(low), float(high), len(numbers))
