"""ResNet-34 and ResNet-50 as layers.

After Table 1 of He et al., "Deep Residual Learning for Image Recognition", CVPR 2016. A bottleneck
that halves the image strides on its 3 × 3 convolution (version 1.5) or, as in the paper, on its
first 1 × 1 (version 1). Batch normalisations are folded into the convolutions. A layer is named
``conv3_2.conv1``: stage, block, part; its ReLU belongs to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hwsim.lowering import (
    addition_layer,
    convolution_layer,
    fully_connected_layer,
    pooling_layer,
)
from hwsim.networks.maps import Map, after, convolve, pooled
from hwsim.workload import Convolution, Layer

STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")
WIDTHS = (64, 128, 256, 512)
VERSIONS = ("1.5", "1")
CLASSES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One column of the paper's Table 1."""

    blocks: tuple[int, ...] = (3, 4, 6, 3)
    expansion: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a residual network lets one choose: a stage, the form it takes there, the version."""

    stage: str | None
    form: str
    version: str


class Built(NamedTuple):
    """A layer; whether it is a site of the chosen stage; and, if a stage ends with it, that end."""

    layer: Layer
    is_site: bool = False
    ends: Convolution | None = None


def residual(family: Family, image: Map, choice: Choice) -> Iterator[Built]:
    """Layers of a ResNet from the image to the classes."""
    last: Convolution | None = None
    for built in trunk(family, image, choice):
        last = built.ends or last
        yield built
    assert last is not None  # noqa: S101 - every stage ends
    entry = after(last)
    pixels, features = entry.height * entry.width, entry.batch * entry.channels
    yield Built(pooling_layer("avgpool", "mean", last, window=pixels, outputs=features))
    yield Built(fully_connected_layer("fc", entry.batch, entry.channels, CLASSES))


def trunk(family: Family, image: Map, choice: Choice) -> Iterator[Built]:
    """Layers of a ResNet from the image to the end of conv5_x."""
    stem = convolve(image, 64, kernel=7, stride=2)
    entry = pooled(after(stem), kernel=3, stride=2, padding=1)
    yield Built(convolution_layer("conv1", stem, relu=True, form="convolution"))
    yield Built(pooling_layer("maxpool", "maximum", stem, window=9, outputs=entry.elements))
    for index, count in enumerate(family.blocks):
        for block in range(1, count + 1):
            stride = 2 if block == 1 and index > 0 else 1
            body = _body(entry, WIDTHS[index], family.expansion, stride, choice.version)
            prefix = f"{STAGES[index].removesuffix('x')}{block}"
            last = body[-1].conv
            for part in (*body, *_shortcut(entry, last, stride)):
                is_site = STAGES[index] == choice.stage and part.conv.kernel_h == 3
                form = choice.form if is_site else "convolution"
                name = f"{prefix}.{part.name}"
                yield Built(convolution_layer(name, part.conv, relu=part.relu, form=form), is_site)
            ends = last if block == count else None
            yield Built(addition_layer(f"{prefix}.add", last), ends=ends)
            entry = after(last)


class _Part(NamedTuple):
    """A convolution of a block, and whether a ReLU follows it."""

    name: str
    conv: Convolution
    relu: bool = True


def _body(entry: Map, wide: int, expansion: int, stride: int, version: str) -> tuple[_Part, ...]:
    """Convolutions on the residual path of one block."""
    if expansion == 1:
        first = convolve(entry, wide, kernel=3, stride=stride)
        second = convolve(after(first), wide, kernel=3)
        return _Part("conv1", first), _Part("conv2", second, relu=False)
    narrow, square = (stride, 1) if version == "1" else (1, stride)
    first = convolve(entry, wide, kernel=1, stride=narrow)
    second = convolve(after(first), wide, kernel=3, stride=square)
    third = convolve(after(second), wide * expansion, kernel=1)
    return _Part("conv1", first), _Part("conv2", second), _Part("conv3", third, relu=False)


def _shortcut(entry: Map, last: Convolution, stride: int) -> tuple[_Part, ...]:
    """The projection on the other path, where the block changes the shape."""
    if entry.channels == last.out_channels and stride == 1:
        return ()
    conv = convolve(entry, last.out_channels, kernel=1, stride=stride)
    return (_Part("downsample", conv, relu=False),)
