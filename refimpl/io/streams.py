"""Golden and device files side by side, a run of elements at a time, in bounded memory.

A ``.npy`` is compared with the golden ``.npy``, a ``.bin`` or ``.hex`` with the golden one in the
same layout; only where the set lacks that one, or a dump has its words in another order, is a whole
tensor in memory. The golden file's SHA-256 is taken as it is read, and judged at the end.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import Bound
from refimpl.io.device import read_device
from refimpl.io.files import UnusableError, inside, opened
from refimpl.io.sets import changed, listed, read_tensor
from refimpl.vectors.chunks import Chunk
from refimpl.vectors.compare import Comparison, compare
from refimpl.vectors.dumps import Elements, elements_of
from refimpl.vectors.files.numpy_file import HEADER_BYTES, npy_header
from refimpl.vectors.files.readmem import (
    PIECE,
    Dump,
    Run,
    Undriven,
    from_plain_hex,
    in_order,
    placed,
    runs_of,
)
from refimpl.vectors.files.words import from_words
from refimpl.vectors.formats import must_fit
from refimpl.vectors.layouts import to_physical
from refimpl.vectors.manifest import Tensor, VectorFile
from refimpl.vectors.physical import Physical

STEP = 2**18  # ours: elements side by side; a few megabytes whatever the file's size


class Reading(NamedTuple):
    """Runs of elements, and whether they come in logical order."""

    runs: Iterator[Elements]
    logical: bool


class Bounding(NamedTuple):
    """Tensors of the manifest that hold reference and bound of an output."""

    reference: Tensor
    bound: Tensor


def compare_files(
    golden: Path,
    tensor: Tensor,
    device: tuple[Path, str],
    *,
    bounding: Bounding | Bound | None = None,
    advance: Callable[[int], None] = lambda _: None,
    step: int = STEP,
) -> Comparison:
    """Compare a device's file with the golden one, chunk by chunk.

    ``advance`` is told how many elements were compared. ``step`` is rounded to whole words.

    Raises
    ------
    UnusableError
        If either file is not what it must be.
    """
    path, kind = device
    of = tensor.physical
    run = max(of.lanes, step // of.lanes * of.lanes)
    theirs = _device_runs(path, kind, tensor, run)
    ours = _golden_runs(golden, tensor, run, logical=theirs.logical)
    limits = _bounds(golden, bounding, of, run, logical=theirs.logical)

    def chunks() -> Iterator[Chunk]:
        start = 0
        for mine, other, limit in zip(ours, theirs.runs, limits, strict=False):
            yield Chunk(start, mine, other.values, limit, other.undriven)
            start += len(mine)
            advance(len(mine))
        if bounding is not None:  # read to the end: only there are the hashes judged
            for _ in limits:
                pass

    return compare(chunks(), of, logical=theirs.logical)


def _device_runs(path: Path, kind: str, tensor: Tensor, run: int) -> Reading:
    of = tensor.physical
    if kind == "hex" and not _is_plain(path, of):
        return Reading(_dump_runs(path, of, run), logical=False)
    if kind == "npy":
        start, fortran = _npy_start(path, of)
        if fortran:
            runs = _sliced(read_device(path, kind, tensor).reshape(-1), run)
        else:
            runs = _npy_runs(path, of, start, run, None)
    else:
        if kind == "bin":
            _must_hold(path, of.words * of.word_bytes, of)
        runs = _word_runs(path, kind, of, run, None)
    return Reading((Elements(each) for each in runs), logical=kind == "npy")


def _golden_runs(golden: Path, tensor: Tensor, run: int, *, logical: bool) -> Iterator[Array]:
    of = tensor.physical
    kinds = {entry.kind for entry in tensor.files}
    physical = [kind for kind in ("bin", "hex") if kind in kinds]
    if not logical and not physical and not _in_order(of):
        return _sliced(to_physical(read_tensor(golden, tensor), of.layout), run)
    kind = "npy" if logical or not physical else physical[0]
    entry = listed(tensor, kind)
    path = inside(golden, entry.path)
    _must_be_of_size(golden, path, entry)
    if kind == "npy":
        return _npy_runs(path, of, _npy_start(path, of)[0], run, entry)
    return _word_runs(path, kind, of, run, entry)


def _bounds(
    golden: Path, bounding: Bounding | Bound | None, of: Physical, run: int, *, logical: bool
) -> Iterator[Bound | None]:
    if bounding is None:
        while True:
            yield None
    if isinstance(bounding, Bound):
        flat = [each.reshape(-1) if logical else to_physical(each, of.layout) for each in bounding]
        for reference, reach in zip(*(_sliced(each, run) for each in flat), strict=True):
            yield Bound(reference, reach)
        return
    read = [_golden_runs(golden, tensor, run, logical=logical) for tensor in bounding]
    for reference, reach in zip(*read, strict=True):
        yield Bound(reference, reach)


def _in_order(of: Physical) -> bool:
    """Whether physical and logical order are the same, without pads within."""
    digits = of.layout.digits
    plain = all(digit.block == 1 and not digit.lane for digit in digits)
    return plain and "".join(digit.letter for digit in digits) == of.layout.letters


def _npy_start(path: Path, of: Physical) -> tuple[int, bool]:
    """Where the elements of a .npy begin, its header and size checked."""
    try:
        with opened(path, f"{path} must be a readable file") as file:
            head = file.read(HEADER_BYTES)
            size = file.seek(0, 2)
    except OSError as error:
        raise UnusableError(f"{path} must be a readable file ({error.strerror})") from error
    try:
        start, fortran = npy_header(head, of.form, of.shape)
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error
    if size != start + int(np.prod(of.shape, dtype=np.int64)) * of.form.carrier_bits // 8:
        raise UnusableError(f"{path} must be a complete .npy file, and nothing after it")
    return start, fortran


def _npy_runs(
    path: Path, of: Physical, start: int, run: int, entry: VectorFile | None
) -> Iterator[Array]:
    size = of.form.carrier_bits // 8
    head, *body = [start, *_pieces(int(np.prod(of.shape, dtype=np.int64)), run, size)]
    for at, raw in enumerate(_pieces_of(path, [head, *body], entry)):
        if not at:
            continue
        elements = np.frombuffer(raw, of.form.dtype)
        try:
            must_fit(elements, of.form)
        except ValueError as error:
            raise UnusableError(f"{path} {error}") from error
        yield elements


def _word_runs(
    path: Path, kind: str, of: Physical, run: int, entry: VectorFile | None
) -> Iterator[Array]:
    """Runs of the elements of a .bin, or of a .hex of plain lines."""
    words = run // of.lanes
    line = -(-of.width_bits // 4) + 1
    size = of.word_bytes if kind == "bin" else line
    left = of.elements
    for raw in _pieces_of(path, _pieces(of.words, words, size), entry):
        if kind == "bin":
            packed = np.frombuffer(raw, np.uint8).reshape(-1, of.word_bytes)
        else:
            packed = _plain(path, raw, of)
        count = min(left, len(packed) * of.lanes)
        try:
            yield from_words(packed, of.form, of.lanes, count)
        except ValueError as error:
            raise UnusableError(f"{path} {error}") from error
        left -= count


def _pieces(count: int, run: int, size: int) -> list[int]:
    """Bytes of each piece of ``count`` items of ``size`` bytes, ``run`` at a time."""
    return [min(run, count - at) * size for at in range(0, count, run)]


def _pieces_of(path: Path, sizes: list[int], entry: VectorFile | None) -> Iterator[bytes]:
    """Pieces of a file; with an entry of the manifest, its SHA-256 is judged after the last."""
    digest = sha256()
    try:
        with opened(path, f"{path} must be a readable file") as file:
            for size in sizes:
                raw = _exactly(file, size, path)
                digest.update(raw)
                yield raw
    except OSError as error:
        raise UnusableError(f"{path} must be a readable file ({error.strerror})") from error
    if entry is not None and digest.hexdigest() != entry.sha256:
        raise changed(entry)


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    raw = file.read(size)
    if len(raw) != size:
        raise UnusableError(f"{path} must not become shorter while it is read")
    return raw


def _is_plain(path: Path, of: Physical) -> bool:
    """Whether a dump is exactly so many lines of exactly so many hex digits."""
    line = -(-of.width_bits // 4) + 1
    try:
        if path.stat().st_size != of.words * line:
            return False
    except OSError as error:
        raise UnusableError(f"{path} must be a readable file ({error.strerror})") from error
    pieces = _pieces_of(path, _pieces(of.words, STEP, line), None)
    try:
        return all(
            from_plain_hex(raw, of.width_bits, at * STEP) is not None
            for at, raw in enumerate(pieces)
        )
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error


def _dump_runs(path: Path, of: Physical, run: int) -> Iterator[Elements]:
    """Runs of the elements of a dump with comments, addresses, underscores, x or z.

    Only where its words are in another order than that of their addresses is it held whole.
    """
    words, left = run // of.lanes, of.elements
    for dump in _dumps(path, of, words):
        count = min(left, len(dump.words) * of.lanes)
        yield elements_of(dump, of, count)
        left -= count


def _dumps(path: Path, of: Physical, rows: int) -> Iterator[Dump]:
    try:
        if in_order(runs_of(_text_of(path), of.width_bits), of.words):
            yield from _regrouped(runs_of(_text_of(path), of.width_bits), rows)
            return
        whole = placed(list(runs_of(_text_of(path), of.width_bits)), of.words, of.width_bits)
    except UnusableError:
        raise
    except ValueError as error:
        raise UnusableError(f"{path} {error}") from error
    for at in range(0, of.words, rows):
        yield _part(whole, at, at + rows)


def _part(dump: Dump, start: int, end: int) -> Dump:
    undriven = dump.undriven
    if undriven is not None:
        undriven = Undriven(*(each[start:end] for each in undriven))
    return Dump(dump.words[start:end], undriven)


def _regrouped(runs: Iterator[Run], rows: int) -> Iterator[Dump]:
    """The words of runs one after another, so many at a time."""
    kept: list[Run] = []
    for each in runs:
        kept.append(each)
        if sum(len(run.words) for run in kept) >= rows:
            whole = _joined(kept)
            full = len(whole.words) // rows * rows
            for at in range(0, full, rows):
                yield _part(whole, at, at + rows)
            rest = _part(whole, full, len(whole.words))
            kept = [Run(each.end - len(rest.words), *rest, each.addressed)]
    if kept and len(kept[-1].words):
        yield _joined(kept)


def _joined(runs: list[Run]) -> Dump:
    words = np.concatenate([run.words for run in runs])
    if all(run.undriven is None for run in runs):
        return Dump(words, None)
    blank = [
        (np.zeros_like(run.words),) * 2 if run.undriven is None else run.undriven for run in runs
    ]
    return Dump(words, Undriven(*(np.concatenate(each) for each in zip(*blank, strict=True))))


def _text_of(path: Path) -> Iterator[bytes]:
    """A file's bytes, a piece at a time."""
    otherwise = f"{path} must be a readable file"
    with opened(path, otherwise) as file:
        try:
            while piece := file.read(PIECE):
                yield piece
        except OSError as error:
            raise UnusableError(f"{otherwise} ({error.strerror})") from error


def _plain(path: Path, raw: bytes, of: Physical) -> Array:
    words = from_plain_hex(raw, of.width_bits)
    if words is None:
        raise UnusableError(f"{path} must not change while it is read")
    return words


def _must_hold(path: Path, size: int, of: Physical) -> None:
    with opened(path, f"{path} must be a readable file") as file:
        found = file.seek(0, 2)
    if found != size:
        raise UnusableError(
            f"{path} must hold {of.words} words of {of.width_bits} bits, {size} bytes, not {found}"
        )


def _must_be_of_size(root: Path, path: Path, entry: VectorFile) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise UnusableError(
            f"{root} must hold {entry.path}, which its manifest lists ({error.strerror})"
        ) from error
    if found != entry.size_bytes:
        raise changed(entry)


def _sliced(whole: Array, run: int) -> Iterator[Array]:
    for at in range(0, len(whole), run):
        yield whole[at : at + run]
