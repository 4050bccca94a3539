"""ResNet-50-FPN, the backbone of Faster R-CNN and Mask R-CNN at 800×1333, as data.

    C2 … C5 = ends of conv2_x … conv5_x          no global average, no classifier
    M5 = lateral5(C5)                            lateral: 1×1, 256
    Mi = lateral_i(Ci) + nearest(M(i+1))         i = 4, 3, 2
    Pi = output_i(Mi)                            output: 3×3, 256
    P6 = every second pixel of P5                a 1×1 maximum with stride 2

The pyramid's convolutions have biases, and neither normalisation nor ReLU. The paper upsamples by a
factor of 2; where a finer side is odd (167 beside 84 at 800×1333) that does not fit, and what is
upsampled takes the finer map's size, as the reference implementation does it.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", arXiv:1612.03144 (2017),
section 3 and footnote 1 on P6; He et al., "Mask R-CNN", arXiv:1703.06870 (2017), section 3.1.
"""

from refimpl.nets.graph import Network, Node
from refimpl.nets.resnet import EXPANSION, STAGES, stage_end, suffix, trunk
from refimpl.nets.sites import biased_convolution, max_pool

CHANNELS = 256
DEPTH = 50


def resnet50_fpn(
    *,
    stage: str | None = "conv5_x",
    operator: str = "xvolution",
    kernel: int = 3,
    version: str = "1.5",
) -> Network:
    """Build the backbone, the 3×3 convolutions of one stage replaced; its answers are P2 … P6.

    ``stage=None`` is the plain backbone.

    Raises
    ------
    ValueError
        If the stage, operator, kernel or version is not one there is.
    """
    nodes = trunk(DEPTH, stage=stage, operator=operator, kernel=kernel, version=version)
    nodes += _top_down()
    nodes += [
        biased_convolution(f"p{level}", _merged(level), CHANNELS, CHANNELS, side=3, padding=1)
        for level in (2, 3, 4, 5)
    ]
    nodes.append(max_pool("p6", "p5", kernel=1, stride=2))
    name = f"ResNet-{DEPTH}-FPN{suffix(stage, operator, version)}"
    return Network(name=name, nodes=tuple(nodes), outputs=("p2", "p3", "p4", "p5", "p6"))


def _top_down() -> list[Node]:
    """Lateral convolutions, and the sums along the way from coarse to fine."""
    nodes: list[Node] = []
    for level in (5, 4, 3, 2):
        stage = f"conv{level}_x"
        inputs = STAGES[stage] * EXPANSION[DEPTH]
        lateral = f"lateral{level}"
        nodes.append(biased_convolution(lateral, stage_end(stage), inputs, CHANNELS, side=1))
        if level < 5:
            name, coarse = f"upsample{level}", _merged(level + 1)
            nodes.append(Node(name=name, kind="upsample_nearest", inputs=(coarse, lateral)))
            nodes.append(Node(name=_merged(level), kind="add", inputs=(lateral, name)))
    return nodes


def _merged(level: int) -> str:
    """Name of M2 … M5; the coarsest is its lateral convolution alone."""
    return "lateral5" if level == 5 else f"merge{level}"
