"""Bands of rows in which a map is walked beside the array, and the rows that they read.

A band is as many rows as fit in the input buffer. A step that reads a map at several offsets loads,
for each band, every row that any of them touches once: the band and a halo. A circular shift reads
the rows at the other edge past an edge, a shift that stops there reads nothing.

    rows read = Σ_bands |∪_d (band + d)|          d: rows down, 0 among them if x itself is read

Source: derived; ``hwsim.execute.memory`` counts the same rows one by one.
"""

from collections.abc import Sequence

from hwsim.integers import chunks
from hwsim.machine import Machine


def band_rows(machine: Machine, row_elements: int, height: int) -> int:
    """Rows of so many numbers that fit in the input buffer, at least one."""
    room = machine.buffers.ifmap_bytes // machine.buffers.tiles_held[0] // machine.operand_bytes
    return max(1, min(height, room // row_elements))


def rows_read(height: int, band: int, reach: Sequence[int], *, circular: bool) -> int:
    """Rows that all bands read together, each row once per band.

    >>> rows_read(8, 2, (-1, 0, 1), circular=True), rows_read(8, 2, (-1, 0, 1), circular=False)
    (16, 14)
    """
    total, first = 0, 0
    for size in chunks(height, band):
        spans = [
            span
            for down in reach
            for span in _inside(first + down, size, height, circular=circular)
        ]
        total += _covered(spans)
        first += size
    return total


def _inside(first: int, size: int, height: int, *, circular: bool) -> list[tuple[int, int]]:
    """Runs of rows [start, end) of the image that ``size`` rows from ``first`` on are."""
    if not circular:
        start, end = max(0, first), min(height, first + size)
        return [(start, end)] if start < end else []
    start = first % height
    end = start + size
    return [(start, end)] if end <= height else [(start, height), (0, end - height)]


def _covered(spans: list[tuple[int, int]]) -> int:
    """Rows in at least one run."""
    covered, reached = 0, 0
    for start, end in sorted(spans):
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered
