"""From a table of a TOML file to the dataclass it describes; a wrong key is told the nearest."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from fractions import Fraction
from types import UnionType
from typing import Any, TypeAlias, get_args, get_origin

from hwsim.checks import instance_of, one_of

Reader: TypeAlias = Callable[[str, Any], Any]


def build(
    kind: Any,
    table: Mapping[str, Any],
    prefix: str = "",
    readers: Mapping[str, Reader] | None = None,
) -> Any:
    """An instance of the dataclass ``kind`` from a table of its fields.

    ``readers`` turn the values of the keys they name into what the field holds, given the dotted
    key and the value. Raises ``ValueError`` for a key that is no field and for a missing one.
    """
    readers = readers or {}
    known = {f.name: f for f in fields(kind) if f.name != "hypothetical"}
    for key in table:
        one_of(f"key {prefix}{key}", key, known)
    values = {
        key: readers[key](prefix + key, value)
        if key in readers
        else _value(known[key].type, value, prefix + key)
        for key, value in table.items()
    }
    missing = [name for name, f in known.items() if name not in table and _required(f)]
    if missing:
        raise ValueError(f"there must be a key {prefix}{missing[0]}")
    return kind(**values)


def _value(kind: Any, value: Any, key: str) -> Any:
    """``value`` as the field's type asks; what only a constructor can judge passes through."""
    if isinstance(kind, UnionType):
        kind = _member(kind, value)
    if is_dataclass(kind):
        instance_of(key, value, Mapping, "a table")
        return build(kind, value, f"{key}.")
    if kind is Fraction:
        return _fraction(value, key)
    if get_origin(kind) is tuple:
        instance_of(key, value, list, "a list")
        return tuple(value)
    return value


def _member(kind: UnionType, value: Any) -> Any:
    """The type of a union that a value is read as: a list as the tuple, the rest as the first."""
    lists = [each for each in get_args(kind) if get_origin(each) is tuple]
    return lists[0] if lists and isinstance(value, list) else get_args(kind)[0]


def _fraction(value: Any, key: str) -> Fraction:
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        wanted = 'a number or a fraction in quotes such as "340/7"'
        raise ValueError(f"{key} must be {wanted}, not {value!r}") from error


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
