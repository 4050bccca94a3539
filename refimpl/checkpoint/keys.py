"""Which key of a state dict is which array of which X-volution.

An X-volution's keys share a prefix, its *site*: ``block1.xvol.w_c`` is array ``w_c`` of the site
``block1.xvol``; without a prefix the site is the root, "". Array names, and what PyTorch modules
call them:

    w_c  b_c            conv_c.weight  conv_c.bias       (also w_c.weight, w_c.bias)
    w_a  b_a            conv_a.weight  conv_a.bias
    w_q  w_k  w_v  w_o  also w_q.weight …                a 1×1 convolution or a linear layer
    bn_c.gamma          bn_c.weight                      bn_c.beta   bn_c.bias
    bn_c.mean           bn_c.running_mean                bn_c.var    bn_c.running_var      (bn_a …)

``num_batches_tracked`` counts training steps and is left out. Any other key below a site is not
recognised: a part of the module that fusing would silently forget. Keys elsewhere are carried
along where their last part is one that layers use.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from refimpl.checkpoint.mapping import KeyMap, translate

MEMBERS: Mapping[str, str] = MappingProxyType(
    {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
)
"""Arrays of a normalisation, and what PyTorch calls them."""
_MATRICES = ("w_c", "w_a", "w_q", "w_k", "w_v", "w_o")
ARRAY_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in (*_MATRICES, "b_c", "b_a")},
        **{f"{name}.weight": name for name in _MATRICES},
        **{f"conv_{of}.weight": f"w_{of}" for of in "ca"},
        **{f"{conv}_{of}.bias": f"b_{of}" for conv in ("conv", "w") for of in "ca"},
        **{
            f"bn_{of}.{name}": f"bn_{of}.{ours}"
            for of in "ca"
            for ours, theirs in MEMBERS.items()
            for name in (ours, theirs)
        },
    }
)
"""Ends of keys, and the array that each is."""
COUNTER = "num_batches_tracked"
LAYER_ARRAYS = frozenset({"w", "b", *MEMBERS, *MEMBERS.values()})
"""Last parts of keys of ordinary layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """From site to array to key; keys of other layers; those left out; and what is unknown."""

    sites: Mapping[str, Mapping[str, str]]
    carried: tuple[str, ...]
    dropped: tuple[str, ...]
    unknown: tuple[str, ...]


def recognise(keys: Iterable[str], mapping: KeyMap) -> Recognised:
    """Sort keys by what they are, the user's mapping first.

    Raises
    ------
    ValueError
        If two keys are the same array of one site, or the mapping is not one.
    """
    targets = {key: _target(key, mapping) for key in keys}
    roots = {target[0] for target in targets.values() if target and target[1] == "w_c"}
    sites: dict[str, dict[str, str]] = {root: {} for root in sorted(roots)}
    fates: dict[str, list[str]] = {"carried": [], "dropped": [], "unknown": []}
    for key, target in targets.items():
        if target is None or target[0] not in sites:
            left_out = translate(key, mapping) == ""
            fates["dropped" if left_out else _fate(key, roots)].append(key)
            continue
        site, array = target
        if array in sites[site]:
            raise ValueError(
                f"array {array} of site {site!r} must come from one key, not from "
                f"{sites[site][array]!r} and {key!r}"
            )
        sites[site][array] = key
    return Recognised(sites=sites, **{fate: tuple(found) for fate, found in fates.items()})


def nearest(key: str, sites: Iterable[str]) -> str | None:
    """The key that an unknown one may be meant to be: the same site, the nearest array name."""
    for site in sorted(sites, key=len, reverse=True):
        head = f"{site}{key[len(site)]}" if site and len(key) > len(site) else ""
        if key.startswith(head) and (head or site == ""):
            near = get_close_matches(key[len(head) :], ARRAY_NAMES, n=1)
            return f"{head}{near[0]}" if near else None
    return None


def _target(key: str, mapping: KeyMap) -> tuple[str, str] | None:
    """The site and array that a key is, or None."""
    mapped = translate(key, mapping)
    if mapped is not None:
        site, _, array = mapped.rpartition("/")
        if mapped and array not in ARRAY_NAMES.values():
            known = ", ".join(dict.fromkeys(ARRAY_NAMES.values()))
            raise ValueError(f"key {key!r} must be mapped to one of {known}, not {array!r}")
        return (site, array) if mapped else None
    for end in sorted(ARRAY_NAMES, key=len, reverse=True):
        if key == end:
            return "", ARRAY_NAMES[end]
        if key.endswith((f".{end}", f"/{end}")):
            return key[: -len(end) - 1], ARRAY_NAMES[end]
    return None


def _fate(key: str, sites: Iterable[str]) -> str:
    below = any(site == "" or key.startswith((f"{site}.", f"{site}/")) for site in sites)
    last = key.replace("/", ".").rsplit(".", 1)[-1]
    if last == COUNTER:
        return "dropped" if below else "carried"
    return "carried" if last in LAYER_ARRAYS and not below else "unknown"
