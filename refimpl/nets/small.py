"""A small member of the family: one stage of a tiny residual network holds the chosen operator.

    conv1 3×3/2, 16, batch normalisation, ReLU                            32×32 → 16×16
    conv2_1: residual block of two sites of the operator, 16 channels     16×16
    conv3_1: residual block of two 3×3 convolutions, stride 2, 32         16×16 → 8×8
    global average · fc

The second stage is the one that varies: its map is large enough for a 7×7 window to differ from a
global one. Grey images; everything else is that of ``resnet``.

Source: He et al., arXiv:1512.03385 (2015), Fig. 2 for the block; the sizes are ours.
"""

from dataclasses import replace

from refimpl.nets.graph import Network, Node
from refimpl.nets.sites import X_VOLUTIONS, convolution, relu, site

SIDE = 32
WIDTHS = (16, 32)


def small(
    operator: str = "xvolution", *, classes: int, kernel: int = 3, window: int = 3
) -> Network:
    """Build the small network with ``operator`` in its second stage.

    ``kernel`` is the side of the convolution there: the plain one, or the convolution branch of an
    X-volution. ``window`` is the side of the attention's kernel or window.

    Raises
    ------
    ValueError
        If there is no such operator, a side is even, or there are not at least two classes.
    """
    for name, value in (("kernel", kernel), ("window", window)):
        if value < 1 or value % 2 == 0:
            raise ValueError(f"{name} must be a positive odd side, not {value!r}")
    if classes < 2:
        raise ValueError(f"classes must be at least 2, not {classes!r}")
    width, wide = WIDTHS
    nodes = [*convolution("conv1", "image", 1, width, side=3, stride=2), relu("conv1")]
    for number in (1, 2):
        name, source = f"conv2_1.conv{number}", nodes[-1].name
        nodes += _varied(operator, name, source, width, kernel=kernel, window=window)
        if number == 1:
            nodes.append(relu(name, nodes[-1].name))
    nodes += _joined("conv2_1", nodes[-1].name, "conv1.relu")
    nodes += convolution("conv3_1.conv1", "conv2_1.relu", width, wide, side=3, stride=2)
    nodes.append(relu("conv3_1.conv1"))
    nodes += convolution("conv3_1.conv2", nodes[-1].name, wide, wide, side=3, stride=1)
    nodes += convolution("conv3_1.downsample", "conv2_1.relu", width, wide, side=1, stride=2)
    nodes += _joined("conv3_1", "conv3_1.conv2.bn", "conv3_1.downsample.bn")
    nodes.append(Node(name="avgpool", kind="global_avg_pool", inputs=("conv3_1.relu",)))
    shapes = {"w": (classes, wide), "b": (classes,)}
    nodes.append(Node(name="fc", kind="linear", inputs=("avgpool",), shapes=shapes))
    return Network(name=f"small network with {operator}", nodes=tuple(nodes))


def linear_on_pixels(classes: int) -> Network:
    """Build softmax regression: one linear layer on images given as rows (n, SIDE²)."""
    shapes = {"w": (classes, SIDE * SIDE), "b": (classes,)}
    only = Node(name="fc", kind="linear", inputs=("image",), shapes=shapes)
    return Network(name="softmax regression on pixels", nodes=(only,))


def _varied(
    operator: str, name: str, source: str, width: int, *, kernel: int, window: int
) -> tuple[Node, ...]:
    """The operator's nodes, with the kernel of its convolution and the window of its attention."""
    side = kernel if operator == "conv2d" else window
    first, *others = site(operator, name, source, width, width, kernel=side)
    if operator in X_VOLUTIONS:
        shapes = {**first.shapes, "w_c": (width, width, kernel, kernel)}
        first = replace(first, shapes=shapes)
    return first, *others


def _joined(name: str, main: str, shortcut: str) -> tuple[Node, Node]:
    """The sum at the end of a residual block, and its ReLU."""
    return Node(name=f"{name}.add", kind="add", inputs=(main, shortcut)), relu(name, f"{name}.add")
