"""ResNet-50-FPN as layers: the backbone of Faster R-CNN and Mask R-CNN at 800 × 1333.

After Lin et al., "Feature Pyramid Networks for Object Detection", arXiv:1612.03144 (2017), section
3: a 1 × 1 convolution to 256 channels of the end of every stage, sums from coarse to fine with the
coarser map repeated to the finer one's size, a 3 × 3 convolution of each sum, and every second
pixel of the coarsest again. Repeating pixels is an address in the sum's second read: no cycles.
"""

from collections.abc import Iterator

from hwsim.lowering import convolution_layer, pooling_layer
from hwsim.networks.maps import Map, after, convolve, pooled
from hwsim.networks.residual import Built, Choice, Family, trunk
from hwsim.workload import Convolution, Elementwise, Layer

CHANNELS = 256


def pyramid(family: Family, image: Map, choice: Choice) -> Iterator[Built]:
    """Layers from the image to P2 … P6."""
    ends: list[Convolution] = []
    for built in trunk(family, image, choice):
        ends += [built.ends] if built.ends else []
        yield built
    laterals = [convolve(after(end), CHANNELS, kernel=1) for end in ends]
    levels = list(enumerate(laterals, start=2))
    for level, lateral in reversed(levels):
        yield Built(_convolution(f"lateral{level}", lateral))
        if level < 5:
            yield Built(_merge(f"merge{level}", lateral))
    outputs = [(level, convolve(after(lateral), CHANNELS, kernel=3)) for level, lateral in levels]
    for level, conv in outputs:
        yield Built(_convolution(f"p{level}", conv))
    _, coarsest = outputs[-1]
    halved = pooled(after(coarsest), kernel=1, stride=2)
    yield Built(pooling_layer("p6", "maximum", coarsest, window=1, outputs=halved.elements))


def _convolution(name: str, conv: Convolution) -> Layer:
    return convolution_layer(name, conv, relu=False, form="convolution")


def _merge(name: str, like: Convolution) -> Layer:
    total = Elementwise(kind="add", elements=like.out_elements, inputs=2, label="sum")
    return Layer(name=name, form="addition", primitives=(total,))
