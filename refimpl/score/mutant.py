"""A mutant: one hardware bug as data, and which half of the catalogue it belongs to.

A bug is a named change of the value at a named site of the model (``device.py`` lists the sites,
``changes.py`` the changes), so the whole catalogue can be written out as JSON. A *mutant* is a bug
in one operator; the bug's id is the same in all of them.

The split is fixed: a bug belongs to the design half where the first four bytes of sha256(id), read
as a big-endian integer, are even. Only that half may shape a stimulus or a selection; the other is
held out (``ledger.py`` says what happens to a held-out bug that is used all the same).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from refimpl.score.ledger import MOVED

Half: TypeAlias = Literal["design", "held-out"]
Family: TypeAlias = Literal[
    "geometry",
    "sign",
    "width",
    "rounding",
    "saturation",
    "tile edge",
    "order",
    "table",
    "shift direction",
    "wrap-around",
    "parameters",
    "stale buffer",
    "missed clear",
    "backpressure",
    "out of bounds",
    "missing shift",
]
FAMILIES: tuple[Family, ...] = get_args(Family)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One bug of one operator.

    ``operator`` is "conv2d.int8" and the like; ``site`` and ``change`` with its ``arguments`` are
    the bug. ``unless`` maps attributes of a case ("softmax.rounding" is a field of one) to the
    value, or values, under which the bug is no bug: a rounding rule that is the declared one, a
    part of the hardware that a case declares away (None: the attribute is not there).
    ``equivalent`` is the argument why no case can show it.
    """

    id: str
    operator: str
    family: Family
    what: str
    site: str
    change: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    unless: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    equivalent: str = ""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {self.family!r}")

    @property
    def name(self) -> str:
        """Operator and bug: unique in the catalogue."""
        return f"{self.operator}/{self.id}"

    @property
    def half(self) -> Half:
        """Which half of the catalogue the bug belongs to."""
        return half_of(self.id)

    def is_declared(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a case with these attributes declares what the bug does, or has no such part."""
        return any(
            _declared(attributes, name) in (values if isinstance(values, tuple) else (values,))
            for name, values in self.unless.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A bug before it is put into an operator: what several operators share."""

    id: str
    family: Family
    what: str
    site: str
    change: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    unless: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    equivalent: str = ""


def bug(
    id_: str,
    family: Family,
    what: str,
    at: str,
    change: str,
    *,
    unless: Mapping[str, Any] | None = None,
    equivalent: str = "",
    **arguments: Any,
) -> Bug:
    """Spell a bug on few lines: id, family, what it is, where, which change, with what."""
    return Bug(
        id=id_,
        family=family,
        what=what,
        site=at,
        change=change,
        arguments=arguments,
        unless=unless or {},
        equivalent=equivalent,
    )


def in_scope(each: Bug, scope: str) -> Bug:
    """The same bug in one part of an operator: the site s as ``scope``.s."""
    return replace(each, site=f"{scope}.{each.site}")


def only_where(name: str, without: Any, *bugs: Bug) -> tuple[Bug, ...]:
    """The same bugs, which are none where an attribute has the value ``without``."""
    return tuple(replace(each, unless={**each.unless, name: without}) for each in bugs)


def mutants_of(operator: str, *bugs: Bug) -> tuple[Mutant, ...]:
    """The bugs as mutants of one operator."""
    return tuple(
        Mutant(
            id=each.id,
            operator=operator,
            family=each.family,
            what=each.what,
            site=each.site,
            change=each.change,
            arguments=each.arguments,
            unless=each.unless,
            equivalent=each.equivalent,
        )
        for each in bugs
    )


def half_of(id_: str) -> Half:
    """Half of a bug by its id: the hash, unless the ledger moved it to the design half."""
    if id_ in MOVED:
        return "design"
    first = int.from_bytes(sha256(id_.encode()).digest()[:4], "big")
    return "held-out" if first % 2 else "design"


def _declared(attributes: Mapping[str, Any], name: str) -> Any:
    """An attribute, or a field of one; None if it is not there."""
    outer, _, inner = name.partition(".")
    return attributes.get(outer, {}).get(inner) if inner else attributes.get(outer)
