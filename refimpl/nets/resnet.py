"""ResNet-34 and ResNet-50, the 3×3 convolutions of one stage replaced by an operator, as data.

A network is a tuple of nodes in the order of computation; a node names its inputs. The family:

    conv1 7×7/2, 64 · maxpool 3×3/2 · conv2_x … conv5_x · global average · fc 1000

    depth  block       3×3 width of conv2_x…conv5_x   blocks        output channels
    34     basic       64 128 256 512                 3 4 6 3       width
    50     bottleneck  64 128 256 512                 3 4 6 3       4 × width

The first block of conv3_x, conv4_x and conv5_x strides: a bottleneck on its 3×3 (version 1.5) or,
as the paper has it, on its first 1×1 (version 1); basic blocks are the same in both. Stage k is
conv k_x, so the article's "third stage" is conv3_x. There are no trained weights of X-volution in
public.

Source: He et al., arXiv:1512.03385 (2015), Table 1; the stride of version 1.5 as in the reference
implementations that call it so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from refimpl.nets.graph import Network, Node
from refimpl.nets.sites import OPERATORS, convolution, fully_connected, max_pool, relu, site

STAGES = {"conv2_x": 64, "conv3_x": 128, "conv4_x": 256, "conv5_x": 512}
BLOCKS = (3, 4, 6, 3)
EXPANSION = {34: 1, 50: 4}
VERSIONS = ("1.5", "1")
CLASSES = 1000


def resnet(
    depth: int = 50,
    *,
    stage: str | None = "conv3_x",
    operator: str = "xvolution",
    kernel: int = 3,
    version: str = "1.5",
) -> Network:
    """Build ResNet-``depth`` with the 3×3 convolutions of ``stage`` replaced by ``operator``.

    ``stage=None`` is the plain network; ``kernel`` is the side of the attention's kernel or window
    (of a plain convolution, where the operator is that).

    Raises
    ------
    ValueError
        If the depth, stage, operator, kernel or version is not one there is.
    """
    nodes = trunk(depth, stage=stage, operator=operator, kernel=kernel, version=version)
    channels = STAGES["conv5_x"] * EXPANSION[depth]
    nodes.append(Node(name="avgpool", kind="global_avg_pool", inputs=(nodes[-1].name,)))
    nodes.append(fully_connected("fc", "avgpool", channels, CLASSES))
    return Network(name=f"ResNet-{depth}{suffix(stage, operator, version)}", nodes=tuple(nodes))


def trunk(depth: int, *, stage: str | None, operator: str, kernel: int, version: str) -> list[Node]:
    """Nodes from the image to the end of conv5_x; ``stage_end`` names the last of each stage.

    Raises
    ------
    ValueError
        As ``resnet``.
    """
    _check(depth, stage, operator, kernel, version)
    nodes = [*convolution("conv1", "image", 3, 64, side=7, stride=2), relu("conv1")]
    nodes.append(max_pool("maxpool", "conv1.relu", kernel=3, stride=2, padding=1))
    channels = 64
    for (stage_name, width), blocks in zip(STAGES.items(), BLOCKS, strict=True):
        for index in range(blocks):
            block = _Block(
                name=f"{stage_name.removesuffix('x')}{index + 1}",
                source=nodes[-1].name,
                inputs=channels,
                width=width,
                outputs=width * EXPANSION[depth],
                stride=2 if index == 0 and stage_name != "conv2_x" else 1,
                strides_first=version == "1",
                operator=operator if stage_name == stage else None,
                kernel=kernel,
            )
            nodes += block.nodes(bottleneck=depth == 50)
            channels = block.outputs
    return nodes


def stage_end(stage: str) -> str:
    """Name of the node that a stage ends with."""
    blocks = dict(zip(STAGES, BLOCKS, strict=True))[stage]
    return f"{stage.removesuffix('x')}{blocks}.relu"


def suffix(stage: str | None, operator: str, version: str) -> str:
    """What a network's name says beyond its family: version and replaced stage."""
    words = "" if version == "1.5" else f" v{version}"
    if stage is None:
        return words
    return f"{words} with {'X-volution' if operator == 'xvolution' else operator} in {stage}"


def _check(depth: int, stage: str | None, operator: str, kernel: int, version: str) -> None:
    if depth not in EXPANSION:
        raise ValueError(f"depth must be one of {', '.join(map(str, EXPANSION))}, not {depth!r}")
    if stage is not None and stage not in STAGES:
        raise ValueError(f"stage must be one of {', '.join(STAGES)} or none, not {stage!r}")
    if operator not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, not {operator!r}")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"the attention kernel's side must be odd, not {kernel!r}")
    if version not in VERSIONS:
        raise ValueError(f"version must be one of {', '.join(VERSIONS)}, not {version!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    name: str
    source: str
    inputs: int
    width: int
    outputs: int
    stride: int
    strides_first: bool
    operator: str | None
    kernel: int

    def nodes(self, *, bottleneck: bool) -> Iterator[Node]:
        """Yield the block's operators: main path, shortcut, sum."""
        last, channels = self.source, self.inputs
        plan = self._plan(bottleneck=bottleneck)
        for number, (side, outputs, stride) in enumerate(plan, start=1):
            part = f"{self.name}.conv{number}"
            if side == 3 and self.operator is not None:
                made = site(
                    self.operator, part, last, channels, outputs, stride=stride, kernel=self.kernel
                )
            else:
                made = convolution(part, last, channels, outputs, side=side, stride=stride)
            yield from made
            last, channels = made[-1].name, outputs
            if number < len(plan):
                yield relu(part, last)
                last = f"{part}.relu"
        shortcut = self.source
        if self.stride != 1 or self.inputs != self.outputs:
            part = f"{self.name}.downsample"
            ends = self.inputs, self.outputs
            yield from convolution(part, self.source, *ends, side=1, stride=self.stride)
            shortcut = f"{part}.bn"
        yield Node(name=f"{self.name}.add", kind="add", inputs=(last, shortcut))
        yield relu(self.name, f"{self.name}.add")

    def _plan(self, *, bottleneck: bool) -> list[tuple[int, int, int]]:
        """(side, output channels, stride) of each convolution on the main path."""
        if not bottleneck:
            return [(3, self.width, self.stride), (3, self.outputs, 1)]
        first, second = (self.stride, 1) if self.strides_first else (1, self.stride)
        return [(1, self.width, first), (3, self.width, second), (1, self.outputs, 1)]
