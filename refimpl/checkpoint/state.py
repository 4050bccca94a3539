"""Fuse every X-volution of a state dict, and carry the rest along.

The keys of a fused X-volution are its site and the arrays of its form: ``block1.xvol.w`` and
``block1.xvol.b`` in the feature form. Arithmetic is in binary64, rounded once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.checkpoint.attributes import parse_attributes
from refimpl.checkpoint.check import SiteCheck, check_site
from refimpl.checkpoint.keys import Recognised, nearest, recognise
from refimpl.checkpoint.mapping import KeyMap
from refimpl.checkpoint.precision import round_once, widest
from refimpl.checkpoint.site import FusedSite, fuse_site
from refimpl.forms import Form, Fused


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedState:
    """Fused arrays by key, and what became of what."""

    arrays: Mapping[str, Array]
    sites: tuple[FusedSite, ...]
    checks: tuple[SiteCheck, ...]
    recognised: Recognised

    def stored(self, number: int) -> Fused:
        """One X-volution with its arrays as they are written."""
        site = self.sites[number]
        arrays = {name: self.arrays[_key(site.name, name)] for name in site.fused.arrays}
        return replace(site.fused, arrays=arrays)

    @property
    def coverage(self) -> str:
        """One line: how many keys went where."""
        found, sites = self.recognised, len(self.sites)
        fused = sum(len(arrays) for arrays in found.sites.values())
        total = fused + len(found.carried) + len(found.dropped) + len(found.unknown)
        return (
            f"{total} keys: {fused} fused into {sites} X-volution{'s' * (sites != 1)}, "
            f"{len(found.carried)} of other layers, {len(found.dropped)} left out, "
            f"{len(found.unknown)} not recognised"
        )


def fuse_state(
    state: Mapping[str, Array],
    mapping: KeyMap,
    attributes: Mapping[str, Any],
    *,
    form: Form | None = None,
    dtype: Any = None,
    partial: bool = False,
    expand: bool = False,
    tolerance: float = 0.0,
    seed: int = 0,
) -> FusedState:
    """Fuse the X-volutions of a state dict; ``attributes`` overrule the mapping's.

    ``dtype`` is what is written, by default the widest type of each site; ``partial`` carries keys
    along that are not recognised.

    Raises
    ------
    ValueError
        If there is no X-volution, a key is not recognised, or an array is not what it must be.
    """
    found = recognise(state, mapping)
    _check_found(found, mapping, partial=partial)
    sites, checks = [], []
    arrays: dict[str, Array] = {}
    for name, keys in found.sites.items():
        own = {array: state[key] for array, key in keys.items()}
        chosen = parse_attributes(
            {**mapping.attributes, **mapping.sites.get(name, {}), **attributes}
        )
        site = fuse_site(name, own, chosen, form=form, tolerance=tolerance, expand=expand)
        written = np.dtype(dtype) if dtype is not None else widest({a.dtype for a in own.values()})
        rounded = {
            array: round_once(_key(name, array), value, written)
            for array, value in site.fused.arrays.items()
        }
        sites.append(site)
        checks.append(check_site(site, rounded, seed=seed))
        arrays |= {_key(name, array): value for array, value in rounded.items()}
    rest = {key: state[key] for key in (*found.carried, *found.unknown)}
    clash = sorted(set(rest) & set(arrays))
    if clash:
        raise ValueError(f"key {clash[0]!r} must not be both a fused array and another layer's")
    return FusedState(
        arrays=arrays | rest, sites=tuple(sites), checks=tuple(checks), recognised=found
    )


def _check_found(found: Recognised, mapping: KeyMap, *, partial: bool) -> None:
    if not found.sites:
        raise ValueError(
            "the weights must hold an X-volution: keys that end in w_c and w_a (or w_q, w_k, w_v), "
            "or a mapping that says which keys they are"
        )
    if found.unknown and not partial:
        shown = ", ".join(_described(key, found) for key in found.unknown[:3])
        more = f" and {len(found.unknown) - 3} more" if len(found.unknown) > 3 else ""
        raise ValueError(
            f"every key must be recognised, not be {shown}{more}: map what belongs to an "
            f"X-volution, and carry the rest along unchanged if that is meant (partial)"
        )
    strange = sorted(set(mapping.sites) - set(found.sites))
    if strange:
        raise ValueError(
            f"a site of the mapping must be one of {', '.join(map(repr, found.sites))}, not "
            f"{strange[0]!r}"
        )


def _described(key: str, found: Recognised) -> str:
    near = nearest(key, found.sites)
    return f"{key!r} (nearest: {near!r})" if near else repr(key)


def _key(site: str, array: str) -> str:
    return f"{site}.{array}" if site else array
