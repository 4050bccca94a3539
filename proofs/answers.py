"""What is true of each of the article's twelve claims, in a line and a reason, for architects.

An answer rests on the claims about its sentence, A4 on those whose source is A4, A4.1, …; the page
shows them beside it. An answer without a claim, or one of whose claims is a surprise, is shown as
such: nothing here is true because it is written here.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from proofs.article import (
    AS_GOOD_AS_ATTENTION,
    CONDITIONAL_MERGE,
    CONFIRMED,
    GLOBAL_BY_LOCAL,
    INVARIANT_PART,
    IRREGULAR,
    LINEAR_COST,
    NO_EXTRA_COMPUTATION,
    NO_EXTRA_OPERATOR,
    ON_COCO,
    PLUG_AND_PLAY,
    PSSA_IS_CONVOLUTION,
    PSSA_STEPS,
    SINGLE_CONVOLUTION,
    STACKING,
    STATIC_PLUS_DYNAMIC,
    Sentence,
)
from proofs.claim import Claim
from proofs.verdict import Verdict


class Answer(NamedTuple):
    """The sentences of one claim of the article, our verdict in a few words, and why."""

    sentences: tuple[Sentence, ...]
    verdict: str
    why: str


ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "A1": Answer(
            (GLOBAL_BY_LOCAL,),
            "half: one step sound, one not",
            "Replacing a pixel by its neighbours has an exact error that is small on photographs. "
            "Dropping far pixels has no bound, and loses nearly everything on white noise: the "
            "exact formula is among the claims.",
        ),
        "A2": Answer(
            (PSSA_STEPS, PSSA_IS_CONVOLUTION),
            "true of PSSA",
            "PSSA is one convolution of the shift products, exactly. That PSSA is self-attention "
            "does not follow: it is even and of degree 2, Eq. 9 is odd and of degree 3.",
        ),
        "A3": Answer(
            (STACKING,),
            "true, with enough levels",
            "S levels see S·(L + ⌊K/2⌋) pixels each way, with holes where shifts are long. To see "
            "all n pixels takes about √n levels at a fixed length.",
        ),
        "A4": Answer(
            (CONDITIONAL_MERGE, SINGLE_CONVOLUTION),
            "true under conditions; false as a convolution of x",
            "Both branches merge into one convolution of [x; T(x)] under named conditions, each of "
            "which is needed. It is no convolution of x: f(2x) shows it on one pixel.",
        ),
        "A5": Answer(
            (STATIC_PLUS_DYNAMIC,),
            "true, and not unique",
            "A static plus a content-dependent kernel, exactly, softmax or not. Stored it takes "
            "441 MiB an image and layer at every stage of ResNet: evaluate it, do not store it.",
        ),
        "A6": Answer(
            (NO_EXTRA_OPERATOR,),
            "false: one more kind",
            "It needs an elementwise product of features, in every form, squares included. "
            "Machines that have one run it, natively; some of those modelled only convolve.",
        ),
        "A7": Answer(
            (NO_EXTRA_COMPUTATION,),
            "false, except with tied kernels",
            "Fused it takes 5 times the array's products (13/9 in two passes with a 1×1 attention "
            "kernel), and at least 4 times the cycles. Only tied kernels add nothing on the array; "
            "in time even they do.",
        ),
        "A8": Answer(
            (PLUG_AND_PLAY,),
            "true: it fits where a convolution stood",
            "Shape, stride and number type are those of the convolution it replaces. Of "
            "self-attention it has products of pixels, not the scores (A2), nor a view of the "
            "whole image in one layer (A3).",
        ),
        "A9": Answer(
            (IRREGULAR,),
            "true of softmax attention on the machines modelled",
            "Softmax attention, alone or in AA-Net, is native and conv-friendly on no machine. "
            "Fused X-volution keeps a convolution's efficiency in the last stage, wherever it "
            "runs.",
        ),
        "A10": Answer(
            (LINEAR_COST,),
            "true of a layer, false of a globally connected stack",
            "A layer is linear in pixels. To connect all pixels, O(n^1.5) at a fixed length, "
            "O(n log n) with dyadic lengths and eight directions; unnormalised global attention is "
            "O(n·C²) in one layer.",
        ),
        "A11": Answer(
            (AS_GOOD_AS_ATTENTION, ON_COCO, CONFIRMED),
            "not as an approximation; accuracy on COCO undecidable here",
            "PSSA is uncorrelated with global attention wherever an image and its negative are "
            "equally likely, by parity. In our small network it is better than attention, and no "
            "better than a plain convolution: accuracy confirms no approximation.",
        ),
        "A12": Answer(
            (INVARIANT_PART,),
            "true",
            "A convolution is the sum of heads that each look at one fixed offset.",
        ),
    }
)


def topic(claim: Claim) -> str:
    """Which of the article's claims a claim is about: A4 for A4, A4.1, …; "ours" for none."""
    return claim.source.id.partition(".")[0]


def resting_on(verdicts: Iterable[Verdict], about: str) -> tuple[Verdict, ...]:
    """The verdicts that an answer rests on."""
    return tuple(each for each in verdicts if topic(each.claim) == about)


def standing(verdicts: Iterable[Verdict], about: str) -> str:
    """The answer's verdict, if all that it rests on came out as expected; else what did not."""
    found = resting_on(verdicts, about)
    if not found:
        return "NO EVIDENCE"
    surprises = [each.claim.id for each in found if not each.as_expected]
    return f"SURPRISE: {', '.join(surprises)}" if surprises else ANSWERS[about].verdict
