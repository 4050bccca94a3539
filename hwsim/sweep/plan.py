"""What a sweep asks: machines of a grid times layers of some networks, in a fixed order.

A *point* is one convolution, or matrix product, of one network on one machine. Point p is layer
p mod L on machine p div L, so any stretch of points can be computed by itself. The machines of a
grid are the first base in every combination of the varied values, the last key fastest, then the
second base; they are built, and with that checked, before anything runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from hashlib import sha256
from math import prod
from typing import Any, NamedTuple, TypeAlias

from hwsim.machine import Machine
from hwsim.networks import Network
from hwsim.workload import Convolution

Value: TypeAlias = int | str | bool | Fraction
MOST_MACHINES = 10**6
"""Machines that a grid may have: ours, so that they fit into memory."""


class Point(NamedTuple):
    """A layer of a sweep: where it is from, and what is multiplied."""

    network: str
    stage: str
    form: str
    batch: int
    layer: str
    primitive: str
    conv: Convolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Bases, what is varied on each of them, and the layers."""

    bases: tuple[Machine, ...]
    varied: tuple[tuple[str, tuple[Value, ...]], ...]
    layers: tuple[Point, ...]
    networks: int
    """Whole networks that the layers are of: one for every form, batch and image."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Dotted keys of the varied constants."""
        return tuple(key for key, _ in self.varied)

    @property
    def variants(self) -> int:
        """Machines made of each base."""
        return prod(len(values) for _, values in self.varied)

    @property
    def machines(self) -> int:
        """Machines in all."""
        return len(self.bases) * self.variants

    @property
    def points(self) -> int:
        """Layers times machines."""
        return self.machines * len(self.layers)

    def values_of(self, number: int) -> tuple[Value, ...]:
        """The varied values of a machine, by its number."""
        rest, found = number % self.variants, []
        for _, values in reversed(self.varied):
            rest, at = divmod(rest, len(values))
            found.append(values[at])
        return tuple(reversed(found))

    def machine(self, number: int) -> Machine:
        """A machine of the grid, by its number."""
        made = self.bases[number // self.variants]
        for key, value in zip(self.keys, self.values_of(number), strict=True):
            made = _with(made, key, value)
        return made

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides a row: the same for equal plans, and only for them."""
        return sha256(repr((self.bases, self.varied, self.layers)).encode()).hexdigest()


def plan(
    bases: Sequence[Machine],
    varied: Mapping[str, Sequence[Value]],
    networks: Sequence[Network],
) -> Plan:
    """Check a grid and put it in order.

    Raises ``ValueError`` if nothing is asked, a key is no constant of a machine, a machine of the
    grid contradicts itself, or there are too many of them.
    """
    for key, values in varied.items():
        if not values:
            raise ValueError(f"{key} must have at least one value, not none")
        if len(set(values)) < len(values):
            raise ValueError(f"values of {key} must differ, not be {list(map(str, values))}")
    if not bases:
        raise ValueError("a sweep must have at least one machine, not none")
    layers = tuple(point for each in networks for point in _points(each))
    if not layers:
        raise ValueError(
            "a sweep must have at least one convolution or matrix product in its networks, not none"
        )
    made = Plan(
        bases=tuple(bases),
        varied=tuple((key, tuple(values)) for key, values in varied.items()),
        layers=layers,
        networks=len(networks),
    )
    if made.machines > MOST_MACHINES:
        raise ValueError(
            f"a sweep must have at most {MOST_MACHINES:,} machines, not {made.machines:,}: take "
            f"values away, or make several sweeps of it"
        )
    _check(made)
    return made


def _check(made: Plan) -> None:
    """Build every machine once."""
    for number in range(made.machines):
        try:
            made.machine(number)
        except (ValueError, TypeError) as error:
            of = ", ".join(
                f"{key} = {value}"
                for key, value in zip(made.keys, made.values_of(number), strict=True)
            )
            base = made.bases[number // made.variants].name
            raise ValueError(f"{base} with {of} is no machine: {error}") from error


def _points(network: Network) -> Iterator[Point]:
    for layer in network.layers:
        for primitive in layer.primitives:
            if isinstance(primitive, Convolution):
                yield Point(
                    network.name,
                    network.stage or "",
                    layer.form,
                    network.batch,
                    layer.name,
                    primitive.label,
                    primitive,
                )


def _with(part: Any, key: str, value: Value) -> Any:
    """A copy of a machine, or of a part of it, with another constant."""
    name, _, rest = key.partition(".")
    known = [each.name for each in fields(part)] if is_dataclass(part) else []
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.0)
        hint = f", as {near[0]} is" if near else ", which has none to vary"
        raise ValueError(f"{name} must be a constant of {type(part).__name__}{hint}")
    old = getattr(part, name)
    if rest:
        return replace(part, **{name: _with(old, rest, value)})
    if isinstance(old, Fraction):
        return replace(part, **{name: Fraction(value)})
    return replace(part, **{name: value})
