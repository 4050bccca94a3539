"""The cone of one element: what it is computed of, step by step, with the device's values beside.

For a sum: every term in the declared order with its operands, product and partial sum, the K tile
or pass of the array. For any other stage: the elements of the stages before it, and so back through
those that the device did not leave, until each is a sum, an input, or many elements.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import (
    Convolution,
    convolutions_of,
    geometry,
    input_of,
    padded_input,
    zeros_of,
)
from refimpl.vectors.formats import format_of, values_of
from refimpl.vectors.local import steps_of
from refimpl.vectors.softmax_steps import QKV, SOFTMAX
from refimpl.vectors.step import Step
from refimpl.vectors.sums import is_integer, sums_by_tap, taps_in_order
from refimpl.vectors.terms import Factor, Terms, numbers, partial_sums, terms_of

Index = tuple[int, ...]
IMAGE = "nchw"
MOST_ALIKE = 8  # ours: elements of one stage, as of eight directions, that are each gone back from


class Tap(NamedTuple):
    """One product of an accumulator: where it reads, its operands, the sum after it, the tile.

    ``at`` is the index in what is convolved, or None in the padding. ``x`` is the stored number;
    ``product`` is exact, before any rounding.
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
    factors: tuple[str, str] = ("weight", "input")
    before: tuple["Cone", ...] = ()

    @property
    def text(self) -> str:
        """Lines for a terminal, of this element alone."""
        head = f"{self.stage}{list(self.at)} is computed of"
        lines = [head, *(_operand_line(each) for each in self.operands)]
        if self.taps:
            lines.append(_heading(*self.factors))
        lines += [_tap_line(tap) for tap in self.taps]
        return "\n".join(lines)


def cone(
    case: Case,
    golden: Mapping[str, Array],
    stage: str,
    index: Index,
    device: Mapping[str, Array] | None = None,
) -> Cone:
    """The cone of ``stage[index]``; ``golden`` and ``device`` hold arrays by name.

    ``before`` holds the cones of what it is computed of, nearest first, back to the sums.
    """
    arrays = {**case.tensors, **golden}
    first = _one(case, arrays, stage, index, device or {})
    steps = steps_of(case)
    seen, waiting = {(stage, index)}, list(_unseen(first, steps))
    before = []
    while waiting:
        at = waiting.pop(0)
        if at in seen:
            continue
        seen.add(at)
        found = _one(case, arrays, *at, device or {})
        before.append(found)
        waiting += _unseen(found, steps)
    return first._replace(before=tuple(before))


def _unseen(of: Cone, steps: Mapping[str, Step]) -> Iterator[tuple[str, Index]]:
    """Elements of stages that the device did not leave; not those of a whole row or channel."""
    names = [each.name for each in of.operands]
    for each in of.operands:
        few = names.count(each.name) <= MOST_ALIKE
        if each.name in steps and each.device is None and few:
            yield each.name, each.at


def _one(
    case: Case,
    arrays: Mapping[str, Array],
    stage: str,
    index: Index,
    device: Mapping[str, Array],
) -> Cone:
    """The cone of one element, without those before it."""
    for each in convolutions_of(case):
        whole = stage == f"{each.prefix}output" and f"{each.prefix}accumulator" not in arrays
        if stage == f"{each.prefix}accumulator" or whole:
            taps = _taps(each, arrays, case, index)
            return Cone(stage=stage, at=index, operands=(), taps=tuple(taps))
    terms = terms_of(case, arrays, stage, index)
    if terms is not None:
        factors = (terms.left.name, "1" if terms.right is None else terms.right.name)
        return Cone(stage, index, (), tuple(_products(terms, arrays)), factors)
    step = steps_of(case).get(stage)
    names = () if step is None else step.needs
    found = []
    for name in names:
        for at in _operand_indices(name, arrays, stage, index, case):
            theirs = value_of(device[name][at]) if name in device else None
            found.append(Operand(name, at, value_of(arrays[name][at]), theirs))
    return Cone(stage=stage, at=index, operands=tuple(found), taps=())


def _products(terms: Terms, arrays: Mapping[str, Array]) -> Iterator[Tap]:
    """Terms of a sum as taps: the left factor in place of a weight."""
    count = len(terms.left.places)
    left, right = (numbers(terms, factor, arrays) for factor in (terms.left, terms.right))
    partials, size = partial_sums(terms, arrays), terms.declared.pass_terms or count
    for number in range(count):
        yield Tap(
            number,
            _place(terms.left, arrays, number) or (),
            None if terms.right is None else _place(terms.right, arrays, number),
            _plain(right[number]),
            _plain(left[number]),
            _plain(left[number] * right[number]),
            value_of(partials[number]),
            number // size,
        )


def _place(factor: Factor, arrays: Mapping[str, Array], number: int) -> Index | None:
    place = int(factor.places[number])
    if place == 0:
        return None
    return tuple(int(at) for at in np.unravel_index(place - 1, arrays[factor.name].shape))


def _plain(number: Any) -> Any:
    """A binary64 number, as an integer where it is one."""
    return int(number) if float(number).is_integer() else float(number)


def _taps(
    each: Convolution, arrays: Mapping[str, Array], case: Case, index: Index
) -> Iterator[Tap]:
    """Products of the accumulator at (n, o, i, j), in the declared order."""
    n, o, i, j = index
    attributes, w = case.attributes, arrays[each.kernels]
    where, x = geometry(each, arrays, attributes), input_of(each, arrays, attributes)
    zeros, w_zero = zeros_of(each, arrays, attributes), attributes.get("w_zero", 0)
    name = f"{each.prefix}padded"
    known = {**arrays, name: padded_input(each, arrays, attributes)}
    partials = sums_by_tap(each, case, known, index)
    record = attributes.get("accumulator" if is_integer(case) else "accumulation") or {}
    tile = attributes.get("k_tile") or record.get("pass_terms") or w[0].size
    first = o * groups_of(attributes) // len(w) * w.shape[1]  # channel of the output's group
    for number, flat in enumerate(taps_in_order(each, arrays, case).tolist()):
        c, u, v = (int(at) for at in np.unravel_index(flat, w.shape[1:]))
        row = i * where.stride[0] + u * where.dilation[0] - where.padding[0]
        column = j * where.stride[1] + v * where.dilation[1] - where.padding[1]
        inside = 0 <= row < x.shape[2] and 0 <= column < x.shape[3]
        zero = int(zeros[first + c])
        stored = value_of(x[n, first + c, row, column]) if inside else zero
        weight = value_of(w[o, c, u, v])
        yield Tap(
            number,
            (o, c, u, v),
            (n, first + c, row, column) if inside else None,
            stored,
            weight,
            (stored - zero) * (weight - w_zero),
            value_of(partials[number]),
            number // tile,
        )


def value_of(element: Any) -> Any:
    """An element's value as a Python number."""
    one = np.asarray(element)
    number = values_of(one.reshape(1), format_of(one.reshape(1)))[0]
    return int(number) if not format_of(one.reshape(1)).floating else float(number)


def _operand_indices(
    name: str, arrays: Mapping[str, Array], stage: str, index: Index, case: Case
) -> list[Index]:
    """Every element of an operand that a stage reads; none of tables, nor of what only masks."""
    masks = stage in SOFTMAX and (name in QKV or (name == "scores" and "scaled_scores" in arrays))
    if name.endswith("table") or masks:
        return []
    shape = arrays[name].shape
    if stage == "row_maximum":
        return [(*index[:-1], t) for t in range(shape[-1])]
    if stage.endswith("dx_accumulator") and name.endswith(("here", "there")):
        step = arrays[stage].shape[1]
        return [(index[0], c, *index[2:]) for c in range(index[1], shape[1], step)]
    if stage.endswith(("mean", "var")) and len(shape) == len(IMAGE) and len(index) == 1:
        pixels = np.ndindex(shape[0], *shape[2:])
        return [(n, index[0], i, j) for n, i, j in pixels]
    one = _operand_index(name, arrays, stage, index, case)
    return [] if one is None else [one]


def _operand_index(
    name: str, arrays: Mapping[str, Array], stage: str, index: Index, case: Case
) -> Index | None:
    """Where an elementwise stage reads one of its operands; None where that is no one element."""
    operand, of = arrays[name], arrays[stage]
    for each in convolutions_of(case):
        if stage == f"{each.prefix}padded":
            return _unpadded(each, arrays, case.attributes, name, index)
    if operand.ndim == 1 and len(index) > 1:
        return (index[1] if len(operand) > 1 else 0,)
    if name == "x" and stage.endswith("shifted"):
        return _shifted_from(operand.shape, index, case.attributes)
    if len(operand.shape) == len(index) and operand.shape == (*of.shape[:-1], 1):
        return (*index[:-1], 0)
    if name == "x" and stage.endswith(("product", "there")):
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


def _heading(left: str, right: str) -> str:
    return f"  k    {left:<14} {right:<14} {'x':<7} {'w':<5} {'product':<11} partial"


def _tap_line(tap: Tap) -> str:
    at = "padding" if tap.at is None else str(list(tap.at))
    return (
        f"  {tap.number:<4} {list(tap.weight_at)!s:<14} {at:<14} {tap.x!s:<7} {tap.weight!s:<5} "
        f"{tap.product!s:<11} {tap.partial}  (tile {tap.tile})"
    )
