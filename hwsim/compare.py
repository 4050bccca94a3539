"""Two estimates compared: what grew, and by how much.

An estimate is read as a ``Recorded``: its JSON, checked. What only one of them has (a layer, an
energy) is said, and counts as worse if it is gone from the cost without being gone from the
network: an estimate must not look better because less is in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hwsim.checks import one_of

METRICS = ("cycles", "dram_bytes", "energy_pj")
"""Quantities that are better small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Quantities of an estimate by metric, summed and per layer, and how much was costed."""

    title: str
    total: Mapping[str, float | None]
    layers: Mapping[str, Mapping[str, float | None]]
    costed: int
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One quantity of one layer, or of the total, before and after."""

    where: str
    metric: str
    before: float | None
    after: float | None
    is_judged: bool

    @property
    def growth(self) -> float | None:
        """Relative growth; infinite from nothing, ``None`` if one of the two is not known."""
        if self.before is None or self.after is None:
            return None
        if self.before == self.after:
            return 0.0
        return self.after / self.before - 1 if self.before else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All changes, and a sentence for everything that fails."""

    changes: tuple[Change, ...]
    sentences: tuple[str, ...]


def compare(
    before: Recorded,
    after: Recorded,
    *,
    limit: float = 0.0,
    metrics: Sequence[str] = METRICS,
    per_layer: bool = False,
) -> Comparison:
    """What changed from ``before`` to ``after``; growth above ``limit`` fails.

    The sums are judged, and every layer if ``per_layer``. Raises ``ValueError`` for a metric that
    is none of ``METRICS``.
    """
    for metric in metrics:
        one_of("metric", metric, METRICS)
    changes = tuple(_changes(before, after, metrics, per_layer=per_layer))
    sentences = [*_coverage(before, after), *(_failure(each, limit) for each in changes)]
    return Comparison(changes=changes, sentences=tuple(each for each in sentences if each))


def _changes(
    before: Recorded, after: Recorded, metrics: Sequence[str], *, per_layer: bool
) -> Iterator[Change]:
    rows: dict[str, tuple[Mapping[str, float | None], Mapping[str, float | None], bool]] = {
        name: (before.layers.get(name, {}), after.layers.get(name, {}), per_layer)
        for name in (*before.layers, *(n for n in after.layers if n not in before.layers))
    }
    for where, (old, new, judged) in (*rows.items(), ("total", (before.total, after.total, True))):
        for metric in metrics:
            yield Change(
                where=where,
                metric=metric,
                before=old.get(metric),
                after=new.get(metric),
                is_judged=judged,
            )


def _coverage(before: Recorded, after: Recorded) -> Iterator[str]:
    if before.asked - before.costed < after.asked - after.costed:
        yield (
            f"what is not costed must not grow, but was {before.asked - before.costed} of "
            f"{before.asked} and is {after.asked - after.costed} of {after.asked}"
        )


def _failure(change: Change, limit: float) -> str | None:
    if not change.is_judged:
        return None
    if change.growth is None:
        gone = change.before is not None and change.where == "total"
        return f"{change.metric} of {change.where} must be known, as it was" if gone else None
    if change.growth <= limit:
        return None
    return (
        f"{change.metric} of {change.where} must grow by at most {limit:.2%}, not by "
        f"{change.growth:.2%} (from {change.before:,.0f} to {change.after:,.0f})"
    )
