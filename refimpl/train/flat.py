"""Weights of a network as one flat dictionary, and back.

Keys are "node/array", or "node/norm.member" for a batch normalisation: what an optimiser steps over
and a weights file holds. Running statistics are there too; gradients have no such keys.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from refimpl.arrays import Array
from refimpl.nets.graph import Network, Parameters
from refimpl.ops.batch_norm import BatchNorm

Flat: TypeAlias = dict[str, Array]


def flatten(parameters: Parameters) -> Flat:
    """Every array by its key."""
    flat: Flat = {}
    for node, arrays in parameters.items():
        for name, value in arrays.items():
            if isinstance(value, BatchNorm):
                flat |= {f"{node}/{name}.{each}": array for each, array in value._asdict().items()}
            else:
                flat[f"{node}/{name}"] = value
    return flat


def unflatten(network: Network, flat: Mapping[str, Array]) -> Parameters:
    """Weights of a network from arrays by key: the inverse of ``flatten``.

    Raises
    ------
    ValueError
        If arrays are missing, foreign, or of another shape than the network's.
    """
    keys = {
        key: shape
        for node in network.nodes
        for name, shape in node.shapes.items()
        for key in _keys(node.name, name)
    }
    if keys.keys() != flat.keys():
        wrong = sorted(keys.keys() ^ flat.keys())
        raise ValueError(f"weights must be those of the {network.name}: {wrong[0]!r} does not fit")
    for key, shape in keys.items():
        if flat[key].shape != tuple(shape):
            raise ValueError(f"{key} must have shape {tuple(shape)}, not {flat[key].shape}")
    return {
        node.name: {name: _value(node.name, name, flat) for name in node.shapes}
        for node in network.nodes
        if node.shapes
    }


def _keys(node: str, name: str) -> tuple[str, ...]:
    key = f"{node}/{name}"
    return tuple(f"{key}.{each}" for each in BatchNorm._fields) if _is_norm(name) else (key,)


def _value(node: str, name: str, flat: Mapping[str, Array]) -> Any:
    arrays = (flat[key] for key in _keys(node, name))
    return BatchNorm(*arrays) if _is_norm(name) else next(arrays)


def _is_norm(name: str) -> bool:
    return name.startswith("bn")
