"""Measured claims: how networks with PSSA do beside networks with self-attention, by a fixed rule.

The rule, the seeds and the order of the runs are those of ``proofs.accuracy.study``, written before
the run. The numbers are ``proofs/accuracy/results.jsonl``; the first rung of each claim trains a
network's first epoch again. One small network and one set of crops: nothing here is about COCO.
"""

from functools import cache

from proofs.accuracy.study import Decision, Row, decide, difference, train
from proofs.article import CONFIRMED, ours
from proofs.claim import Rung, claim
from proofs.domain import grid
from proofs.io import read_accuracies

RULE = (
    "the 95 % interval of the difference of accuracies, seed by seed, is alike if it is all within "
    "±3 points, apart if all outside, else undecided (proofs/accuracy/study.py)"
)
LOSS, CROPS = 1e-3, 8 / 1024  # ours: what another CPU's rounding may make of one epoch


@cache
def results() -> tuple[Row, ...]:
    """The committed run."""
    return read_accuracies()


def decided(one: str, other: str) -> Decision:
    """What the rule says of two operators."""
    return decide(difference(results(), one, other))


def measured(one: str, other: str) -> str:
    """The difference in points, with its interval, in a sentence."""
    apart = difference(results(), one, other)
    return (
        f"accuracy({one}) − accuracy({other}) = {100 * apart.mean:+.1f} ± {100 * apart.half:.1f} "
        f"points, {apart.seeds} seeds: {decide(apart)}"
    )


@cache
def _first_epoch(operator: str, seed: int) -> Row:
    return next(train(operator, seed, epochs=1))


def is_reproduced(operator: str, seed: int) -> bool:
    """Whether the first epoch of a network, trained again, scores as committed."""
    again = _first_epoch(operator, seed)
    recorded = next(each for each in results() if each[:3] == again[:3])
    return (
        abs(again.loss - recorded.loss) <= LOSS and abs(again.accuracy - recorded.accuracy) <= CROPS
    )


LIVE = Rung(
    evidence="measurement with intervals",
    over=grid(operator=("conv2d",), seed=(100,)),
    holds=is_reproduced,
    note="The plain convolution's first epoch is trained again; `proofs accuracy FILE` trains all.",
)


@claim(
    source=ours("A11"),
    status="measured",
    evidence="measurement with intervals",
    why="If anything it does better; the interval reaches from below 3 points to above.",
    over=grid(one=("xvolution",), other=("xvolution_global",)),
    rungs=(LIVE,),
    rule=RULE,
    measured=lambda: measured("xvolution", "xvolution_global"),
)
def whether_x_volution_does_as_well_with_pssa_as_with_attention(one: str, other: str) -> bool:
    """On our small network five seeds do not decide if PSSA serves X-volution as well as attention.

    As well: accuracy within 3 points, on 1,024 crops of 16 pictures, after 10 epochs.
    """
    return decided(one, other) == "undecided"


@claim(
    source=ours("A11"),
    status="measured",
    evidence="measurement with intervals",
    why="Crops told apart by texture, without position encoding, favour what is local.",
    over=grid(one=("pssa",), other=("global_attention",)),
    rungs=(LIVE,),
    rule=RULE,
    measured=lambda: measured("pssa", "global_attention"),
)
def pssa_alone_is_not_about_as_good_as_attention_alone(one: str, other: str) -> bool:
    """On our small network PSSA and self-attention, each alone, are apart: PSSA is better."""
    better = difference(results(), one, other).mean > 0
    return decided(one, other) == "apart" and better


@claim(
    source=CONFIRMED,
    status="measured",
    evidence="measurement with intervals",
    why="A convolution approximates no attention and does as well: so doing as well confirms no "
    "approximation.",
    over=grid(one=("xvolution", "pssa"), other=("conv2d",)),
    rungs=(LIVE,),
    rule=RULE,
    measured=lambda: "; ".join(measured(each, "conv2d") for each in ("xvolution", "pssa")),
)
def a_plain_convolution_does_as_well_as_pssa(one: str, other: str) -> bool:
    """On our small network a plain convolution does about as well as PSSA, alone or merged."""
    return decided(one, other) == "alike"
