"""The page on approximation: what was measured, in tables and plain words."""

from collections.abc import Iterator, Sequence

from proofs.approximation.populations import POPULATIONS, SIDE, TEST, TRAIN
from proofs.approximation.predict import PREDICTORS
from proofs.approximation.study import Row, Summary, summarise, values

HEADER = f"""\
# How well local operators predict global attention

The article says that PSSA approximates global self-attention, under a Markov condition on
neighbouring pixels. Here is how well each operator does, at its best. Global attention with
random projections is computed on images of {SIDE}×{SIDE} pixels; an operator's last weights, in
which its output is linear, are fitted to it by least squares on {TRAIN} images and judged on
{TEST} others. R² = 1 is perfect, 0 no better than a constant. That is kind to every operator:
training would find no better weights than these. It says nothing of accuracy on a task.

This page is written by `proofs measure`; numbers are medians over seeds with 95 % bootstrap
intervals. `proofs/approximation/` says how images are drawn and what is fitted. The decisions
drawn from it, with their rules, are [claims](claims.md) of status *measured*. What can be
proved instead is proved: [the parity
claim](claims.md#pssa-is-uncorrelated-with-attention-where-signs-are-even) says why PSSA scores
0 on every population where an image and its negative are equally likely.

![R² of each operator on each population](approximation.svg)
"""
TARGETS = {"none": "without softmax", "softmax": "with softmax"}
STEPS = (
    ("neighbours", "", "a pixel by its four neighbours"),
    ("neighbours, attention", "none", "attention of neighbours, without softmax"),
    ("neighbours, attention", "softmax", "attention of neighbours, with softmax"),
    ("truncation", "none", "3×3 window, without softmax"),
    ("truncation", "softmax", "3×3 window, with softmax"),
)
READING = """\
## What it says, plainly

* **PSSA by itself predicts nothing of global attention on noise and AR(1) fields**, one level
  or two. That is no accident of fitting: PSSA is even in the image and attention is odd.
* **A 1×1 convolution already predicts most of it on white noise** (without softmax, attention
  is one matrix per image, and with many pixels that matrix hardly varies). A 3×3 convolution
  does little better.
* **Beside a convolution, PSSA adds on photographs without softmax**, where light and dark are
  not alike, and two levels of it alone do about as well as local attention there. On noise,
  AR(1) fields and features of the trained network it adds nothing that these intervals would
  show.
* **Local attention by scores (the paper's Eq. 9) is another matter**: on noise and AR(1) fields
  it predicts global attention where PSSA does not, and well where neighbours are most alike.
* **The local-linear step of the article's argument is sound where its condition holds**: on
  photographs and strongly correlated fields a pixel's attention is nearly that of its
  neighbours. On white noise, and on the features of our small network, it is not.
* **Dropping far pixels is the step that fails**: without softmax a 3×3 window misses most of
  global attention on every population; with softmax it depends on how much attention is paid
  far away.

Limits: {pixels} pixels a side, random projections, one trained network of our own, three
photographs. Larger maps make truncation worse, as the exact formula for white noise shows.
"""


def approximation_page(rows: Sequence[Row]) -> str:
    """Return the page for a measurement."""
    parts = [HEADER]
    for target, said in TARGETS.items():
        parts.append("\n".join(_prediction(rows, target, said)))
    parts.append("\n".join(_steps(rows)))
    parts.append(READING.format(pixels=SIDE))
    return "\n".join(parts)


def _prediction(rows: Sequence[Row], target: str, said: str) -> Iterator[str]:
    yield f"## R² of global attention {said}\n"
    yield f"| population | {' | '.join(PREDICTORS)} |"
    yield f"|---|{'---|' * len(PREDICTORS)}"
    for population in POPULATIONS:
        cells = (_cell(rows, population, target, what) for what in PREDICTORS)
        yield f"| {population} | {' | '.join(cells)} |"
    yield ""


def _steps(rows: Sequence[Row]) -> Iterator[str]:
    yield "## The two steps of the argument: relative rms error\n"
    yield f"| population | {' | '.join(said for *_, said in STEPS)} |"
    yield f"|---|{'---|' * len(STEPS)}"
    for population in POPULATIONS:
        cells = (_cell(rows, population, target, what) for what, target, _ in STEPS)
        yield f"| {population} | {' | '.join(cells)} |"
    yield ""


def _cell(rows: Sequence[Row], population: str, target: str, what: str) -> str:
    return written(summarise(values(rows, population, target, what)))


def written(found: Summary) -> str:
    """A median with its interval: ``0.97 (0.96 … 0.98)``."""
    median, low, high = (_rounded(each) for each in found[:3])
    return f"{median} ({low} … {high})"


def _rounded(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")
