"""Which operators, kernel sizes and seeds are trained, and what their accuracies say.

Three questions, one set of runs: (a) how each operator learns, at kernel and window 3; (b) what the
side of the *convolution* does, alone and inside an X-volution whose attention stays 3×3, as in the
article's Fig. 2(a); (c) what the side of the attention's window does.

Seed s draws the crops, the weights and the order of the batches, the same for every operator: so
operators are compared seed by seed. A difference of means has the 95 % interval of Student's paired
t test, mean ± t·s/√n.

Sources: Chen, Wang and Ni, arXiv:2106.02253 (2021), Fig. 2, as its authors' article describes it;
Student, "The probable error of a mean", Biometrika 6 (1908).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from statistics import mean, stdev
from typing import NamedTuple

from refimpl.nets.graph import Network
from refimpl.nets.sites import OPERATORS
from refimpl.nets.small import linear_on_pixels, small
from refimpl.train.crops import Crops, Split
from refimpl.train.evaluate import Score
from refimpl.train.fit import Epoch, Recipe, fit

SIDES = (1, 3, 5, 7)
KERNEL_STUDY = ("conv2d", "xvolution")
WINDOW_STUDY = ("pssa", "local_attention")
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # 1 … 9 degrees of freedom
MOST_SEEDS = len(T_975) + 1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Run:
    """One network to be trained: operator, side of its convolution, side of its window, seed."""

    operator: str
    kernel: int = 3
    window: int = 3
    seed: str = "0"

    @property
    def member(self) -> "Run":
        """The same run whatever its seed."""
        return replace(self, seed="")


class Curve(NamedTuple):
    """Scores of a run, epoch by epoch."""

    run: Run
    train: tuple[Score, ...]
    test: tuple[Score, ...]

    @property
    def accuracy(self) -> float:
        """On the test crops, after the last epoch."""
        return self.test[-1].accuracy


class Interval(NamedTuple):
    """A mean over seeds, its standard deviation, and its 95 % interval's half width."""

    mean: float
    deviation: float
    half: float
    seeds: int


def plan(seeds: int, side_seeds: int) -> tuple[Run, ...]:
    """Every run of a study, seed by seed: operators with ``seeds``, sides with ``side_seeds``.

    Raises
    ------
    ValueError
        If there are to be fewer than one or more than MOST_SEEDS seeds, or more for sides.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"seeds must be from 1 to {MOST_SEEDS}, not {seeds}")
    if not 0 <= side_seeds <= seeds:
        raise ValueError(f"side seeds must be from 0 to the {seeds} seeds, not {side_seeds}")
    members = [Run(operator=operator) for operator in OPERATORS]
    sides = [Run(operator=each, kernel=side) for each in KERNEL_STUDY for side in SIDES]
    sides += [Run(operator=each, window=side) for each in WINDOW_STUDY for side in SIDES]
    return tuple(
        replace(run, seed=str(seed))
        for seed in range(seeds)
        for run in dict.fromkeys(members + (sides if seed < side_seeds else []))
    )


def train_all(
    runs: Iterable[Run],
    data: Callable[[str], Split],
    recipe: Recipe,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[Curve]:
    """Train every run on the data of its seed; yield its curve."""
    for run in runs:
        split = data(run.seed)
        network = build(run, len(split.classes))
        epochs = fit(network, split, replace(recipe, seed=run.seed), progress=progress)
        yield curve(run, list(epochs))


def build(run: Run, classes: int) -> Network:
    """The network of a run."""
    return small(run.operator, classes=classes, kernel=run.kernel, window=run.window)


def curve(run: Run, epochs: Iterable[Epoch]) -> Curve:
    """What is kept of a run's epochs: everything but the weights."""
    scores = [(epoch.train, epoch.test) for epoch in epochs]
    return Curve(run, tuple(train for train, _ in scores), tuple(test for _, test in scores))


def linear_baseline(data: Split, *, seed: str = "0") -> Score:
    """Softmax regression on the same pixels, trained by the same code to its best: test score."""
    rows = Split(classes=data.classes, train=_rows(data.train), test=_rows(data.test))
    recipe = Recipe(epochs=12, rate=1e-3, seed=seed)
    *_, last = fit(linear_on_pixels(len(data.classes)), rows, recipe)
    return last.test


def interval(values: Iterable[float]) -> Interval:
    """Mean of independent values with its 95 % interval; without spread if there is only one."""
    known = tuple(values)
    if len(known) < 2:
        return Interval(mean(known), float("nan"), float("nan"), len(known))
    spread = stdev(known)
    half = T_975[len(known) - 2] * spread / sqrt(len(known))
    return Interval(mean(known), spread, half, len(known))


def by_member(curves: Iterable[Curve]) -> dict[Run, dict[str, Curve]]:
    """Curves by network, then by seed."""
    found: dict[Run, dict[str, Curve]] = {}
    for each in curves:
        found.setdefault(each.run.member, {})[each.run.seed] = each
    return found


def difference(one: Mapping[str, Curve], other: Mapping[str, Curve]) -> Interval:
    """Accuracy of one network minus that of another, seed by seed."""
    return interval(one[seed].accuracy - other[seed].accuracy for seed in one if seed in other)


def _rows(crops: Crops) -> Crops:
    return Crops(images=crops.images.reshape(len(crops.images), -1), labels=crops.labels)
