"""Cases back to back on one device: state that survives, stalls, and memory around the result.

A device keeps what it was given for the case before. It drains its output word by word, in logical
order, and a word leaves only in a cycle where the reader is ready; the pattern of ready cycles is
part of the stimulus ("1101" repeats). Results are written into memory that held 0xEF in every byte,
between guard words that must survive. A mutant is killed where the memory image differs.

Sites: load (tensors), configure (attributes), clear (accumulators), drain (words), store (memory).

Up to the first difference of a memory image a faulty device has the state of a healthy one in all
that these bugs keep: operands, attributes, and the sums of the last tile.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.score.array import ARRAY, ArrayShape
from refimpl.score.models import run_probed
from refimpl.score.mutant import Mutant
from refimpl.score.site import HEALTHY, Probe
from refimpl.vectors.case import Case

GUARD = 16  # words before and after a result; ours
PREFILL = -17  # 0xEF
SITES = frozenset({"load", "configure", "clear", "drain", "store"})


class Before(NamedTuple):
    """The case that ran before, and its stages."""

    case: Case
    stages: Stages


def is_sequential(mutant: Mutant) -> bool:
    """Whether a mutant needs the case before, a stall or the memory around a result."""
    return mutant.site in SITES


def image(
    case: Case,
    before: Before | None,
    mutant: Mutant | None,
    stage: str | None = None,
    array: ArrayShape = ARRAY,
) -> Array:
    """Memory after the case has run, guards included: int64 words of the output, or of a stage."""
    site, change = ("", None) if mutant is None else (mutant.site, _bound(mutant, array))

    def at(which: str, value: Any, **known: Any) -> Any:
        return change(value, known) if change is not None and which == site else value

    tensors, attributes = dict(case.tensors), dict(case.attributes)
    if before is not None:
        tensors = at("load", tensors, before=before.case.tensors)
        attributes = at("configure", attributes, before=before.case.attributes)
    probe = HEALTHY
    if before is not None and site == "clear":
        probe = Probe("accumulator", lambda sums, **_: at("clear", sums, before=before.stages))
    loaded = Case(
        id=case.id,
        operator=case.operator,
        arithmetic=case.arithmetic,
        attributes=attributes,
        tensors=tensors,
        stimulus=case.stimulus,
    )
    stages = run_probed(loaded, probe)
    output = list(stages.values())[-1] if stage is None else stages[stage]
    words = at("drain", output.reshape(-1).astype(np.int64), ready=ready_cycles(case, output.size))
    memory = np.full(len(words) + 2 * GUARD, PREFILL, np.int64)
    memory[GUARD : GUARD + len(words)] = words
    return np.asarray(at("store", memory, pixels=output.shape[2] * output.shape[3]))


def ready_cycles(case: Case, words: int) -> Array:
    """Whether the reader is ready when each word is first offered."""
    pattern = np.array([each == "1" for each in str(case.stimulus.get("ready", "1"))])
    return np.resize(pattern, words)


def _bound(mutant: Mutant, array: ArrayShape) -> Callable[[Any, Mapping[str, Any]], Any]:
    change, arguments = CHANGES[mutant.change], array.resolved(mutant.arguments)
    return lambda value, known: change(value, {**known, "array": array}, **arguments)


def stale_last_word(tensors: Any, of: Mapping[str, Any], *, tensor: str) -> Any:
    """The buffer's last word was not overwritten; nothing where the case before had fewer words."""
    old, new = of["before"][tensor].reshape(-1), tensors[tensor]
    if len(old) < new.size:
        return tensors
    changed = new.copy()
    changed.reshape(-1)[-1] = old[new.size - 1]
    return tensors | {tensor: changed}


def stale_tensor(tensors: Any, of: Mapping[str, Any], *, tensor: str) -> Any:
    """A register file was not switched."""
    old = of["before"][tensor]
    return tensors | {tensor: old} if old.shape == tensors[tensor].shape else tensors


def stale_attribute(attributes: Any, of: Mapping[str, Any], *, name: str) -> Any:
    """A register was not written."""
    return attributes | {name: of["before"].get(name, attributes[name])}


def start_from_last_tile(sums: Array, of: Mapping[str, Any]) -> Array:
    """The first tile's accumulators start from what the last tile of the case before left."""
    old = of["before"]["accumulator"]
    array: ArrayShape = of["array"]
    rest = (old.shape[1] - 1) % array.c_out + 1
    last = old[-1, -rest:].reshape(rest, -1)
    last = last[:, -((last.shape[1] - 1) % array.pixels + 1) :]
    started = sums.astype(np.int64).reshape(*sums.shape[:2], -1)
    rows, columns = min(rest, started.shape[1]), min(last.shape[1], started.shape[2])
    started[0, :rows, :columns] += last[:rows, :columns]
    return started.astype(np.int32).reshape(sums.shape)


def drops_on_stall(words: Array, of: Mapping[str, Any]) -> Array:
    """Lost words; the rest moves up, and the end of memory keeps what it held."""
    kept = words[of["ready"]]
    return np.concatenate([kept, np.full(len(words) - len(kept), PREFILL)])


def repeats_on_stall(words: Array, of: Mapping[str, Any]) -> Array:
    """A stalled word is written twice; the last words find no room."""
    return np.repeat(words, np.where(of["ready"], 1, 2))[: len(words)]


def overwrites_on_stall(words: Array, of: Mapping[str, Any]) -> Array:
    """While a word waits, the next one overwrites it."""
    return np.where(of["ready"], words, np.append(words[1:], words[-1:]))


def full_last_tile(memory: Array, of: Mapping[str, Any]) -> Array:
    """Zeros beyond the last pixel, up to a whole tile."""
    beyond = -of["pixels"] % of["array"].pixels
    changed = memory.copy()
    changed[len(memory) - GUARD : len(memory) - GUARD + beyond] = 0
    return changed


def one_more(memory: Array, _: Mapping[str, Any]) -> Array:
    """The last word once more, behind itself."""
    changed = memory.copy()
    changed[-GUARD] = memory[-GUARD - 1]
    return changed


def one_early(memory: Array, _: Mapping[str, Any]) -> Array:
    """Base address minus 1."""
    return np.append(memory[1:], PREFILL)


def last_missing(memory: Array, _: Mapping[str, Any]) -> Array:
    """The loop ends one word too early."""
    changed = memory.copy()
    changed[-GUARD - 1] = PREFILL
    return changed


CHANGES: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        stale_last_word,
        stale_tensor,
        stale_attribute,
        start_from_last_tile,
        drops_on_stall,
        repeats_on_stall,
        overwrites_on_stall,
        full_last_tile,
        one_more,
        one_early,
        last_missing,
    )
}
