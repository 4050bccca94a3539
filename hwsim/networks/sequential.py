"""AlexNet and VGG-16 as layers, for validation: other models publish what these cost.

AlexNet is the two-group original at 227 × 227, after Krizhevsky, Sutskever and Hinton, "ImageNet
Classification with Deep Convolutional Neural Networks", NIPS 2012, with the shapes of Table I of
Chen et al., "Eyeriss", IEEE JSSC 52(1), 2017; VGG-16 is column D of Table 1 of Simonyan and
Zisserman, arXiv:1409.1556 (2014). Dropout is the identity at inference. The first fully connected
layer takes whatever the convolutions leave of the image.
"""

from collections.abc import Iterator
from dataclasses import replace

from hwsim.lowering import convolution_layer, fully_connected_layer, pooling_layer
from hwsim.networks.maps import Map, after, convolve, pooled
from hwsim.workload import Convolution, Elementwise, Layer

CLASSES = 1000
VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def alexnet(image: Map) -> Iterator[Layer]:
    """Five convolutions, two of them normalised over channels, three maxima, three products."""
    first = convolve(image, 96, kernel=11, stride=4, padding=0)
    yield from _normalised("conv1", first)
    second = convolve(pooled(after(first), kernel=3, stride=2), 256, kernel=5, groups=2)
    yield from _normalised("conv2", second)
    third = convolve(pooled(after(second), kernel=3, stride=2), 384, kernel=3)
    fourth = convolve(after(third), 384, kernel=3, groups=2)
    fifth = convolve(after(fourth), 256, kernel=3, groups=2)
    for name, conv in (("conv3", third), ("conv4", fourth), ("conv5", fifth)):
        yield convolution_layer(name, conv, relu=True, form="convolution")
    yield _maximum("conv5.pool", fifth, kernel=3)
    yield from _classifier(pooled(after(fifth), kernel=3, stride=2))


def vgg16(image: Map) -> Iterator[Layer]:
    """Thirteen 3 × 3 convolutions, five maxima, three products."""
    entry = image
    for stage, (channels, count) in enumerate(VGG16, start=1):
        for number in range(1, count + 1):
            conv = convolve(entry, channels, kernel=3)
            yield convolution_layer(f"conv{stage}_{number}", conv, relu=True, form="convolution")
            entry = after(conv)
        yield _maximum(f"pool{stage}", conv, kernel=2)
        entry = pooled(entry, kernel=2, stride=2)
    yield from _classifier(entry)


def _normalised(name: str, conv: Convolution) -> Iterator[Layer]:
    yield convolution_layer(name, conv, relu=True, form="convolution")
    norm = Elementwise(kind="response_norm", elements=conv.out_elements, label="response norm")
    yield Layer(name=f"{name}.norm", form="response norm", primitives=(norm,))
    yield _maximum(f"{name}.pool", conv, kernel=3)


def _maximum(name: str, before: Convolution, *, kernel: int) -> Layer:
    """A maximum with stride 2 over something shaped as the output of ``before``."""
    outputs = pooled(after(before), kernel=kernel, stride=2).elements
    return pooling_layer(name, "maximum", before, window=kernel * kernel, outputs=outputs)


def _classifier(entry: Map) -> Iterator[Layer]:
    features = entry.channels * entry.height * entry.width
    for name in ("fc6", "fc7"):
        layer = fully_connected_layer(name, entry.batch, features, 4096)
        relu = Elementwise(kind="relu", elements=entry.batch * 4096, fused=True, label="relu")
        yield replace(layer, primitives=(*layer.primitives, relu))
        features = 4096
    yield fully_connected_layer("fc8", entry.batch, features, CLASSES)
