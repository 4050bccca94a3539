"""Where the cases of a set come from: random input, a chain, a device's declaration, a network."""

from collections.abc import Sequence
from pathlib import Path

from refimpl import io
from refimpl.cli.terminal import progress
from refimpl.nets.graph import Network
from refimpl.nets.resnet import resnet
from refimpl.nets.small import SIDE
from refimpl.onnx_graph.upstream import convolution_in
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.manifest import Exclusion
from refimpl.vectors.network import (
    grey_image,
    inputs_of,
    network_cases,
    prepare,
    prepare_trained,
    until,
)
from refimpl.vectors.onnx_node import onnx_cases

DEPTHS = {"resnet34": 34, "resnet50": 50}
TRAINED = "trained"
NETWORKS = (*DEPTHS, TRAINED)


def layer_cases(
    layers: Sequence[str],
    choices: Choices,
    *,
    network: str,
    stage: str,
    image: str,
    seed: str,
    side: int | None,
    crop: int | None,
) -> tuple[list[Case], list[Exclusion]]:
    """Cases of layers of one of our networks on a picture, and the forms that cannot be.

    Raises
    ------
    ValueError
        If there is no such network, layer or picture.
    """
    if side is None:
        side = SIDE if network == TRAINED else 224
    if network == TRAINED:
        return _trained_cases(layers, choices, image=image, side=side, crop=crop)
    part = until(_resnet(network, stage), layers)
    pixels, stimulus = io.read_photograph(image)
    own = {**stimulus, "seed": seed, "side": side}
    with progress(f"running {part.name}", 2 * len(part.nodes)) as advance:
        prepared = prepare(
            part,
            pixels,
            side=side,
            keep=inputs_of(part, layers),
            seed=seed,
            progress=advance,
        )
    return network_cases(prepared, layers, choices, stimulus=own, crop=crop)


def onnx_node_cases(
    model: Path, node: str | None, inputs: Sequence[str], choices: Choices
) -> list[Case]:
    """Cases of a convolution inside an ONNX model, on an input of the model or of the node.

    Raises
    ------
    ValueError
        If the model, the node or the input is not usable.
    """
    if node is None or not inputs:
        raise io.UnusableError("--onnx needs --node, and --input for what enters the model")
    graph, digest = io.read_onnx(model)
    feeds, fed = io.read_feeds(graph, inputs)
    stimulus = {
        "model": model.name,
        "model_sha256": digest,
        "model_licence": "the user's own",
        "input": ", ".join(Path(each.rpartition("=")[2]).name for each in inputs),
        "input_sha256": fed,
    }
    return onnx_cases(convolution_in(graph, node, feeds), node, choices, stimulus=stimulus)


def _trained_cases(
    layers: Sequence[str], choices: Choices, *, image: str, side: int, crop: int | None
) -> tuple[list[Case], list[Exclusion]]:
    trained = io.trained_small()
    part = until(trained.network, layers)
    pixels, stimulus = io.read_photograph(image)
    own = {
        **stimulus,
        "side": side,
        "weights": "those that ship with refimpl, trained on crops of scikit-image's pictures",
        "weights_sha256": io.trained_digest(),
    }
    with progress(f"running {part.name}", len(part.nodes)) as advance:
        prepared = prepare_trained(
            part,
            trained.parameters,
            grey_image(pixels, side),
            keep=inputs_of(part, layers),
            progress=advance,
        )
    return network_cases(prepared, layers, choices, stimulus=own, crop=crop)


def _resnet(name: str, stage: str) -> Network:
    if name not in DEPTHS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, not {name!r}")
    return resnet(DEPTHS[name], stage=None if stage == "none" else stage)
