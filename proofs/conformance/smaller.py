"""Cases with less in them: what is tried once Hypothesis can shrink a case no further.

Hypothesis makes numbers smaller one draw at a time. Taking a row, a channel or a direction out of
an image and its kernels at once is many draws, so it is done here: each of these steps leaves a
valid case, and the first that still differs is taken, until none does.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from proofs.conformance.contract import Arguments, Array

Steps = Callable[[Arguments], Iterator[Arguments]]


def shrunk(case: Arguments, differs: Callable[[Arguments], bool], steps: Steps) -> Arguments:
    """The smallest case that steps lead to while it still differs."""
    while (smaller := next(filter(differs, steps(case)), None)) is not None:
        case = smaller
    return case


def smaller(case: Arguments, fixed: Mapping[str, Any]) -> Iterator[Arguments]:
    """Every case with one thing less: a direction, a channel, a rim of kernels, a row, a number."""
    if "directions" not in fixed:
        yield from _without_a_direction(case)
    yield from _without_a_channel(case)
    if not {"side", "sides"} & set(fixed):
        yield from _with_points_for_kernels(case)
    for axis in (2, 3):
        yield from _without_a_line(case, axis)
    yield from _with_a_smaller_number(case)


def _without_a_direction(case: Arguments) -> Iterator[Arguments]:
    directions = case.get("directions", ())
    count = case["x"].shape[1]
    for place in range(len(directions) if len(directions) > 1 else 0):
        left = (*directions[:place], *directions[place + 1 :])
        gone = np.arange(place * count, (place + 1) * count)
        yield {**case, "directions": left, "w": np.delete(case["w"], gone, axis=1)}


def _without_a_channel(case: Arguments) -> Iterator[Arguments]:
    """Channel c of the image goes, and of all kernels every channel that multiplies it."""
    count = case["x"].shape[1]
    for channel in range(count if count > 1 else 0):
        kernels = {
            name: np.delete(value, np.arange(channel, value.shape[1], count), axis=1)
            for name, value in _kernels(case).items()
        }
        yield {**case, **kernels, "x": np.delete(case["x"], channel, axis=1)}


def _with_points_for_kernels(case: Arguments) -> Iterator[Arguments]:
    middles = {}
    for name, value in _kernels(case).items():
        rim = value.shape[2] // 2
        middles[name] = value[:, :, rim : rim + 1, rim : rim + 1].copy()
    if any(value.shape[2] > 1 for value in _kernels(case).values()):
        yield {**case, **middles}


def _without_a_line(case: Arguments, axis: int) -> Iterator[Arguments]:
    x = case["x"]
    for line in range(x.shape[axis] if x.shape[axis] > 1 else 0):
        yield {**case, "x": np.delete(x, line, axis=axis)}


def _with_a_smaller_number(case: Arguments) -> Iterator[Arguments]:
    for name, value in {"x": case["x"], **_kernels(case)}.items():
        for place in zip(*np.nonzero(value), strict=True):
            for less in (0, 1):
                if value[place] > less or value[place] < 0:
                    yield {**case, name: _put(value, place, less)}


def _put(value: Array, place: tuple[Any, ...], number: int) -> Array:
    changed = value.copy()
    changed[place] = number
    return changed


def _kernels(case: Arguments) -> dict[str, Array]:
    return {
        name: value
        for name, value in case.items()
        if name in {"w", "w_c", "w_a"} and value.ndim == 4
    }
