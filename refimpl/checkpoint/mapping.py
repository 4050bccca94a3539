"""A user's own names: patterns from keys of a checkpoint to arrays of X-volutions.

    [keys]                                       # key of the checkpoint = "site/array"
    "stem.mix.conv.weight" = "stem/w_c"
    "layer2.{i}.mix.static.weight" = "conv3_{i+1}/w_c"
    "layer2.{i}.mix.static_bn.running_var" = "conv3_{i+1}/bn_c.var"
    "aux.{name}" = ""                            # leave out
    [attributes]                                 # of every site
    boundary = "zero"
    [sites."conv3_1"]                            # of one site
    stride = 2

``{i}``, one letter, stands for a whole number, ``{i+1}`` and ``{i-1}`` for its neighbours;
``{name}``, a longer word, for one part of a key between dots. Nothing else is special. The same
document may be JSON.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

_FIELD = re.compile(r"\{([a-z_]+)([+-]\d+)?\}")
_TABLES = ("keys", "attributes", "sites")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMap:
    """Patterns of keys to "site/array", and attributes: of all sites, and of single ones."""

    keys: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sites: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def parse_map(document: Any) -> KeyMap:
    """Check what a mapping file says.

    Raises
    ------
    ValueError
        One sentence: which table or entry must be what.
    """
    if not isinstance(document, dict) or not set(document) <= set(_TABLES):
        names = sorted(document) if isinstance(document, dict) else document
        raise ValueError(f"a mapping must have the tables {', '.join(_TABLES)} only, not {names}")
    tables = {name: document.get(name, {}) for name in _TABLES}
    for name, table in tables.items():
        _check_table(f"[{name}]", table)
    for key, target in tables["keys"].items():
        _check_entry(key, target)
    for site, attributes in tables["sites"].items():
        _check_table(f'[sites."{site}"]', attributes)
    return KeyMap(**tables)


def translate(key: str, mapping: KeyMap) -> str | None:
    """Where the mapping sends a key: "site/array", "" to leave it out, None if it says nothing.

    Raises
    ------
    ValueError
        If two patterns fit the key.
    """
    found = {
        pattern: match
        for pattern in mapping.keys
        if (match := re.fullmatch(_expression(pattern), key)) is not None
    }
    if len(found) > 1:
        raise ValueError(f"key {key!r} must fit one pattern of the mapping, not {sorted(found)}")
    for pattern, match in found.items():
        return _FIELD.sub(partial(_fill, match=match), mapping.keys[pattern])
    return None


def _check_table(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - it was read
            f"{name} of a mapping must be a table, not {value!r}"
        )


def _check_entry(key: str, target: Any) -> None:
    fields = {name for name, _ in _FIELD.findall(key)}
    site_and_array = isinstance(target, str) and (target == "" or "/" in target)
    if not site_and_array:
        raise ValueError(f'key {key!r} of a mapping must be sent to "site/array", not {target!r}')
    for name, step in _FIELD.findall(target):
        if name not in fields:
            raise ValueError(f"{{{name}}} in {target!r} must stand in its key {key!r}, too")
        if step and len(name) > 1:
            raise ValueError(f"{{{name}{step}}} in {target!r} must be a number, a single letter")


def _expression(pattern: str) -> str:
    """The regular expression of a pattern."""
    parts, at, seen = [], 0, set()
    for each in _FIELD.finditer(pattern):
        name = each[1]
        kind = r"\d+" if len(name) == 1 else r"[^./]+"
        group = f"(?P={name})" if name in seen else f"(?P<{name}>{kind})"
        parts += [re.escape(pattern[at : each.start()]), group]
        at = each.end()
        seen.add(name)
    return "".join([*parts, re.escape(pattern[at:])])


def _fill(field_of: re.Match[str], match: re.Match[str]) -> str:
    found, step = match[field_of[1]], field_of[2]
    return found if step is None else str(int(found) + int(step))
