"""Memory images of a sequence: golden ones, and what a device dumped after each step."""

import os
from pathlib import Path

import numpy as np

from refimpl.io.files import UnusableError, inside, read
from refimpl.io.sets import check_hash
from refimpl.vectors.files.kinds import text
from refimpl.vectors.files.readmem import Dump, from_dump
from refimpl.vectors.manifest import SequenceEntry, StepEntry


def golden_images(root: Path, step: StepEntry) -> tuple[bytes, bytes]:
    """Memory before and after a step, as the set has them.

    Raises
    ------
    UnusableError
        If a file is not what the manifest says.
    """
    images = []
    for when in ("before", "after"):
        entry = next((e for e in step.files if e.path.endswith(f"/{when}.bin")), None)
        if entry is None:
            raise UnusableError(f"the manifest must list {when}.bin of step {step.id}")
        raw = read(inside(root, entry.path), f"{root} must hold {entry.path}")
        check_hash(entry, raw)
        images.append(raw)
    return images[0], images[1]


def device_images(root: Path, sequence: SequenceEntry, step: StepEntry) -> list[tuple[str, Dump]]:
    """Memories that a device dumped after a step: <device>/<sequence>/<step>/after.bin and .hex.

    Each by the name of its file.

    Raises
    ------
    UnusableError
        If there is none, or one has another size.
    """
    found = []
    for kind in ("bin", "hex"):
        relative = f"{sequence.id}/{step.id}/after.{kind}"
        if not os.path.lexists(root / relative):
            continue
        path = inside(root, relative)
        raw = read(path, f"{path} must be a readable file")
        found.append((path.name, _dump(raw, kind, sequence, path)))
    if not found:
        raise UnusableError(f"{root} must hold {sequence.id}/{step.id}/after.bin or .hex")
    return found


def _dump(raw: bytes, kind: str, sequence: SequenceEntry, path: Path) -> Dump:
    count, size = sequence.memory_words, sequence.word_bytes
    if kind == "bin" and len(raw) != count * size:
        raise UnusableError(f"{path} must hold {count * size} bytes, not {len(raw)}")
    if kind == "bin":
        return Dump(np.frombuffer(raw, np.uint8).reshape(count, size), None)
    try:
        return from_dump(text(raw), count, 8 * size, sequence.base)
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error
