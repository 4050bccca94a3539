"""Weights of a network from anybody's keys: torchvision's names, our own, or a mapping's.

Every number becomes binary64; what is written later is rounded once.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from refimpl.arrays import Array
from refimpl.checkpoint import TORCHVISION, KeyMap, translate, widen
from refimpl.nets.graph import Network, Parameters
from refimpl.ops.batch_norm import BatchNorm


def load(network: Network, state: Mapping[str, Array], mapping: KeyMap) -> Parameters:
    """Weights of every node, by the mapping, else torchvision's names, else "node/array".

    Raises
    ------
    ValueError
        If a key is none of the network's, an array is missing or double, or has another shape.
    """
    shapes = _shapes(network)
    found: dict[str, str] = {}
    for key in state:
        place = _place(key, mapping)
        if place == "":
            continue
        if place not in shapes:
            raise ValueError(_unknown(network, key, place, shapes))
        if place in found:
            raise ValueError(f"{place} must come from one key, not {found[place]!r} and {key!r}")
        found[place] = key
    for place, shape in shapes.items():
        if place not in found:
            raise ValueError(f"the weights of {network.name} must hold {place} {shape}")
    arrays = {place: _widened(found[place], state, shape) for place, shape in shapes.items()}
    return {
        node.name: {name: _value(f"{node.name}/{name}", arrays) for name in node.shapes}
        for node in network.nodes
        if node.shapes
    }


def _place(key: str, mapping: KeyMap) -> str:
    """The "node/array" that a key is; "" to leave it out."""
    for names in (mapping, TORCHVISION):
        place = translate(key, names)
        if place is not None:
            return place
    return key


def _unknown(network: Network, key: str, place: str, shapes: Mapping[str, Any]) -> str:
    near = get_close_matches(place, shapes, n=1)
    hint = f" (nearest: {near[0]!r})" if near else ""
    meant = "" if place == key else f", which is {place!r}"
    return f"every key must be one of {network.name}'s, not {key!r}{meant}{hint}"


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Every "node/array" and its shape; of a normalisation, its four."""
    return {
        place: shape
        for node in network.nodes
        for name, shape in node.shapes.items()
        for place in _places(f"{node.name}/{name}")
    }


def _places(place: str) -> tuple[str, ...]:
    is_norm = place.rpartition("/")[2].startswith("bn")
    return tuple(f"{place}.{member}" for member in BatchNorm._fields) if is_norm else (place,)


def _widened(key: str, state: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    array = widen(key, state[key])
    if array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    if array.shape != tuple(shape):
        raise ValueError(f"{key} must have shape {tuple(shape)}, not {array.shape}")
    if key.endswith(("var", "running_var")) and (array < 0).any():
        raise ValueError(f"{key} must not be negative, not reach {array.min():.6g}")
    return array


def _value(place: str, arrays: Mapping[str, Array]) -> Any:
    values = [arrays[each] for each in _places(place)]
    return BatchNorm(*values) if len(values) > 1 else values[0]
