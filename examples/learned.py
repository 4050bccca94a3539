"""What the small network that ships with the package has learned, before and after fusing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refimpl import io
from refimpl.nets.fold import fuse_network
from refimpl.train.evaluate import predict


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """One test crop: its picture, its class, and what the fused network takes it for."""

    picture: str
    of: str
    taken_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Accuracy on crops from regions that training never saw; ``changed`` answers by fusing."""

    parameters: int
    crops: int
    classes: int
    trained: float
    fused: float
    changed: int
    shown: tuple[Crop, ...]


def learned(picture: Callable[[np.ndarray], str], *, per_class: int = 16) -> Learned:
    """Classify test crops by the trained and by the fused network, in binary32.

    ``picture`` turns an image (h, w, 3) of bytes into what a page can show.
    """
    network, parameters, about = io.trained_small()
    data = io.read_textures(train=1, test=per_class, seed=about["seed"])
    images, labels = data.test.images, data.test.labels
    trained = predict(network, parameters, images).argmax(axis=1)
    fused = predict(*fuse_network(network, parameters), images).argmax(axis=1)
    return Learned(
        parameters=about["parameters"],
        crops=len(labels),
        classes=len(data.classes),
        trained=float((trained == labels).mean()),
        fused=float((fused == labels).mean()),
        changed=int((trained != fused).sum()),
        shown=tuple(
            Crop(
                picture=picture(_grey(images[first, 0])),
                of=data.classes[labels[first]].replace("_", " "),
                taken_for=data.classes[fused[first]].replace("_", " "),
            )
            for first in range(0, len(labels), per_class)
        ),
    )


def _grey(crop: np.ndarray) -> np.ndarray:
    low, high = crop.min(), crop.max()
    grey = ((crop - low) * (255 / (high - low))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
