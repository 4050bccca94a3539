"""A coverage point: something that must have happened somewhere in a set, as data.

A point is an expression over one *sample*: what can be seen at one event. Samples (``samples.py``):

    case     sizes and attributes of one case, once per case
    mac      one multiply-accumulate of a convolution: operands, and where the pixel was read
    output   one output element of a convolution: from the accumulator to the word
    product  one element of a shift product: operands, edges crossed, requantisation
    sum      one float output: the declared sum beside other orders of the same products
    branch   one output of X-volution: both branches and their sum
    row      one row of a softmax
    channel  one channel of a normalisation
    tap      one tap of a kernel at one pixel of an input's gradient, and what it reads there
    weight   one element of the gradient of a kernel
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Sample: TypeAlias = Literal[
    "case", "mac", "output", "product", "sum", "branch", "row", "channel", "tap", "weight"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """``when`` is the event; ``needs``, over a case's sample, is where it can happen at all."""

    id: str
    sample: Sample
    when: str
    what: str
    needs: str = ""


def point(id_: str, sample: Sample, when: str, what: str, needs: str = "") -> Point:
    """A point on one line."""
    return Point(id=id_, sample=sample, when=when, what=what, needs=needs)
