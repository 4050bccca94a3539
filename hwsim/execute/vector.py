"""What the vector unit and the mover do, band by band.

A map (n, c, h, w) is walked in bands of as many rows as fit in the input buffer; each band loads
the rows it reads, once each, halo included. Other operands are walked in runs of as many numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hwsim.bands import band_rows
from hwsim.execute.measured import Measured
from hwsim.execute.memory import Memory
from hwsim.integers import chunks
from hwsim.lowering.graph import Operand, Step
from hwsim.lowering.views import Numbers, Windows
from hwsim.machine import Machine

FUNCTIONS: Mapping[str, Callable[..., Numbers]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "square": lambda a: a * a,
    "affine": lambda x, a, b: a * x + b,
    "relu": lambda x: np.where(x > 0, x, x * 0),
    "relu-gradient": lambda y, x: np.where(x > 0, y, y * 0),
    "divide": lambda a, b: a / b,
}
"""What each function of elements computes."""


def elements(step: Step, memory: Memory, machine: Machine, count: Measured) -> Numbers:
    """A function of elements, band by band."""
    apply = function_of(step)
    if not all(_is_map(operand, memory) for operand in step.reads):
        return _runs(step, [memory.read(operand) for operand in step.reads], machine, count)
    shapes = [_map_shape(operand, memory) for operand in step.reads]
    n, channels, height, width = shapes[0]
    rows = band_rows(machine, n * channels * width, height)
    bands, first = [], 0
    for size in chunks(height, rows):
        wanted = list(range(first, first + size))
        touched: set[tuple[str, int]] = set()
        reads = [_band(operand, memory, wanted, touched) for operand in step.reads]
        made = apply(*reads)
        count.loaded += sum(_row_size(memory, name) for name, _ in touched)
        count.operations += made.size
        count.stored += made.size
        bands.append(made)
        first += size
    return np.concatenate(bands, axis=2)


def function_of(step: Step) -> Callable[..., Numbers]:
    """What a step of elements computes, its constants filled in."""
    if step.function == "scale":
        factor = step.attributes["factor"]
        return lambda x: x * factor
    if step.function == "root-inverse":
        eps = step.attributes["eps"]
        return lambda x: 1 / np.sqrt(x + eps)
    return FUNCTIONS[step.function]


def total(step: Step, x: Numbers, count: Measured) -> Numbers:
    """Sum over axes that stay with size 1, one index of the first of them after another."""
    axes: Sequence[int] = step.attributes["axes"]
    first, *rest = axes
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    sums = np.zeros(shape, x.dtype)
    for index in range(x.shape[first]):
        part = np.take(x, [index], axis=first)
        sums = sums + part.sum(axis=tuple(rest), keepdims=True) if rest else sums + part
        count.operations += part.size
    count.loaded += x.size
    count.stored += sums.size
    return sums


def fold(step: Step, x: Numbers, count: Measured) -> Numbers:
    """Windows (n, c, places, i, j) added up where they overlap, place after place."""
    windows: Windows = step.attributes["windows"]
    n, channels, height, width = step.attributes["image"]
    image = windows.padded(np.zeros((n, channels, height, width), x.dtype))
    for place, seen in enumerate(windows.places()):
        part = x.reshape(n, channels, -1, *windows.output)[:, :, place]
        image[seen] = image[seen] + part
        count.operations += part.size
    count.loaded += x.size
    (top, left), made = windows.padding, image
    made = image[:, :, top : top + height, left : left + width]
    count.stored += made.size
    return made


def softmax(step: Step, x: Numbers, machine: Machine, count: Measured) -> Numbers:
    """Softmax over the last axis, some rows at a time; places outside the image get nothing."""
    inside = np.ones(x.shape, bool)
    if step.attributes["inside"] is not None:
        windows, (height, width) = step.attributes["inside"]
        seen = windows.read(np.ones((1, 1, height, width), bool))
        inside = np.broadcast_to(seen.transpose(0, 1, 3, 4, 2), x.shape)
    cols = x.shape[-1]
    lines, there = x.reshape(-1, cols), inside.reshape(-1, cols)
    soft, first = [], 0
    for size in chunks(len(lines), band_rows(machine, cols, len(lines))):
        part, kept = lines[first : first + size], there[first : first + size]
        known = np.where(kept, part, part[:, cols // 2, None])
        raised = np.where(kept, np.exp(known - known.max(axis=1, keepdims=True)), 0)
        soft.append(raised / raised.sum(axis=1, keepdims=True))
        count.operations += part.size
        count.loaded += part.size
        count.stored += part.size
        first += size
    return np.concatenate(soft).reshape(x.shape)


def copied_shift(name: str, memory: Memory, machine: Machine, count: Measured) -> Numbers:
    """A shifted map written down, band by band, where the machine shifts by copying."""
    source = memory.shifted[name].source
    n, channels, height, width = memory.tensors[source].shape
    bands, first = [], 0
    for size in chunks(height, band_rows(machine, n * channels * width, height)):
        touched: set[tuple[str, int]] = set()
        made = memory.rows(name, list(range(first, first + size)), touched)
        count.loaded += sum(_row_size(memory, each) for each, _ in touched)
        count.stored += made.size
        bands.append(made)
        first += size
    return np.concatenate(bands, axis=2)


def _runs(step: Step, reads: list[Numbers], machine: Machine, count: Measured) -> Numbers:
    apply, shape = function_of(step), reads[0].shape
    flat = [np.ascontiguousarray(read).reshape(-1) for read in reads]
    made, first = [], 0
    for size in chunks(flat[0].size, band_rows(machine, 1, flat[0].size)):
        part: Any = apply(*(each[first : first + size] for each in flat))
        count.operations += part.size
        count.loaded += part.size * len(flat)
        count.stored += part.size
        made.append(part)
        first += size
    return np.concatenate(made).reshape(shape)


def _is_map(operand: Operand, memory: Memory) -> bool:
    plain = not operand.views and not any(views for _, views in operand.parts)
    return plain and len(_map_shape(operand, memory)) == 4


def _map_shape(operand: Operand, memory: Memory) -> tuple[int, ...]:
    shapes = [_shape(memory, name) for name, _ in operand.parts]
    first = shapes[0]
    return (first[0], sum(shape[1] for shape in shapes), *first[2:])


def _shape(memory: Memory, name: str) -> tuple[int, ...]:
    while name in memory.shifted and name not in memory.tensors:
        name = memory.shifted[name].source
    return memory.tensors[name].shape


def _band(
    operand: Operand, memory: Memory, wanted: list[int], touched: set[tuple[str, int]]
) -> Numbers:
    parts = [memory.rows(name, wanted, touched) for name, _ in operand.parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _row_size(memory: Memory, name: str) -> int:
    n, channels, _, width = memory.tensors[name].shape
    return n * channels * width
