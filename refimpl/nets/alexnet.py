"""AlexNet, the two-group original at 227×227, as data.

    conv1 11×11/4, 96          ReLU · response norm · max 3×3/2
    conv2 5×5, 256, 2 groups   ReLU · response norm · max 3×3/2
    conv3 3×3, 384             ReLU
    conv4 3×3, 384, 2 groups   ReLU
    conv5 3×3, 256, 2 groups   ReLU · max 3×3/2
    fc6 4096 ReLU · fc7 4096 ReLU · fc8 1000

Two groups are the paper's two GPUs: conv2, conv4 and conv5 see the half of the channels that lies
on their own. The paper says 224×224, but its 55×55 outputs of conv1 need 227×227. Windows of the
maximum that do not fit are left out; at 227 all fit (55, 27 and 13 are odd), so rounding up or
down is the same. Dropout is the identity at inference, and is left out.

Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks", NIPS 2012, sections 3.3-3.5 and Fig. 2; 227 and the groups as in the layer shapes of Chen
et al., "Eyeriss", IEEE JSSC 52(1), 2017, Table I.
"""

from refimpl.nets.graph import Network, Node
from refimpl.nets.sites import biased_convolution, fully_connected, max_pool, relu

SIDE = 227
CLASSES = 1000
RESPONSE_NORM = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2}


def alexnet(*, height: int = SIDE, width: int = SIDE) -> Network:
    """Build AlexNet; fc6 takes as many features as are left of a ``height`` × ``width`` image.

    Raises
    ------
    ValueError
        If nothing is left of the image, which must be 67×67 at least.
    """
    if min(height, width) < 67:
        raise ValueError(f"an image for AlexNet must be at least 67×67, not {height}×{width}")
    nodes = [
        *_layer("conv1", "image", 3, 96, side=11, stride=4, normalised=True),
        *_layer("conv2", "conv1.pool", 96, 256, side=5, padding=2, groups=2, normalised=True),
        *_layer("conv3", "conv2.pool", 256, 384, side=3, padding=1),
        *_layer("conv4", "conv3.relu", 384, 384, side=3, padding=1, groups=2),
        *_layer("conv5", "conv4.relu", 384, 256, side=3, padding=1, groups=2),
        max_pool("conv5.pool", "conv5.relu", kernel=3, stride=2),
        Node(name="flatten", kind="flatten", inputs=("conv5.pool",)),
    ]
    last, features = "flatten", 256 * _left(height) * _left(width)
    for name, outputs in (("fc6", 4096), ("fc7", 4096)):
        nodes += [fully_connected(name, last, features, outputs), relu(name, name)]
        last, features = f"{name}.relu", outputs
    nodes.append(fully_connected("fc8", last, features, CLASSES))
    return Network(name="AlexNet", nodes=tuple(nodes))


def _layer(
    name: str,
    source: str,
    inputs: int,
    outputs: int,
    *,
    side: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    normalised: bool = False,
) -> list[Node]:
    sizes = {"side": side, "stride": stride, "padding": padding, "groups": groups}
    nodes = [biased_convolution(name, source, inputs, outputs, **sizes), relu(name, name)]
    if normalised:
        norm = Node(
            name=f"{name}.norm",
            kind="local_response_norm",
            inputs=(f"{name}.relu",),
            attributes=RESPONSE_NORM,
        )
        nodes += [norm, max_pool(f"{name}.pool", norm.name, kernel=3, stride=2)]
    return nodes


def _left(side: int) -> int:
    """Pixels along one side after conv1 and the three maxima."""
    side = (side - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side
