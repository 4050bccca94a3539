"""How a form grows with the image and with the channels, read off its graph at three sizes.

Multiply-accumulates, or the numbers of a tensor, at a site, at twice its height and width (n, the
pixels, times 4) and at twice its channels: growth like n^a·C^b multiplies them by 4^a and 2^b. A
tensor is *n × n* if it grows at least like n^1.75, and *C²K²n* if at least like n^0.75 and C^1.75:
the quarters leave room for strides and heads that do not divide. A tensor that only exists in
blocks on chip is no tensor of the graph, and does not count.

Source: ours; what it must find is in ``tests/hwsim/study``.
"""

from dataclasses import replace
from math import log2
from typing import NamedTuple

from hwsim.lowering import Graph, Options, write
from hwsim.workload import Convolution


class Growth(NamedTuple):
    """Exponents of multiply-accumulates, and the largest tensors that grow too fast, by name."""

    macs_pixels: float
    macs_channels: float
    quadratic: str | None
    kernels: str | None


def growth(form: str, site: Convolution, options: Options | None = None) -> Growth:
    """Growth of ``form`` around ``site``."""
    graph = write(form, site, options)
    larger = write(form, _larger(site), options)
    deeper = write(form, _deeper(site), options)
    faster = _exponents(graph, larger, deeper)
    pixels = log2(larger.macs / graph.macs) / 2
    channels = log2(deeper.macs / graph.macs)
    quadratic = [name for name, (a, _) in faster.items() if a >= 1.75]
    kernels = [name for name, (a, b) in faster.items() if a >= 0.75 and b >= 1.75]

    def largest(names: list[str]) -> str | None:
        return max(names, key=lambda name: graph.tensors[name].elements, default=None)

    return Growth(round(pixels, 3), round(channels, 3), largest(quadratic), largest(kernels))


def _larger(site: Convolution) -> Convolution:
    return replace(site, height=2 * site.height, width=2 * site.width)


def _deeper(site: Convolution) -> Convolution:
    return replace(site, in_channels=2 * site.in_channels, out_channels=2 * site.out_channels)


def _exponents(graph: Graph, larger: Graph, deeper: Graph) -> dict[str, tuple[float, float]]:
    """Exponents of n and C of every tensor that a step makes."""
    return {
        each.name: (
            log2(larger.tensors[each.name].elements / each.elements) / 2,
            log2(deeper.tensors[each.name].elements / each.elements),
        )
        for each in graph.activations
    }
