"""Domains: the finite sets of cases that claims are decided on, in a stated order."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

Case: TypeAlias = Mapping[str, Any]
Domain: TypeAlias = Iterable[Case]


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of the values on each axis, last axis fastest."""

    axes: Mapping[str, Iterable[Any]]

    def __iter__(self) -> Iterator[Case]:
        points = product(*self.axes.values())
        return (dict(zip(self.axes, point, strict=True)) for point in points)


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases that ``generate()`` yields, made afresh each time they are wanted."""

    generate: Callable[[], Iterable[Case]]

    def __iter__(self) -> Iterator[Case]:
        return iter(self.generate())


def grid(**axes: Iterable[Any]) -> Grid:
    """Build a domain from one iterable per argument of the predicate."""
    return Grid(axes)


def plain(value: Any) -> Any:
    """Turn a case, or a value of one, into what JSON can hold."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Fraction) else value


def written(case: Case) -> str:
    """Write a case on one line: ``image=(1, 1), stride=2``."""
    return ", ".join(f"{key}={value}" for key, value in case.items()) or "the only case"
