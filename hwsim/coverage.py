"""How much of what was asked is in a cost, and what is not, by name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hwsim.workload import Primitive, Unmodelled, macs_of


class Priced(Protocol):
    """A primitive, and why it is not in the cost if it is not."""

    @property
    def primitive(self) -> Primitive:
        """What was asked."""

    @property
    def reason(self) -> str | None:
        """Why it costs nothing; ``None`` if it is costed."""


class PricedLayer(Protocol):
    """A layer of priced primitives, and the nodes of a file's graph that it stands for."""

    @property
    def primitives(self) -> Sequence[Priced]:
        """In order."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of nodes; none without a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of what was asked is in the cost.

    ``costed`` of ``asked`` primitives, or nodes of a graph if there is one; ``free`` names the
    nodes that take nothing, with the reason, which count as costed. ``unknown_macs`` says that
    something unmodelled may have multiplications that nobody counts.
    """

    unit: str
    costed: int
    asked: int
    costed_macs: int
    macs: int
    not_executable: tuple[str, ...]
    free: Mapping[str, str] = field(default_factory=dict)
    unknown_macs: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether everything is in the cost."""
        return self.costed == self.asked

    @property
    def sentence(self) -> str:
        """The coverage in words."""
        share = self.costed_macs / self.macs if self.macs else 1.0
        known = "known " if self.unknown_macs else ""
        missing = "; ".join(self.not_executable) or "nothing"
        counted = Counter(self.free.values())
        free = ", ".join(f"{count} {reason}" for reason, count in counted.items())
        takes = f"; {len(self.free)} take nothing: {free}" if free else ""
        return (
            f"costed {self.costed} of {self.asked} {self.unit}, {share:.1%} of the {known}MACs; "
            f"not executable: {missing}{takes}"
        )


def coverage(layers: Sequence[PricedLayer], free: Mapping[str, str] | None = None) -> Coverage:
    """How much of ``layers`` is in their cost; ``free`` are nodes that take nothing."""
    every = [each for layer in layers for each in layer.primitives]
    costed = [each for each in every if each.reason is None]
    missing = [each for each in every if each.reason is not None]
    counted = Counter(each.reason for each in missing)
    nodes = [node for layer in layers for node in layer.nodes]
    beside = dict(free or {})
    lacking = {each.primitive.label.partition(": ")[0] for each in missing}
    by_node = bool(nodes or beside)
    asked = len(nodes) + len(beside) if by_node else len(every)
    return Coverage(
        unit="nodes" if by_node else "primitives",
        costed=asked - len(lacking.intersection(nodes)) if by_node else len(costed),
        asked=asked,
        costed_macs=sum(macs_of(each.primitive) for each in costed),
        macs=sum(macs_of(each.primitive) for each in every),
        not_executable=tuple(f"{count} x {reason}" for reason, count in counted.items()),
        free=beside,
        unknown_macs=any(isinstance(each.primitive, Unmodelled) for each in missing),
    )
