"""Images to measure on: noise with and without correlation, photographs, features of a network.

    white noise     iid N(0, 1), 8 channels
    AR(1), ρ        separable: x = L z Lᵀ with L Lᵀ = (ρ^|i−j|), so neighbours correlate by ρ
    photographs     three colours of the pictures that scikit-image ships, averaged over 3×3 blocks;
                    training crops from the left half of each, test crops from the right half
    features        what the first X-volution of the shipped small network sees, 16 channels, on
                    crops of regions that it was trained on and not

All are 16×16 pixels. Photographs and features are shifted and scaled, channel by channel, to mean 0
and variance 1 over the training images. Sizes and counts are ours.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refimpl.io import PHOTOGRAPHS, read_photograph, read_textures, trained_small
from refimpl.nets.run import DEFINITIONS, run

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
SIDE, BLOCK = 16, 3
TRAIN, TEST = 48, 24
CHANNELS = 8


class Sample(NamedTuple):
    """Images (n, c, SIDE, SIDE) to fit on, and others to judge by."""

    train: Array
    test: Array


def draw(population: str, seed: int) -> Sample:
    """Images of a population, other ones for every seed."""
    return POPULATIONS[population](seed)


def correlated_noise(seed: int, *, correlation: float) -> Sample:
    """Gaussian fields whose pixels correlate by ``correlation`` to the power of their distance."""
    rng = np.random.default_rng((seed, round(1000 * correlation)))
    apart = np.abs(np.arange(SIDE)[:, None] - np.arange(SIDE))
    root = np.linalg.cholesky(correlation**apart) if correlation else np.eye(SIDE)
    fields = root @ rng.standard_normal((TRAIN + TEST, CHANNELS, SIDE, SIDE)) @ root.T
    return Sample(fields[:TRAIN], fields[TRAIN:])


def photographs(seed: int) -> Sample:
    """Crops of photographs, from disjoint halves."""
    rng = np.random.default_rng((seed, 1))
    pictures = [read_photograph(name)[0].astype(np.float64) / 255 for name in PHOTOGRAPHS]
    left = [each[:, : each.shape[1] // 2] for each in pictures]
    right = [each[:, each.shape[1] // 2 :] for each in pictures]
    return _standardised(_crops(left, TRAIN, rng), _crops(right, TEST, rng))


def features(seed: int) -> Sample:
    """What reaches the first X-volution of the trained network."""
    rng = np.random.default_rng((seed, 2))
    train, test = _activations()
    chosen = (rng.choice(len(each), size) for each, size in ((train, TRAIN), (test, TEST)))
    return _standardised(*(each[some] for each, some in zip((train, test), chosen, strict=True)))


@cache
def _activations() -> tuple[Array, Array]:
    trained, crops = trained_small(), read_textures(train=24, test=12)
    site = next(node for node in trained.network.nodes if node.kind == "xvolution").inputs[0]

    def seen(images: Array) -> Array:
        wide = images.astype(np.float64)
        return run(trained.network, trained.parameters, wide, arithmetic=DEFINITIONS, keep=(site,))[
            site
        ]

    return seen(crops.train.images), seen(crops.test.images)


def _crops(pictures: list[Array], count: int, rng: np.random.Generator) -> Array:
    size = SIDE * BLOCK
    cut = []
    for _ in range(count):
        picture = pictures[rng.integers(len(pictures))]
        top, left = (int(rng.integers(extent - size + 1)) for extent in picture.shape[:2])
        square = picture[top : top + size, left : left + size]
        cut.append(square.reshape(SIDE, BLOCK, SIDE, BLOCK, 3).mean(axis=(1, 3)))
    return np.stack(cut).transpose(0, 3, 1, 2)


def _standardised(train: Array, test: Array) -> Sample:
    mean = train.mean(axis=(0, 2, 3), keepdims=True)
    deviation = train.std(axis=(0, 2, 3), keepdims=True)
    deviation[deviation == 0] = 1  # a channel that is never active stays 0
    return Sample((train - mean) / deviation, (test - mean) / deviation)


POPULATIONS: Mapping[str, Callable[[int], Sample]] = MappingProxyType(
    {
        "white noise": partial(correlated_noise, correlation=0.0),
        "AR(1), ρ = 0.5": partial(correlated_noise, correlation=0.5),
        "AR(1), ρ = 0.9": partial(correlated_noise, correlation=0.9),
        "AR(1), ρ = 0.99": partial(correlated_noise, correlation=0.99),
        "photographs": photographs,
        "features": features,
    }
)
