"""Claims about size: what the kernel form takes where it is stored, and what the forms multiply.

Shapes of the published networks come from ``hwsim.networks``, counts of the forms from
``refimpl.forms.cost``.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from hwsim.networks import network
from hwsim.workload import Convolution
from proofs.article import NO_EXTRA_COMPUTATION, STATIC_PLUS_DYNAMIC, ours
from proofs.claim import claim
from proofs.domain import Case, Cases, grid
from refimpl.forms import XVolution, cost, dynamic_kernel, fuse_xvolution

MIB, GIB = 2**20, 2**30
FLOAT32_BYTES = 4
STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")


def stored_bytes(site: Convolution) -> int:
    """Bytes of the stored kernels of one image: C_out·C_in·K² numbers at every output pixel."""
    per_pixel = site.out_channels * site.in_channels * site.taps
    return FLOAT32_BYTES * per_pixel * site.out_height * site.out_width


def sites(name: str, stage: str) -> tuple[Convolution, ...]:
    """The 3×3 convolutions of stride 1 of a stage, from the third stage on at their own stride."""
    built = network(name, stage=stage)
    found = [
        primitive
        for layer in built.layers
        if layer.name in built.sites
        for primitive in layer.primitives
        if isinstance(primitive, Convolution)
    ]
    return tuple(each for each in found if each.stride == 1)


@claim(
    source=ours("A5"),
    status="identity",
    evidence="exhaustive search",
    why="It is the shape of the array that the shipped function returns.",
    over=grid(
        image=((1, 1, 1, 1), (2, 3, 4, 5)), outputs=(1, 2), sides=((1, 1), (3, 1)), stride=(1, 2)
    ),
)
def stored_kernels_take_c_squared_k_squared_n_numbers(
    image: tuple[int, ...], outputs: int, sides: tuple[int, int], stride: int
) -> bool:
    """The stored kernel form has C_out·C_in·K² numbers for every output pixel of every image."""
    channels = image[1]
    w_c, w_a = (
        np.ones((outputs, count * channels, side, side), np.float32)
        for count, side in zip((1, 4), sides, strict=True)
    )
    stored = dynamic_kernel(np.ones(image, np.float32), w_c, w_a, stride=stride)
    pixels = -(-image[2] // stride) * -(-image[3] // stride)
    expected = image[0] * outputs * channels * max(sides) ** 2 * pixels
    return stored.size == expected and stored.nbytes == FLOAT32_BYTES * expected


@claim(
    source=STATIC_PLUS_DYNAMIC,
    status="identity",
    evidence="count",
    why="Each stage halves the sides and doubles the channels, so C²·n stays what it is.",
    over=grid(network_name=("resnet34", "resnet50"), stage=STAGES),
)
def stored_kernels_of_a_resnet_take_441_mib(network_name: str, stage: str) -> bool:
    """The dynamic kernels of one image take 441 MiB in float32 at every stage of ResNet at 224².

    That is C²·K²·n numbers for each 3×3 convolution of stride 1; so they are not for storing.
    """
    found = sites(network_name, stage)
    return bool(found) and all(stored_bytes(each) == 441 * MIB for each in found)


@claim(
    source=STATIC_PLUS_DYNAMIC,
    status="identity",
    evidence="count",
    why="The detector's image has 21 times the pixels of 224².",
    over=grid(stage=STAGES),
)
def stored_kernels_of_the_detector_take_nine_gib(stage: str) -> bool:
    """At 800×1333 they take 9.2 GiB per image and layer, at every stage.

    9.17 GiB in the second stage, 9.23 in the last, whose 42 columns are rounded up.
    """
    found = sites("resnet50-fpn", stage)
    sizes = {round(stored_bytes(each) / GIB, 1) for each in found}
    return bool(found) and sizes <= {9.2}


def _shapes() -> Iterator[Case]:
    for channels in (1, 2, 8):
        for outputs in (1, 8):
            for image in ((1, 1), (4, 3), (14, 14)):
                yield {"channels": channels, "outputs": outputs, "image": image}


def _layer(channels: int, outputs: int, sides: tuple[int, int], *, tied: bool = False) -> XVolution:
    w_c = np.ones((outputs, channels, sides[0], sides[0]))
    w_a = np.ones((outputs, 4 * channels, sides[1], sides[1])) * (2.0 if tied else 1.0)
    return XVolution(arrays={"w_c": w_c, "w_a": w_a})


def _counts(form: Any, channels: int, outputs: int, sides: tuple[int, int], image: Any) -> Any:
    fused = fuse_xvolution(_layer(channels, outputs, sides, tied=form == "tied"), form=form)
    return cost(fused, *image)


@claim(
    source=ours("A7"),
    status="identity",
    evidence="count",
    why="The gate multiplies pixels, not kernels.",
    over=Cases(_shapes),
)
def the_tied_form_adds_nothing_on_the_array(
    channels: int, outputs: int, image: tuple[int, int]
) -> bool:
    """The tied form takes the array MACs of the plain convolution, and n·C·(2D + 1) beside it.

    D factors, D sums and a product for each pixel and channel, on the vector unit; D = 4.
    """
    counted = _counts("tied", channels, outputs, (3, 3), image)
    plain = prod(image) * outputs * channels * 9
    return counted.array_macs == plain and counted.elementwise == prod(image) * channels * 9


@claim(
    source=NO_EXTRA_COMPUTATION,
    status="identity",
    evidence="count",
    why="1×1 kernels embedded in 3×3 multiply eight zeros a tap; a second pass does not.",
    over=Cases(_shapes),
)
def two_passes_take_1_44_times_the_macs_where_embedding_takes_5(
    channels: int, outputs: int, image: tuple[int, int]
) -> bool:
    """With K_a = 1 beside K_c = 3 and D = 4, two passes take 13/9 of the plain MACs, one takes 5.

    13/9 = 1.44. With equal kernels both take 5; X-volution is never free on the array unless tied.
    """
    plain = prod(image) * outputs * channels * 9
    ratios = [
        Fraction(_counts(form, channels, outputs, sides, image).array_macs, plain)
        for form in ("two-pass", "feature")
        for sides in ((3, 1), (3, 3))
    ]
    return ratios == [Fraction(13, 9), 5, 5, 5] and round(float(ratios[0]), 2) == 1.44
