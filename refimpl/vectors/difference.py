"""What changed from one set to another: cases, attributes, arithmetic, formats, bytes. Pure.

Works on manifests: a tensor has changed where its ``.npy`` has another SHA-256.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from refimpl.vectors.case import bare_name
from refimpl.vectors.manifest import CaseEntry, Manifest, Tensor


class Change(NamedTuple):
    """One difference: where, and what it was and is; ``bytes_differ`` says that data changed."""

    where: str
    before: str
    after: str
    bytes_differ: bool = False

    @property
    def sentence(self) -> str:
        """The change in words."""
        if "" in {self.before, self.after}:
            return f"{self.where}: only in the {'first' if self.before else 'second'}"
        return f"{self.where}: {self.before} -> {self.after}"


def difference(one: Manifest, other: Manifest) -> list[Change]:
    """Every difference between two sets, case by case."""
    return list(_changes(one, other))


def _changes(one: Manifest, other: Manifest) -> Iterator[Change]:
    for key in ("schema_version", "tool_version", "arithmetic_version", "command", "licence"):
        yield from _field(key, getattr(one, key), getattr(other, key))
    yield from _field("device", one.device, other.device)
    yield from _field("excluded", [e.what for e in one.excluded], [e.what for e in other.excluded])
    for mine, theirs in _pairs(one.cases, other.cases):
        if mine is not None and theirs is not None:
            yield from _case(mine, theirs)
        elif mine is not None:
            yield Change(f"case {mine.id}", "there", "", bytes_differ=True)
        elif theirs is not None:
            yield Change(f"case {theirs.id}", "", "there", bytes_differ=True)
    runs = [[s.model_dump(mode="json") for s in each.sequences] for each in (one, other)]
    if runs[0] != runs[1]:
        counts = [f"{len(each)} sequences" for each in runs]
        yield Change("sequences", counts[0], f"{counts[1]}, other", bytes_differ=True)


def _pairs(
    one: Sequence[CaseEntry], other: Sequence[CaseEntry]
) -> Iterator[tuple[CaseEntry | None, CaseEntry | None]]:
    """Cases of the same id; of the rest, those which alone in their set have a bare name."""
    mine, theirs = ({case.id: case for case in each} for each in (one, other))
    alone = [
        {name: ids[0] for name, ids in _by_bare_name(own.keys() - others.keys()) if len(ids) == 1}
        for own, others in ((mine, theirs), (theirs, mine))
    ]
    renamed = {alone[0][name]: alone[1][name] for name in alone[0].keys() & alone[1].keys()}
    for case_id, case in mine.items():
        yield case, theirs.get(renamed.get(case_id, case_id))
    for case_id, case in theirs.items():
        if case_id not in mine and case_id not in renamed.values():
            yield None, case


def _by_bare_name(ids: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for name, own in groupby(sorted(ids, key=bare_name), key=bare_name):
        yield name, list(own)


def _case(one: CaseEntry, other: CaseEntry) -> Iterator[Change]:
    yield from _field(f"{one.id} id", one.id, other.id)
    for key in ("operator", "policy", "coverage"):
        yield from _field(f"{one.id} {key}", getattr(one, key), getattr(other, key))
    for key in ("attributes", "arithmetic", "stimulus"):
        mine, theirs = getattr(one, key), getattr(other, key)
        for name in dict.fromkeys([*mine, *theirs]):
            yield from _field(f"{one.id} {key}.{name}", mine.get(name), theirs.get(name))
    tensors = [{each.name: each for each in case.tensors} for case in (one, other)]
    for name in dict.fromkeys([*tensors[0], *tensors[1]]):
        yield from _tensor(f"{one.id} {name}", tensors[0].get(name), tensors[1].get(name))


def _tensor(where: str, one: Tensor | None, other: Tensor | None) -> Iterator[Change]:
    if one is None or other is None:
        before, after = ("", "there") if one is None else ("there", "")
        yield Change(where, before, after, bytes_differ=True)
        return
    for key in ("role", "format", "shape"):
        yield from _field(f"{where} {key}", getattr(one, key), getattr(other, key))
    for key in ("name", "lanes"):
        yield from _field(
            f"{where} layout {key}", getattr(one.layout, key), getattr(other.layout, key)
        )
    kinds = [{file.kind: file.sha256 for file in each.files} for each in (one, other)]
    yield from _field(f"{where} kinds of file", sorted(kinds[0]), sorted(kinds[1]))
    if kinds[0].get("npy") != kinds[1].get("npy"):
        before, after = (str(each.get("npy"))[:12] for each in kinds)
        yield Change(f"{where} bytes", before, after, bytes_differ=True)


def _field(where: str, one: Any, other: Any) -> Iterator[Change]:
    if one != other:
        yield Change(where, _text(one), _text(other))


def _text(value: Any) -> str:
    text = str(value) if value not in ("", None) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
