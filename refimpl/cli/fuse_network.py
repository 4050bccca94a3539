"""Fusing a whole network: read its weights, fold and merge, compare the answers, write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refimpl import io
from refimpl.arrays import Array
from refimpl.checkpoint import DTYPES, KeyMap, round_once, widen
from refimpl.nets.graph import EPS, Network, Parameters
from refimpl.nets.load import load
from refimpl.nets.resnet import resnet
from refimpl.nets.shapes import node_shapes
from refimpl.nets.whole import Whole, fuse_whole
from refimpl.onnx_graph import network_model
from refimpl.train.flat import flatten, unflatten

NETWORKS = ("resnet34", "resnet50", "small")
SIDE = 64  # ours: pixels of the check's image where no size is said; 32 halves to 2 at the end


def fuse_file(
    weights: Path,
    out: Path,
    name: str,
    *,
    stage: str,
    operator: str | None,
    mapping: KeyMap,
    dtype: str | None,
    size: tuple[int, int] | None,
    seed: int,
) -> dict[str, Any]:
    """Fuse a network, and write it if its answers are those of the trained one; the report.

    Raises
    ------
    ValueError
        If there is no such network, or the weights are not its.
    """
    network, parameters, stored = _read(weights, name, stage, operator, mapping)
    height, width = size or (SIDE, SIDE)
    channels = network.nodes[0].shapes["w"][1]
    x = np.random.default_rng(seed).standard_normal((1, channels, height, width))
    whole = fuse_whole(network, parameters, x)
    if whole.passed:
        wanted = dtype or stored
        flat = {key: round_once(key, a, wanted) for key, a in flatten(whole.parameters).items()}
        _write(out, whole.network, flat, shape=x.shape, fixed=size is not None)
    return {
        "network": network.name,
        "input": [height, width],
        "sites": _rows(whole),
        "coverage": f"{len(network.nodes)} layers before, {len(whole.network.nodes)} after",
        "largest_output": whole.largest,
        "passed": whole.passed,
    }


def _read(
    weights: Path, name: str, stage: str, operator: str | None, mapping: KeyMap
) -> tuple[Network, Parameters, str]:
    """The network, its weights in binary64, and the number type they were stored in."""
    if name not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, not {name!r}")
    if name == "small":
        trained = io.read_weights(weights)
        flat = flatten(trained.parameters)
        wide = {key: widen(key, array) for key, array in flat.items()}
        return trained.network, unflatten(trained.network, wide), _widest(flat)
    network = resnet(
        int(name.removeprefix("resnet")),
        stage=None if stage == "none" else stage,
        operator=operator or "xvolution",
    )
    state = io.read_checkpoint(weights)
    return network, load(network, state, mapping), _widest(state)


def _widest(arrays: Mapping[str, Array]) -> str:
    names = {array.dtype.name for array in arrays.values()}
    return max(names & set(DTYPES), key=DTYPES.index, default="float32")


def _write(
    out: Path, fused: Network, flat: Mapping[str, Array], *, shape: tuple[int, ...], fixed: bool
) -> None:
    about = {"network": fused.name, "version": io.tool_version()}
    if out.suffix != ".onnx":
        io.write_checkpoint(out, flat, about)
        return
    _, channels, height, width = shape
    rows = node_shapes(fused, height, width, channels=channels)
    outputs = {row.name: row.output for row in rows}
    images = {name: (s[1], s[2]) for name, s in outputs.items() if len(s) == 3}
    model = network_model(
        fused.nodes,
        unflatten(fused, flat),
        answers=[(name, outputs[name]) for name in fused.answers],
        channels=channels,
        eps=EPS,
        sizes={"image": (height, width), **images} if fixed else None,
        about=about,
    )
    io.write_model(out, model)


def _rows(whole: Whole) -> list[dict[str, Any]]:
    """Every X-volution, and last the network, whose answers are what was compared."""
    rows: list[dict[str, Any]] = [
        {
            "site": each.name,
            "attention": each.attention,
            "form": each.form,
            "macs_before": each.macs_before,
            "macs_after": each.macs_after,
            "difference": None,
            "of_bound": None,
            "rounded_difference": None,
            "assumed": [],
        }
        for each in whole.replaced
    ]
    rows[-1] |= {"difference": whole.difference, "of_bound": whole.of_bound}
    return rows
