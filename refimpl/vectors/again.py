"""A set held against what would be written of its inputs and attributes: every line of it. Pure.

The very functions that write sets write each case once more. What then differs in the manifest,
the SHA-256 of any file of any kind included, is named. Taken on trust is what nothing here can
compute: where inputs come from (``stimulus``), the ``command``, the ``device`` and what it leaves
out, its memory's ``base`` and word where no device is declared, and texts of the tool's version.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from refimpl.arrays import Array
from refimpl.vectors.case import Case, bare_name, content_digest
from refimpl.vectors.dut import Dut, plan_of
from refimpl.vectors.explain import case_of
from refimpl.vectors.files.kinds import CASE_KINDS, TENSOR_KINDS
from refimpl.vectors.manifest import (
    ARITHMETIC_VERSION,
    LICENCE,
    CaseEntry,
    Manifest,
    SequenceEntry,
    Tensor,
    VectorFile,
)
from refimpl.vectors.memory import Plan
from refimpl.vectors.write import Written, provenance, written_of

TRUSTED = "command, stimulus, device, excluded"


def written_as(manifest: Manifest) -> Written:
    """How a set was written: layout and lanes of most of its cases, every kind that one has.

    Raises
    ------
    ValueError
        If a case has no image, or there is no such layout.
    """
    each = [written_of(entry) for entry in manifest.cases]
    lie = [(how.layout, how.lanes) for how in each]
    layout, lanes = max(dict.fromkeys(lie), key=lie.count)
    found = {kind for how in each for kind in how.kinds}
    kinds = tuple(kind for kind in (*TENSOR_KINDS, *CASE_KINDS) if kind in found)
    return Written(layout=layout, lanes=lanes, kinds=kinds)


def case_again(entry: CaseEntry, inputs: Mapping[str, Array]) -> Case:
    """The case of an entry as it was when it was written: formats are those of its arrays' types.

    ``inputs`` are typed by their formats.
    """
    links = {name: (link.case, link.tensor) for name, link in entry.inputs_from.items()}
    return replace(case_of(entry, inputs), formats={}, inputs_from=links)


def case_differences(case: Case, entry: CaseEntry, again: CaseEntry) -> Iterator[str]:
    """What an entry says and a new one of the same call does not, each in a sentence."""
    digest = content_digest(case)
    if bare_name(entry.id) != entry.id and not entry.id.endswith(f"-{digest}"):
        yield f"{entry.id} must end in {digest}, the digest of its call"
    for key in ("arithmetic", "policy", "coverage"):
        yield from _values(f"{entry.id} {key}", getattr(entry, key), getattr(again, key))
    mine, theirs = ({tensor.name: tensor for tensor in each.tensors} for each in (entry, again))
    for name in (name for name in theirs if name not in mine):
        yield f"{entry.id} must list its {theirs[name].role} {name}"
    for name in (name for name in mine if name not in theirs):
        yield f"{entry.id} must list no {mine[name].role} {name}: nothing computes it"
    for name in (name for name in theirs if name in mine):
        yield from _tensor(f"{entry.id} {name}", mine[name], theirs[name])
    if mine.keys() == theirs.keys() and list(mine) != list(theirs):
        yield f"{entry.id} must list its tensors in the order {', '.join(theirs)}"
    yield from _files(entry.id, entry.files, again.files)


def sequence_differences(
    entries: Sequence[SequenceEntry], again: Sequence[SequenceEntry]
) -> Iterator[str]:
    """What sequences say and new ones of the same cases do not."""
    if [each.id for each in entries] != [each.id for each in again]:
        yield f"sequences must be {', '.join(each.id for each in again)}"
        return
    for mine, theirs in zip(entries, again, strict=True):
        for key in ("word_bytes", "base", "memory_words", "guard", "prefill"):
            yield from _values(f"{mine.id} {key}", getattr(mine, key), getattr(theirs, key))
        steps = [[step.id for step in each.steps] for each in (mine, theirs)]
        yield from _values(f"{mine.id} steps", *steps)
        for one, other in zip(mine.steps, theirs.steps, strict=False):
            for key in ("case", "valid", "ready", "regions"):
                yield from _values(
                    f"{mine.id}/{one.id} {key}", _plain(one)[key], _plain(other)[key]
                )
            yield from _files(f"{mine.id}/{one.id}", one.files, other.files)


def set_differences(manifest: Manifest) -> Iterator[str]:
    """What a manifest says of the whole set and does not follow from its cases or this tool."""
    yield from _values("licence", manifest.licence, LICENCE)
    yield from _values("arithmetic_version", manifest.arithmetic_version, ARITHMETIC_VERSION)
    yield from _values(
        "provenance", list(manifest.provenance), list(provenance(list(manifest.cases)))
    )


def plan_again(manifest: Manifest, dut: Dut | None) -> Plan:
    """How the memory of sequences is laid out; without a device base and word are their own."""
    if dut is not None or not manifest.sequences:
        return Plan() if dut is None else plan_of(dut)
    first = manifest.sequences[0]
    return Plan(word_bytes=first.word_bytes, base=first.base)


def _tensor(where: str, one: Tensor, other: Tensor) -> Iterator[str]:
    for key in ("role", "format", "shape", "layout", "word_bits", "words", "dont_care"):
        yield from _values(f"{where} {key}", _plain(one)[key], _plain(other)[key])
    yield from _files(where, one.files, other.files)


def _files(where: str, one: Iterable[VectorFile], other: Iterable[VectorFile]) -> Iterator[str]:
    mine, theirs = ({file.path: file for file in each} for each in (one, other))
    for path in (path for path in theirs if path not in mine):
        yield f"{where} must have a file {path}"
    for path in (path for path in mine if path not in theirs):
        yield f"{where} must have no file {path}"
    for path in (path for path in theirs if path in mine):
        yield from _values(f"{path} kind", mine[path].kind, theirs[path].kind)
        if mine[path].sha256 != theirs[path].sha256:
            yield f"{path} must be what is written of the case's inputs"


def _plain(record: BaseModel) -> dict[str, Any]:
    return record.model_dump(mode="json")


def _values(where: str, one: Any, other: Any) -> Iterator[str]:
    """The innermost key at which two values of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*other, *one]):
            yield from _values(f"{where}.{key}", one.get(key), other.get(key))
        return
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if list(one) != list(other):
            missing = [each for each in other if each not in one][:1]
            added = [each for each in one if each not in other][:1]
            said = f"hold {_text(missing[0])}" if missing else ""
            not_said = f"not hold {_text(added[0])}" if added else ""
            what = " and ".join(part for part in (said, not_said) if part) or "be in another order"
            yield f"{where} must {what}"
        return
    if one != other:
        yield f"{where} must be {_text(other)}, not {_text(one)}"


def _text(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
