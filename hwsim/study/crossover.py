"""Which of three operators takes least multiply-accumulates at which image: exactly.

For a same, unstrided site with C channels in and out, K × K taps, D directions, n pixels:

    pssa                     n·D·K²·C²
    attention-unnormalised   n·3C² + n·2C²          projections; context and query, one head
    attention (softmax)      n·3C² + 2n²·C

so PSSA never takes less than unnormalised attention unless D·K² < 5 (D = 4, K = 1: 4 < 5), and
softmax attention takes less than either below n = (D·K² − 3)·C/2 and n = C pixels. The sizes found
here come from the graphs, by bisection over square images, not from these formulas: they judge each
other. Costs on a machine cross elsewhere: the rows say where.

Source: derived above.
"""

from dataclasses import replace
from typing import NamedTuple

from hwsim.checks import at_least
from hwsim.lowering import Options, write
from hwsim.workload import Convolution

PAIRS = (
    ("attention", "pssa"),
    ("attention", "attention-unnormalised"),
    ("attention-unnormalised", "pssa"),
)
LARGEST = 4096
"""Side of the largest image that is looked at: ours."""


class Crossing(NamedTuple):
    """``first`` takes no more than ``second`` up to ``side`` × ``side`` pixels; 0: never.

    ``None``: at every size that is looked at.
    """

    first: str
    second: str
    channels: int
    side: int | None


def crossings(
    channels: int, *, kernel: int = 3, options: Options | None = None
) -> tuple[Crossing, ...]:
    """Where the three operators cross, at so many channels."""
    at_least("channels", channels, 1)
    site = Convolution(
        in_channels=channels,
        out_channels=channels,
        height=1,
        width=1,
        kernel_h=kernel,
        kernel_w=kernel,
        padding=kernel // 2,
    )
    return tuple(
        Crossing(first, second, channels, _last(first, second, site, options))
        for first, second in PAIRS
    )


def _last(first: str, second: str, site: Convolution, options: Options | None) -> int | None:
    """The largest side at which ``first`` takes no more, by bisection."""

    def holds(side: int) -> bool:
        image = replace(site, height=side, width=side)
        return write(first, image, options).macs <= write(second, image, options).macs

    if not holds(1):
        return 0
    if holds(LARGEST):
        return None
    low, high = 1, LARGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
