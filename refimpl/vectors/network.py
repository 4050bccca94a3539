"""Cases of a network's layers on a photograph, activations from the bit-exact path.

A network of the article's size gets seeded He weights and running statistics from the photograph
itself (there are no trained weights in public); the small network has the weights it was trained
to. Either is fused; its binary32 activations enter the chosen layers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.nets.graph import Network, Node, Parameters, initialise
from refimpl.nets.photograph import normalise, square
from refimpl.nets.run import BIT_EXACT, calibrate, fuse_network, run
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.layer import layer_cases
from refimpl.vectors.manifest import Exclusion

LUMA = (299, 587, 114)  # thousandths of red, green, blue: ITU-R BT.601


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A network with weights, its fused form, the input, and activations by node name."""

    network: Network
    parameters: Parameters
    fused: Network
    fused_parameters: Parameters
    image: Array
    activations: Mapping[str, Array]


def prepare(
    network: Network,
    pixels: Array,
    *,
    side: int = 224,
    keep: Sequence[str] = (),
    seed: str = "0",
    progress: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Initialise, calibrate on the photograph, fuse, and run to the bit.

    ``pixels`` are uint8 (h, w, 3), shrunk to ``side`` × ``side``. Activations are
    kept for the last node and those in ``keep``.
    """
    image = normalise(square(pixels, side))
    parameters = calibrate(network, initialise(network, seed=seed), image, progress=progress)
    fused, fused_parameters = fuse_network(network, parameters)
    activations = run(
        fused, fused_parameters, image, arithmetic=BIT_EXACT, keep=keep, progress=progress
    )
    return Prepared(
        network=network,
        parameters=parameters,
        fused=fused,
        fused_parameters=fused_parameters,
        image=image,
        activations=activations,
    )


def prepare_trained(
    network: Network,
    parameters: Parameters,
    image: Array,
    *,
    keep: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Fuse a network with the weights and statistics it was trained to, and run to the bit.

    ``image`` is what enters it, binary32 (n, c, h, w).
    """
    fused, fused_parameters = fuse_network(network, parameters)
    activations = run(
        fused, fused_parameters, image, arithmetic=BIT_EXACT, keep=keep, progress=progress
    )
    return Prepared(
        network=network,
        parameters=parameters,
        fused=fused,
        fused_parameters=fused_parameters,
        image=image,
        activations=activations,
    )


def grey_image(pixels: Array, side: int) -> Array:
    """A photograph (h, w, 3) as the small network sees one: (1, 1, side, side), binary32.

    Grey by ITU-R BT.601 in thousandths, rounded half up; cropped and shrunk as ``square``; mean 0
    and variance 1 from exact integer sums, in binary64, rounded once.

    Raises
    ------
    ValueError
        If the picture is too small, or all of one grey.
    """
    grey = ((pixels.astype(np.int64) @ np.array(LUMA) + 500) // 1000).astype(np.uint8)
    small = square(np.repeat(grey[:, :, None], 3, axis=2), side)[:, :, 0].astype(np.int64)
    count, total, squares = small.size, int(small.sum()), int((small * small).sum())
    spread = count * squares - total * total  # count² times the variance, exactly
    if spread == 0:
        raise ValueError("a photograph must not be all of one grey")
    scaled = (small * count - total) / np.sqrt(np.float64(spread))
    return scaled.astype(np.float32)[None, None]


def until(network: Network, layers: Sequence[str]) -> Network:
    """The network up to the last of the named layers: all that their inputs depend on."""
    wanted = [network.node(name) for name in layers]
    last = max(network.nodes.index(node) for node in wanted)
    end = last + 2  # a convolution is followed by its normalisation
    return Network(name=network.name, nodes=network.nodes[:end])


def inputs_of(network: Network, layers: Sequence[str]) -> list[str]:
    """Names of the activations that enter the named layers, in the fused network."""
    return [_through_norm(network.node(name).inputs[0]) for name in layers]


def network_cases(
    prepared: Prepared,
    layers: Sequence[str],
    choices: Choices,
    *,
    stimulus: Mapping[str, Any],
    crop: int | None = None,
) -> tuple[list[Case], list[Exclusion]]:
    """Cases of the named layers, and the forms of them that cannot be.

    ``prepared`` must have kept ``inputs_of`` the layers.

    With ``crop``, a layer works on the middle crop × crop of its input only: smaller files.

    Raises
    ------
    ValueError
        If a layer is not one that vectors can be written for, or the crop does not fit.
    """
    cases, excluded = [], []
    for name, source in zip(layers, inputs_of(prepared.network, layers), strict=True):
        node = prepared.network.node(name)
        x = np.asarray(prepared.image if source == "image" else prepared.activations[source])
        if not np.isfinite(x).all():
            raise ValueError(
                f"what enters {name} must be finite numbers, and overflows on an image of "
                f"{' × '.join(map(str, prepared.image.shape[2:]))} pixels: give a larger --side"
            )
        own, missing = layer_cases(
            node,
            _weights(prepared, node),
            x if crop is None or x.ndim != 4 else _middle(x, crop),
            choices,
            stimulus={**stimulus, "network": prepared.network.name, "crop": crop},
        )
        cases += own
        excluded += missing
    return cases, excluded


def _middle(x: Array, side: int) -> Array:
    height, width = x.shape[2:]
    if not 1 <= side <= min(height, width):
        raise ValueError(f"crop must be from 1 to {min(height, width)} for this layer, not {side}")
    top, left = (height - side) // 2, (width - side) // 2
    return x[:, :, top : top + side, left : left + side]


def _weights(prepared: Prepared, node: Node) -> Mapping[str, Any]:
    own = prepared.parameters.get(node.name, {})
    return own | prepared.parameters.get(f"{node.name}.bn", {})


def _through_norm(name: str) -> str:
    return name.removesuffix(".bn")
