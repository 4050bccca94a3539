"""Tensors in DRAM, and which rows of them a band of rows reads.

A shifted map need not exist: where the machine shifts by address it is another way to read its
source. Row r of it is row r + d of the source, modulo the height if the shift is circular: the
first band of a map shifted up reads the last rows of the image.
"""

from typing import NamedTuple

import numpy as np

from hwsim.lowering.graph import Operand
from hwsim.lowering.views import Numbers, read_through


class Shifted(NamedTuple):
    """A map that is read ``down`` and ``right`` pixels away in the tensor ``source``."""

    source: str
    down: int
    right: int
    circular: bool


class Memory:
    """Tensors by name, those that only exist as addresses among them."""

    def __init__(self, given: dict[str, Numbers]) -> None:
        self.tensors: dict[str, Numbers] = dict(given)
        self.shifted: dict[str, Shifted] = {}

    def read(self, operand: Operand) -> Numbers:
        """The whole operand."""
        parts = [read_through(views, self.whole(name)) for name, views in operand.parts]
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return read_through(operand.views, joined)

    def whole(self, name: str) -> Numbers:
        """A whole tensor, row by row if it is a shifted one."""
        if name in self.tensors:
            return self.tensors[name]
        height = self._height(name)
        return self.rows(name, list(range(height)), set())

    def rows(self, name: str, wanted: list[int], touched: set[tuple[str, int]]) -> Numbers:
        """Some rows of a map (n, c, h, w); ``touched`` gathers what is read for them in DRAM."""
        if name in self.tensors:
            touched.update((name, row) for row in wanted)
            return self.tensors[name][:, :, wanted]
        source, down, right, circular = self.shifted[name]
        height = self._height(source)
        reached = [row + down for row in wanted]
        if circular:
            lines = self.rows(source, [row % height for row in reached], touched)
            return np.roll(lines, -right, axis=3)
        inside = [0 <= row < height for row in reached]
        read = [row for row, there in zip(reached, inside, strict=True) if there]
        lines = self.rows(source, read, touched)
        made = np.zeros((*lines.shape[:2], len(wanted), lines.shape[3]), lines.dtype)
        width = lines.shape[3]
        kept = slice(max(0, -right), max(0, width - max(0, right)))
        seen = slice(max(0, right), max(0, width + min(0, right)))
        made[:, :, inside, kept] = lines[:, :, :, seen]
        return made

    def _height(self, name: str) -> int:
        if name in self.tensors:
            return self.tensors[name].shape[2]
        return self._height(self.shifted[name].source)
