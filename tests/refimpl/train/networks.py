"""A tiny network of every kind that can be trained, in any precision, and crops for it."""

import numpy as np

from refimpl.nets.graph import Network, Node, initialise
from refimpl.nets.sites import convolution, relu, site
from refimpl.train.flat import flatten, unflatten

CLASSES = 3


def tiny(operator):
    """conv 3×3, max pool, residual block of the operator, pool, linear: 2 channels, 8×8 images."""
    nodes = [
        *convolution("conv1", "image", 1, 2, side=3, stride=1),
        relu("conv1"),
        Node(
            name="pool", kind="max_pool2d", inputs=("conv1.relu",),
            attributes={"kernel": 2, "stride": 2, "padding": 0},
        ),
        *site(operator, "site", "pool", 2, 2),
    ]  # fmt: skip
    nodes += [
        Node(name="sum", kind="add", inputs=(nodes[-1].name, "pool")),
        relu("sum", "sum"),
        Node(name="average", kind="global_avg_pool", inputs=("sum.relu",)),
        Node(
            name="fc", kind="linear", inputs=("average",),
            shapes={"w": (CLASSES, 2), "b": (CLASSES,)},
        ),
    ]  # fmt: skip
    return Network(name="tiny network", nodes=tuple(nodes))


def weights(network, dtype=np.float64, seed=0):
    """Weights of no particular symmetry: γ, β and biases are drawn, too."""
    rng = np.random.default_rng(seed)
    flat = flatten(initialise(network, seed=str(seed)))
    for key, array in flat.items():
        noise = rng.uniform(0.1, 0.5, array.shape)
        flat[key] = (array + noise).astype(dtype)
    return unflatten(network, flat)


def batch(dtype=np.float64, count=4, seed=0):
    """Images (n, 1, 8, 8) and their classes."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 1, 8, 8)).astype(dtype), np.arange(count) % CLASSES
