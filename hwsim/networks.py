"""Published networks as lists of layers.

ResNet-34 and ResNet-50, after Table 1 of He et al., "Deep Residual Learning for Image
Recognition", CVPR 2016; ResNet-50 in its version 1.5, which strides in the 3 × 3 convolution
instead of the first 1 × 1. Batch normalisations are folded into the convolutions. A layer is named
``conv3_2.conv1``: stage, block, part; its ReLU belongs to it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from hwsim.checks import at_least, one_of
from hwsim.integers import ceil_div
from hwsim.lowering import (
    FORMS,
    addition_layer,
    convolution_layer,
    fully_connected_layer,
    pooling_layer,
)
from hwsim.workload import Convolution, Layer

STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")
WIDTHS = (64, 128, 256, 512)
CLASSES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One column of the paper's Table 1."""

    blocks: tuple[int, ...]
    expansion: int


NETWORKS: Mapping[str, Family] = MappingProxyType(
    {
        "resnet34": Family(blocks=(3, 4, 6, 3), expansion=1),
        "resnet50": Family(blocks=(3, 4, 6, 3), expansion=4),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Layers in order; ``sites`` names the 3 × 3 convolutions of ``stage``, now in ``form``."""

    name: str
    layers: tuple[Layer, ...]
    stage: str | None = None
    form: str = "convolution"
    sites: tuple[str, ...] = ()
    batch: int = 1
    height: int = 224
    width: int = 224

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    def only(self, *names: str) -> "Network":
        """The same network reduced to the named layers; ``ValueError`` if there is no such."""
        known = [layer.name for layer in self.layers]
        for name in names:
            one_of(f"layer of {self.name}", name, known)
        return replace(self, layers=tuple(layer for layer in self.layers if layer.name in names))


def network(
    name: str,
    *,
    stage: str | None = None,
    form: str = "convolution",
    batch: int = 1,
    height: int = 224,
    width: int = 224,
) -> Network:
    """A published network for ``batch`` images of ``height`` × ``width`` pixels.

    The 3 × 3 convolutions of ``stage`` are computed in ``form``. Raises ``ValueError`` for a name,
    stage or form that does not exist, a form without a stage, and sizes below one.
    """
    family = NETWORKS[one_of("network", name, NETWORKS)]
    one_of("form", form, FORMS)
    if stage is not None:
        one_of("stage", stage, STAGES)
    elif form != "convolution":
        raise ValueError(f"form {form} must come with a stage, one of {', '.join(STAGES)}")
    for what, value in (("batch", batch), ("input height", height), ("input width", width)):
        at_least(what, value, 1)
    built = tuple(_layers(family, stage, form, _Map(batch, 3, height, width)))
    return Network(
        name=name,
        layers=tuple(layer for layer, _ in built),
        stage=stage,
        form=form,
        sites=tuple(layer.name for layer, is_site in built if is_site),
        batch=batch,
        height=height,
        width=width,
    )


class _Map(NamedTuple):
    """Shape of a feature map."""

    batch: int
    channels: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        return self.batch * self.channels * self.height * self.width


class _Part(NamedTuple):
    """A convolution of a block, and whether a ReLU follows it."""

    name: str
    conv: Convolution
    relu: bool = True


def _layers(
    family: Family, stage: str | None, form: str, image: _Map
) -> Iterator[tuple[Layer, bool]]:
    """Yield each layer, and whether it is a site."""
    stem = _square(image, 64, kernel=7, stride=2)
    entry = _Map(image.batch, 64, ceil_div(stem.out_height, 2), ceil_div(stem.out_width, 2))
    yield convolution_layer("conv1", stem, relu=True, form="convolution"), False
    yield pooling_layer("maxpool", "maximum", stem, window=9, outputs=entry.elements), False
    for index, block in _blocks(family):
        stride = 2 if block == 1 and index > 0 else 1
        body = _body(entry, WIDTHS[index], family.expansion, stride)
        prefix = f"{STAGES[index].removesuffix('x')}{block}"
        last = body[-1].conv
        for part in (*body, *_shortcut(entry, last, stride)):
            is_site = STAGES[index] == stage and part.conv.kernel_h == 3
            used = form if is_site else "convolution"
            name = f"{prefix}.{part.name}"
            yield convolution_layer(name, part.conv, relu=part.relu, form=used), is_site
        yield addition_layer(f"{prefix}.add", last), False
        entry = _after(last)
    pixels, features = entry.height * entry.width, entry.batch * entry.channels
    yield pooling_layer("avgpool", "mean", last, window=pixels, outputs=features), False
    yield fully_connected_layer("fc", entry.batch, entry.channels, CLASSES), False


def _blocks(family: Family) -> tuple[tuple[int, int], ...]:
    """Index of the stage and number of the block, in order."""
    return tuple(
        (index, block + 1) for index, count in enumerate(family.blocks) for block in range(count)
    )


def _body(entry: _Map, wide: int, expansion: int, stride: int) -> tuple[_Part, ...]:
    """Convolutions on the residual path of one block."""
    if expansion == 1:
        first = _square(entry, wide, kernel=3, stride=stride)
        second = _square(_after(first), wide, kernel=3)
        return _Part("conv1", first), _Part("conv2", second, relu=False)
    first = _square(entry, wide, kernel=1)
    second = _square(_after(first), wide, kernel=3, stride=stride)
    third = _square(_after(second), wide * expansion, kernel=1)
    return _Part("conv1", first), _Part("conv2", second), _Part("conv3", third, relu=False)


def _shortcut(entry: _Map, last: Convolution, stride: int) -> tuple[_Part, ...]:
    """The projection on the other path, where the block changes the shape."""
    if entry.channels == last.out_channels and stride == 1:
        return ()
    conv = _square(entry, last.out_channels, kernel=1, stride=stride)
    return (_Part("downsample", conv, relu=False),)


def _square(entry: _Map, out_channels: int, *, kernel: int, stride: int = 1) -> Convolution:
    return Convolution(
        batch=entry.batch,
        in_channels=entry.channels,
        height=entry.height,
        width=entry.width,
        out_channels=out_channels,
        kernel_h=kernel,
        kernel_w=kernel,
        stride=stride,
        padding=kernel // 2,
    )


def _after(conv: Convolution) -> _Map:
    return _Map(conv.batch, conv.out_channels, conv.out_height, conv.out_width)
