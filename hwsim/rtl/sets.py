"""A set of golden vectors as a device sees it: the manifest, and words of hex files.

Only what a device needs is read here: sizes, attributes, inputs, and in which order the words of
each tensor lie. What is right is not read at all; ``refimpl check`` judges.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hwsim.checks import one_of
from hwsim.io.files import opened

Words: TypeAlias = NDArray[np.int64]
UNDRIVEN = 1 << 62  # a word with bits that no one drove; no word of ours is as wide
UNWRITTEN = 0xDEADBEEF  # what memory holds before the device writes, cut to the word


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An array of a case: its axes in the order of the words, and how wide those are."""

    name: str
    role: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    bits: int
    hex_file: Path

    def read(self) -> Words:
        """The logical array, as signed integers."""
        with opened(self.hex_file) as stream:
            words = np.array([int(word, 16) for word in stream.read().decode("ascii").split()])
        signed = np.where(words >> (self.bits - 1), words - (1 << self.bits), words)
        physical = signed.reshape([self.shape[axis] for axis in self.axes])
        return physical.transpose(np.argsort(self.axes)).astype(np.int64)

    def lines(self, words: Words) -> str:
        """Text of a hex file: a logical array in the order of the layout, as two's complement.

        A word of ``UNDRIVEN`` becomes x digits.
        """
        digits, mask = -(-self.bits // 4), (1 << self.bits) - 1
        ordered = words.reshape(self.shape).transpose(self.axes).reshape(-1)
        return "".join(
            ("x" * digits if word == UNDRIVEN else f"{word & mask:0{digits}x}") + "\n"
            for word in ordered.tolist()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operator call of a set."""

    id: str
    operator: str
    arithmetic: str
    attributes: dict[str, Any]
    tensors: dict[str, Tensor]

    def input(self, name: str) -> Words:
        """An input by its name, as a logical array of signed integers."""
        return self.tensors[name].read()

    @property
    def results(self) -> dict[str, Tensor]:
        """Stages and output: what a device may leave."""
        return {n: t for n, t in self.tensors.items() if t.role in {"stage", "output"}}


def read_set(root: Path) -> dict[str, Case]:
    """Cases of a set by their ids, in order.

    Raises
    ------
    ValueError
        If there is no manifest, or its tensors have no hex files.
    """
    path = root / "manifest.json"
    try:
        with opened(path) as stream:
            manifest = json.loads(stream.read().decode("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{root} must be a set of vectors with a manifest.json") from error
    return {entry["id"]: _case(root, entry) for entry in manifest["cases"]}


def leave(root: Path, case: Case, tensor: str, words: Words) -> None:
    """Write what a device answered as ``root``/<case>/<tensor>.hex, in the layout of the set."""
    place = root / case.id
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{tensor}.hex").write_text(case.tensors[tensor].lines(words), "ascii")


def chosen(cases: dict[str, Case], names: tuple[str, ...]) -> dict[str, Case]:
    """The named cases, all if none is named; ``ValueError`` for a name there is not."""
    for name in names:
        one_of("case", name, tuple(cases))
    return {name: cases[name] for name in names or cases}


def _case(root: Path, entry: dict[str, Any]) -> Case:
    tensors = {each["name"]: _tensor(root, each) for each in entry["tensors"]}
    return Case(
        id=entry["id"],
        operator=entry["operator"],
        arithmetic=entry["arithmetic"]["name"],
        attributes=entry["attributes"],
        tensors={name: tensor for name, tensor in tensors.items() if tensor is not None},
    )


def _tensor(root: Path, entry: dict[str, Any]) -> Tensor | None:
    """A tensor with a hex file; references and bounds of fp32 cases have none."""
    if entry["role"] in {"reference", "bound"}:
        return None
    files = {each["kind"]: each["path"] for each in entry["files"]}
    if "hex" not in files:
        raise ValueError(
            f"tensor {entry['name']} must have a .hex file: write it with --files npy,hex"
        )
    return Tensor(
        name=entry["name"],
        role=entry["role"],
        shape=tuple(entry["shape"]),
        axes=_order(entry["layout"]),
        bits=entry["word_bits"],
        hex_file=root / files["hex"],
    )


def _order(layout: dict[str, Any]) -> tuple[int, ...]:
    """Axes of the logical array in the order of the words."""
    letters, digits = layout["axes"], layout["digits"].split()
    if layout["lanes"] != 1 or layout["skewed"] or sorted(digits) != sorted(letters):
        raise ValueError(
            f"layout must be a permutation of axes with one element a word, such as nchw or nhwc, "
            f"not {layout['name']} of {layout['lanes']} lanes"
        )
    return tuple(letters.index(digit) for digit in digits)
