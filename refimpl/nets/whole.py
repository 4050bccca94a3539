"""A whole network fused and compared: answers before and after on one image, MACs of both."""

from dataclasses import dataclass

import numpy as np

from refimpl.arrays import Array
from refimpl.nets.branches import ATTENTION
from refimpl.nets.fold import fuse_network
from refimpl.nets.graph import Network, Parameters
from refimpl.nets.run import DEFINITIONS, run
from refimpl.nets.shapes import node_shapes

LARGEST = 1e-9  # ours: of the largest answer, in float64, through some fifty layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """An X-volution of a network: what it became, and its MACs before and after."""

    name: str
    attention: str
    form: str
    macs_before: int
    macs_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A fused network and its weights; how far its answers are from the trained network's."""

    network: Network
    parameters: Parameters
    difference: float
    largest: float
    replaced: tuple[Replaced, ...]

    @property
    def of_bound(self) -> float:
        """The difference, over the largest that is taken for rounding."""
        if self.difference == 0:
            return 0.0
        return self.difference / (LARGEST * self.largest) if self.largest else float("inf")

    @property
    def passed(self) -> bool:
        """Whether the fused network is the trained one, up to rounding."""
        return self.of_bound <= 1


def fuse_whole(network: Network, parameters: Parameters, x: Array) -> Whole:
    """Fuse a network, run both on ``x`` (binary64), and count; the last count is the total."""
    fused, folded = fuse_network(network, parameters)
    before = run(network, parameters, x, arithmetic=DEFINITIONS)
    after = run(fused, folded, x, arithmetic=DEFINITIONS)
    ends = [
        (before[old], after[new]) for old, new in zip(network.answers, fused.answers, strict=True)
    ]
    return Whole(
        network=fused,
        parameters=folded,
        difference=max(float(np.abs(old - new).max()) for old, new in ends),
        largest=max(float(np.abs(old).max()) for old, _ in ends),
        replaced=_replaced(network, fused, x.shape),
    )


def _replaced(network: Network, fused: Network, shape: tuple[int, ...]) -> tuple[Replaced, ...]:
    _, channels, height, width = shape
    before = node_shapes(network, height, width, channels=channels)
    after = node_shapes(fused, height, width, channels=channels)
    rows = []
    for old in before:
        if old.kind in ATTENTION:
            names = {old.name, f"{old.name}.convolution", f"{old.name}.attention"}
            new = [row for row in after if row.name in names]
            rows.append(
                Replaced(
                    name=old.name,
                    attention=ATTENTION[old.kind],
                    form="feature" if len(new) == 1 else "branches",
                    macs_before=old.macs,
                    macs_after=sum(row.macs for row in new),
                )
            )
    whole = Replaced(
        name="whole network",
        attention="",
        form="",
        macs_before=sum(row.macs for row in before),
        macs_after=sum(row.macs for row in after),
    )
    return (*rows, whole)
