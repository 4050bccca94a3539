"""The cone of one element: what it is computed of, step by step, with the device's values beside.

For an accumulator: every tap in the declared order with its operands, product and partial sum, the
K tile and the pass of the array. For any other stage: the elements of the stages before it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import (
    Convolution,
    convolutions_of,
    geometry,
    input_of,
    zeros_of,
)
from refimpl.vectors.local import steps_of

Index = tuple[int, ...]


class Tap(NamedTuple):
    """One product of an accumulator: where it reads, its operands, the sum after it, the tile.

    ``at`` is the index in what is convolved, or None in the padding. ``x`` is the stored number.
    """

    number: int
    weight_at: Index
    at: Index | None
    x: Any
    weight: Any
    product: Any
    partial: Any
    tile: int


class Operand(NamedTuple):
    """An element that another one is computed of; ``device`` is None where it left none."""

    name: str
    at: Index
    golden: Any
    device: Any


class Cone(NamedTuple):
    """What one element of a stage is computed of."""

    stage: str
    at: Index
    operands: tuple[Operand, ...]
    taps: tuple[Tap, ...]

    @property
    def text(self) -> str:
        """Lines for a terminal."""
        head = f"{self.stage}{list(self.at)} is computed of"
        lines = [head, *(_operand_line(each) for each in self.operands)]
        if self.taps:
            lines.append("  k    weight         input          x       w     product     partial")
        lines += [_tap_line(tap) for tap in self.taps]
        return "\n".join(lines)


def cone(
    case: Case,
    golden: Mapping[str, Array],
    stage: str,
    index: Index,
    device: Mapping[str, Array] | None = None,
) -> Cone:
    """The cone of ``stage[index]``; ``golden`` and ``device`` hold arrays by name."""
    arrays = {**case.tensors, **golden}
    for each in convolutions_of(case.operator):
        if stage == f"{each.prefix}accumulator":
            taps = _taps(each, arrays, case.attributes, index)
            return Cone(stage=stage, at=index, operands=(), taps=tuple(taps))
    step = steps_of(case).get(stage)
    names = () if step is None else step.needs
    found = []
    for name in names:
        at = _operand_index(name, arrays, stage, index, case)
        if at is not None:
            theirs = None if device is None or name not in device else device[name][at].item()
            found.append(Operand(name, at, arrays[name][at].item(), theirs))
    return Cone(stage=stage, at=index, operands=tuple(found), taps=())


def _taps(
    each: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any], index: Index
) -> Iterator[Tap]:
    """Products of the accumulator at (n, o, i, j), in the declared order."""
    n, o, i, j = index
    where, x, w = geometry(each, arrays, attributes), input_of(each, arrays), arrays[each.kernels]
    zeros = zeros_of(each, arrays, attributes)
    integer = np.issubdtype(x.dtype, np.integer)
    tile = attributes.get("k_tile", w[0].size)
    first = attributes.get("bias_at") == "first" and each.bias in arrays
    total = arrays[each.bias][o] if first else x.dtype.type(0)
    for number, (c, u, v) in enumerate(_order(w.shape, attributes.get("order", "cuv"))):
        row = i * where.stride[0] + u * where.dilation[0] - where.padding[0]
        column = j * where.stride[1] + v * where.dilation[1] - where.padding[1]
        inside = 0 <= row < x.shape[2] and 0 <= column < x.shape[3]
        stored = x[n, c, row, column] if inside else x.dtype.type(zeros[c])
        if integer:
            product: Any = (int(stored) - int(zeros[c])) * int(w[o, c, u, v])
            total = (int(total) + product + 2**31) % 2**32 - 2**31
        else:
            product = stored * w[o, c, u, v]
            total = total + product
        yield Tap(
            number,
            (o, c, u, v),
            (n, c, row, column) if inside else None,
            stored.item(),
            w[o, c, u, v].item(),
            product if integer else product.item(),
            total if integer else total.item(),
            number // tile,
        )


def _order(shape: Index, order: str) -> Iterator[Index]:
    _, channels, height, width = shape
    if order == "cuv":
        yield from np.ndindex(channels, height, width)
        return
    for u, v, c in np.ndindex(height, width, channels):
        yield c, u, v


def _operand_index(
    name: str, arrays: Mapping[str, Array], stage: str, index: Index, case: Case
) -> Index | None:
    """Where an elementwise stage reads one of its operands; None where that is no one element."""
    operand, of = arrays[name], arrays[stage]
    for each in convolutions_of(case.operator):
        if stage == f"{each.prefix}padded":
            return _unpadded(each, arrays, case.attributes, name, index)
    if operand.ndim == 1 and len(index) > 1:
        return (index[1] if len(operand) > 1 else 0,)
    if name == "x" and stage.endswith("shifted"):
        return _shifted_from(operand.shape, index, case.attributes)
    if name == "x" and stage.endswith("product"):
        return (index[0], index[1] % operand.shape[1], *index[2:])
    return index if operand.shape == of.shape else None


def _unpadded(
    each: Convolution,
    arrays: Mapping[str, Array],
    attributes: Mapping[str, Any],
    name: str,
    index: Index,
) -> Index | None:
    """The element that a padded input shows; None in the padding, and for what is not convolved."""
    if name not in each.sources:
        return None
    before = sum(arrays[other].shape[1] for other in each.sources[: each.sources.index(name)])
    padding, shape = geometry(each, arrays, attributes).padding, arrays[name].shape
    n, c, row, column = index[0], index[1] - before, index[2] - padding[0], index[3] - padding[1]
    inside = 0 <= c < shape[1] and 0 <= row < shape[2] and 0 <= column < shape[3]
    return (n, c, row, column) if inside else None


def _shifted_from(shape: Index, index: Index, attributes: Mapping[str, Any]) -> Index | None:
    """The pixel that a shifted copy shows; None outside a zero boundary."""
    reached = offsets([tuple(each) for each in attributes["directions"]], attributes["length"])
    offset = reached[index[1] // shape[1]]
    numbers = np.arange(1, shape[2] * shape[3] + 1).reshape(1, 1, *shape[2:])
    seen = int(shift(numbers, offset=offset, boundary=attributes["boundary"])[0, 0][index[2:]])
    if seen == 0:
        return None
    row, column = divmod(seen - 1, shape[3])
    return (index[0], index[1] % shape[1], row, column)


def _operand_line(each: Operand) -> str:
    theirs = "" if each.device is None else f", of the device {each.device}"
    return f"  {each.name}{list(each.at)} = {each.golden}{theirs}"


def _tap_line(tap: Tap) -> str:
    at = "padding" if tap.at is None else str(list(tap.at))
    return (
        f"  {tap.number:<4} {list(tap.weight_at)!s:<14} {at:<14} {tap.x!s:<7} {tap.weight!s:<5} "
        f"{tap.product!s:<11} {tap.partial}  (tile {tap.tile})"
    )
