"""ResNet-34 and ResNet-50, the 3×3 convolutions of one stage replaced by X-volution, as data.

A network is a tuple of nodes in the order of computation; a node names its inputs. The family:

    conv1 7×7/2, 64 · maxpool 3×3/2 · conv2_x … conv5_x · global average · fc 1000

    depth  block       3×3 width of conv2_x…conv5_x   blocks        output channels
    34     basic       64 128 256 512                 3 4 6 3       width
    50     bottleneck  64 128 256 512                 3 4 6 3       4 × width

Bottlenecks stride on the 3×3 (version 1.5). Stage k is conv k_x, so the article's "third stage" is
conv3_x. There are no trained weights of X-volution in public.

Source: He et al., arXiv:1512.03385 (2015), Table 1; the stride as in the
reference implementations that call it version 1.5.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from refimpl.nets.graph import Network, Node
from refimpl.nets.sites import convolution, relu, site

STAGES = {"conv2_x": 64, "conv3_x": 128, "conv4_x": 256, "conv5_x": 512}
BLOCKS = (3, 4, 6, 3)
EXPANSION = {34: 1, 50: 4}
CLASSES = 1000


def resnet(depth: int = 50, *, stage: str | None = "conv3_x", kernel: int = 3) -> Network:
    """Build ResNet-``depth`` with the 3×3 convolutions of ``stage`` replaced by X-volution.

    ``stage=None`` is the plain network; ``kernel`` is the side of the attention branch's kernel.

    Raises
    ------
    ValueError
        If the depth, stage or kernel is not one there is.
    """
    if depth not in EXPANSION:
        raise ValueError(f"depth must be one of {', '.join(map(str, EXPANSION))}, not {depth!r}")
    if stage is not None and stage not in STAGES:
        raise ValueError(f"stage must be one of {', '.join(STAGES)} or none, not {stage!r}")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"the attention kernel's side must be odd, not {kernel!r}")
    nodes = [*convolution("conv1", "image", 3, 64, side=7, stride=2), relu("conv1")]
    nodes.append(
        Node(
            name="maxpool",
            kind="max_pool2d",
            inputs=("conv1.relu",),
            attributes={"kernel": 3, "stride": 2, "padding": 1},
        )
    )
    last, channels = "maxpool", 64
    for (stage_name, width), blocks in zip(STAGES.items(), BLOCKS, strict=True):
        for index in range(blocks):
            stride = 2 if index == 0 and stage_name != "conv2_x" else 1
            block = _Block(
                name=f"{stage_name.removesuffix('x')}{index + 1}",
                source=last,
                inputs=channels,
                width=width,
                outputs=width * EXPANSION[depth],
                stride=stride,
                attention=kernel if stage_name == stage else None,
            )
            nodes += block.nodes(bottleneck=depth == 50)
            last, channels = f"{block.name}.relu", block.outputs
    nodes.append(Node(name="avgpool", kind="global_avg_pool", inputs=(last,)))
    shapes = {"w": (CLASSES, channels), "b": (CLASSES,)}
    nodes.append(Node(name="fc", kind="linear", inputs=("avgpool",), shapes=shapes))
    suffix = "" if stage is None else f" with X-volution in {stage}"
    return Network(name=f"ResNet-{depth}{suffix}", nodes=tuple(nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    name: str
    source: str
    inputs: int
    width: int
    outputs: int
    stride: int
    attention: int | None

    def nodes(self, *, bottleneck: bool) -> Iterator[Node]:
        """Yield the block's operators: main path, shortcut, sum."""
        plan = (
            [(1, self.width, 1), (3, self.width, self.stride), (1, self.outputs, 1)]
            if bottleneck
            else [(3, self.width, self.stride), (3, self.outputs, 1)]
        )
        sizes = [self.inputs, *(outputs for _, outputs, _ in plan)]
        last = self.source
        for number, ((side, outputs, stride), inputs) in enumerate(
            zip(plan, sizes[:-1], strict=True), start=1
        ):
            part = f"{self.name}.conv{number}"
            if side == 3 and self.attention is not None:
                nodes = site(
                    "xvolution", part, last, inputs, outputs, stride=stride, kernel=self.attention
                )
                yield from nodes
                last = nodes[-1].name
            else:
                yield from convolution(part, last, inputs, outputs, side=side, stride=stride)
                last = f"{part}.bn"
            if number < len(plan):
                yield relu(part, last)
                last = f"{part}.relu"
        shortcut = self.source
        if self.stride != 1 or self.inputs != self.outputs:
            part = f"{self.name}.downsample"
            yield from convolution(
                part, self.source, self.inputs, self.outputs, side=1, stride=self.stride
            )
            shortcut = f"{part}.bn"
        yield Node(name=f"{self.name}.add", kind="add", inputs=(last, shortcut))
        yield relu(self.name, f"{self.name}.add")


def convolution_macs(network: Network, side: int = 224) -> dict[str, int]:
    """Multiply-accumulates of every convolution, X-volution (both branches) and linear node."""
    sizes: dict[str, int] = {"image": side}
    counts: dict[str, int] = {}
    for node in network.nodes:
        before = sizes[node.inputs[0]]
        after = _output_side(node, before)
        sizes[node.name] = after
        counts[node.name] = sum(
            int(np.prod(shape)) * after * after
            for name, shape in node.shapes.items()
            if name.startswith("w")
        )
    return {name: count for name, count in counts.items() if count}


def _output_side(node: Node, side: int) -> int:
    if node.kind in {"global_avg_pool", "linear"}:
        return 1
    stride = node.attributes.get("stride", 1)
    step = stride if isinstance(stride, int) else stride[0]
    return -(-side // step)  # every kernel here is odd and padded to "same"
