"""An ONNX file without the numbers of its weights.

A model is a protobuf message; its weights are fields of it, often all but a fraction of the file.
``without_weights`` maps the file into memory, walks the fields from the model to its tensors by
their numbers (onnx/onnx.proto), and leaves out the content of tensors above ``MOST_KEPT`` bytes;
small ones stay, as they may be shapes. What is left is a message that the ``onnx`` package reads.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hwsim.io.files import opened, reason

MOST_KEPT = 4096
"""Bytes of a tensor's content that are kept: ours; a shape has 8 bytes per size."""
MOST_BYTES = 256 * 2**20
"""Bytes that may be left of a file without its weights: ours."""
MOST_DEPTH = 64
"""Messages within messages: ours, below what the onnx package accepts."""

Path_: TypeAlias = Mapping[int, str]
FIELDS: Mapping[str, Path_] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Which fields lead from a message to tensors, and to which kind of message."""
CONTENT = frozenset({4, 5, 6, 7, 9, 10, 11})
"""Fields of a tensor that hold its numbers."""


class _Field(NamedTuple):
    """Where a field of a message is: its start, its content, and the byte after it."""

    number: int
    wire: int
    start: int
    content: int
    end: int


def without_weights(path: str | Path) -> bytes:
    """The message in a file, contents of large tensors left out; ``ValueError`` if it is none."""
    try:
        with opened(path) as stream:
            if not stream.seek(0, 2):
                raise ValueError(f"ONNX file {path} must hold a model, not be empty")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return b"".join(_slim(content, 0, len(content), "model", str(path)))
    except OSError as error:
        raise ValueError(f"ONNX file {path} must be readable: {reason(error)}") from error


def _slim(content: mmap.mmap, start: int, end: int, kind: str, path: str) -> list[bytes]:
    """Pieces of one message, in order, without what is left out."""
    pieces: list[bytes] = []
    _append(pieces, content, start, end, kind, path, 0)
    if sum(map(len, pieces)) > MOST_BYTES:
        raise ValueError(
            f"ONNX file {path} must have at most {MOST_BYTES:,} bytes beside its weights"
        )
    return pieces


def _append(
    pieces: list[bytes],
    content: mmap.mmap,
    start: int,
    end: int,
    kind: str,
    path: str,
    depth: int,
) -> None:
    if depth > MOST_DEPTH:
        raise ValueError(f"ONNX file {path} must nest at most {MOST_DEPTH} messages")
    for field in _fields(content, start, end, path):
        inner = FIELDS[kind].get(field.number) if field.wire == 2 else None
        if kind == "tensor" and field.number in CONTENT and field.wire == 2:
            if field.end - field.content <= MOST_KEPT:
                pieces.append(content[field.start : field.end])
        elif inner is None:
            _check_size(field.end - field.start, path)
            pieces.append(content[field.start : field.end])
        else:
            nested: list[bytes] = []
            _append(nested, content, field.content, field.end, inner, path, depth + 1)
            pieces.append(_varint(field.number << 3 | 2) + _varint(sum(map(len, nested))))
            pieces.extend(nested)


def _check_size(size: int, path: str) -> None:
    if size > MOST_BYTES:
        raise ValueError(
            f"ONNX file {path} must have at most {MOST_BYTES:,} bytes beside its weights"
        )


def _fields(content: mmap.mmap, start: int, end: int, path: str) -> Iterator[_Field]:
    at = start
    while at < end:
        begin = at
        tag, at = _read_varint(content, at, end, path)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            inside = at
            _, at = _read_varint(content, at, end, path)
        elif wire in {1, 5}:
            inside, at = at, at + (8 if wire == 1 else 4)
        elif wire == 2:
            size, inside = _read_varint(content, at, end, path)
            at = inside + size
        else:
            raise ValueError(
                f"ONNX file {path} must be a protobuf message, which byte {begin} is not"
            )
        if at > end or not number:
            raise ValueError(
                f"ONNX file {path} must be complete: what begins at byte {begin} passes its end"
            )
        yield _Field(number, wire, begin, inside, at)


def _read_varint(content: mmap.mmap, at: int, end: int, path: str) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError(f"ONNX file {path} must be complete: a number that ends at byte {at} is not")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
