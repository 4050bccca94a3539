"""VGG-16 at 224×224, as data.

    2 × 64 · max · 2 × 128 · max · 3 × 256 · max · 3 × 512 · max · 3 × 512 · max
    fc6 4096 ReLU · fc7 4096 ReLU · fc8 1000

Every convolution is 3×3, "same", with a bias and a ReLU; every maximum is 2×2/2. Dropout is the
identity at inference, and is left out.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", arXiv:1409.1556 (2014), Table 1, column D.
"""

from refimpl.nets.graph import Network, Node
from refimpl.nets.sites import biased_convolution, fully_connected, max_pool, relu

SIDE = 224
WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)
CLASSES = 1000


def vgg16(*, height: int = SIDE, width: int = SIDE) -> Network:
    """Build VGG-16; fc6 takes as many features as are left of a ``height`` × ``width`` image.

    Raises
    ------
    ValueError
        If nothing is left of the image, which must be 32×32 at least.
    """
    if min(height, width) < 32:
        raise ValueError(f"an image for VGG-16 must be at least 32×32, not {height}×{width}")
    nodes: list[Node] = []
    last, channels = "image", 3
    for stage, (outputs, count) in enumerate(zip(WIDTHS, CONVOLUTIONS, strict=True), start=1):
        for number in range(1, count + 1):
            name = f"conv{stage}_{number}"
            conv = biased_convolution(name, last, channels, outputs, side=3, padding=1)
            nodes += [conv, relu(name, name)]
            last, channels = f"{name}.relu", outputs
        nodes.append(max_pool(f"pool{stage}", last, kernel=2, stride=2))
        last = f"pool{stage}"
    nodes.append(Node(name="flatten", kind="flatten", inputs=(last,)))
    last, features = "flatten", channels * (height // 32) * (width // 32)
    for name in ("fc6", "fc7"):
        nodes += [fully_connected(name, last, features, 4096), relu(name, name)]
        last, features = f"{name}.relu", 4096
    nodes.append(fully_connected("fc8", last, features, CLASSES))
    return Network(name="VGG-16", nodes=tuple(nodes))
