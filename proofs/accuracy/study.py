"""What is trained, what is compared, and the rule that decides, fixed before the run.

The article says that X-volution with PSSA does about as well as with self-attention, on COCO. Here
the same is asked of the small network of ``refimpl.nets.small`` on crops of pictures that
scikit-image ships (``refimpl.train.crops``: 16 classes, 2,048 crops to train, 1,024 to test), ten
epochs, the recipe of ``refimpl.train.fit`` as it is. One seed draws crops, weights and order, the
same for every operator, so accuracies are compared seed by seed.

*The rule.* The difference of two operators' accuracies has Student's paired 95 % interval over the
seeds. It is **alike** if the whole interval is within ±MARGIN, **apart** if the whole interval is
outside of it, and **undecided** otherwise. MARGIN is 3 points, and ours: twice the standard error
of one accuracy of 0.6 on 1,024 crops, 2·√(0.6·0.4/1024) = 3.1 points, rounded down; less than that
no one could see in one network of each.

*The questions*, the first of which is the article's: X-volution (PSSA) against X-volution (SA);
PSSA against self-attention, each alone; and against the plain convolution, which has no attention
to approximate anything with, X-volution (PSSA) and PSSA alone.

*The seeds* are 100 … 107. Seeds 0, 1 and 2 had been seen (``docs/training.json``) when this was
written, and are not used. The first five seeds of the article's question are run first, then those
of the others, then the seeds that are left; if time runs out, a comparison rests on the seeds that
both its operators have, of which there must be five. Nobody looks at an accuracy before the end.
(Time ran out after five seeds of every operator, and one network more.)

Source: Student, "The probable error of a mean", Biometrika 6 (1908).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice, product
from typing import Literal, NamedTuple, TypeAlias

from refimpl.io import read_textures
from refimpl.train.crops import Split
from refimpl.train.fit import Recipe, fit
from refimpl.train.study import Interval, Run, build, interval

SEEDS = tuple(range(100, 108))
COMPARED = (
    ("xvolution", "xvolution_global"),
    ("pssa", "global_attention"),
    ("xvolution", "conv2d"),
    ("pssa", "conv2d"),
)
MARGIN = 0.03
FEWEST_SEEDS = 5

Decision: TypeAlias = Literal["alike", "apart", "undecided"]


class Row(NamedTuple):
    """One epoch of one network: its loss (nats) and its accuracy (0 … 1) on the test crops."""

    operator: str
    seed: int
    epoch: int
    loss: float
    accuracy: float


def planned() -> tuple[tuple[str, int], ...]:
    """Every network of the study in the order in which they are trained."""
    rounds = (SEEDS[:FEWEST_SEEDS], SEEDS[FEWEST_SEEDS:])
    pairs = (pair for seeds in rounds for two in COMPARED for pair in product(seeds, two))
    return tuple(dict.fromkeys((operator, seed) for seed, operator in pairs))


def train(operator: str, seed: int, *, epochs: int | None = None) -> Iterator[Row]:
    """Train one network; yield its scores on the test crops, epoch by epoch.

    ``epochs`` stops it early: what it yields until then is what the whole run yields.
    """
    data = _crops(seed)
    network = build(Run(operator=operator), len(data.classes))
    recipe = replace(Recipe(), seed=str(seed))
    for epoch in islice(fit(network, data, recipe), epochs):
        yield Row(operator, seed, epoch.number, epoch.test.loss, epoch.test.accuracy)


def final(rows: Iterable[Row], operator: str) -> dict[int, float]:
    """Accuracy after the last epoch, by seed."""
    last = Recipe().epochs
    return {row.seed: row.accuracy for row in rows if (row.operator, row.epoch) == (operator, last)}


def difference(rows: Sequence[Row], one: str, other: str) -> Interval:
    """Accuracy of one operator minus that of another, seed by seed, with its interval.

    Raises
    ------
    ValueError
        If fewer than FEWEST_SEEDS seeds have both operators.
    """
    ones, others = final(rows, one), final(rows, other)
    seeds = [seed for seed in ones if seed in others]
    if len(seeds) < FEWEST_SEEDS:
        raise ValueError(
            f"a difference must rest on at least {FEWEST_SEEDS} seeds, not {len(seeds)}"
        )
    return interval(ones[seed] - others[seed] for seed in seeds)


def decide(apart: Interval) -> Decision:
    """The rule at the head of this file."""
    low, high = apart.mean - apart.half, apart.mean + apart.half
    if low >= -MARGIN and high <= MARGIN:
        return "alike"
    return "apart" if low > MARGIN or high < -MARGIN else "undecided"


@lru_cache(maxsize=1)
def _crops(seed: int) -> Split:
    return read_textures(train=128, test=64, seed=str(seed))
