"""Memory images of a sequence: golden ones, and what a device dumped after each step."""

import os
from pathlib import Path

import numpy as np

from refimpl.io.files import UnusableError, inside, read
from refimpl.io.sets import check_hash
from refimpl.vectors.files.readmem import UnknownBitsError, from_hex
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


def device_image(root: Path, sequence: SequenceEntry, step: StepEntry) -> bytes:
    """Memory that a device dumped after a step: <device>/<sequence>/<step>/after.bin or .hex.

    Raises
    ------
    UnusableError
        If there is none, or it has another size.
    UnknownBitsError
        If a hex dump holds x or z digits.
    """
    size = sequence.memory_words * sequence.word_bytes
    for kind in ("bin", "hex"):
        relative = f"{sequence.id}/{step.id}/after.{kind}"
        if not os.path.lexists(root / relative):
            continue
        path = inside(root, relative)
        raw = read(path, f"{path} must be a readable file")
        if kind == "bin" and len(raw) != size:
            raise UnusableError(f"{path} must hold {size} bytes, not {len(raw)}")
        return raw if kind == "bin" else _from_hex(raw, sequence, path)
    raise UnusableError(f"{root} must hold {sequence.id}/{step.id}/after.bin or .hex")


def _from_hex(raw: bytes, sequence: SequenceEntry, path: Path) -> bytes:
    try:
        words = from_hex(raw.decode("ascii"), sequence.memory_words, 8 * sequence.word_bytes)
    except UnknownBitsError:
        raise
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error
    return np.ascontiguousarray(words).tobytes()
