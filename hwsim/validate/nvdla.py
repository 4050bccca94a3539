"""ResNet-50 on NVDLA beside NVIDIA's own estimator: an estimate of an estimate, not silicon.

The primer of NVDLA (2018) gives int8 frames per second of seven configurations at 1 GHz, from a
spreadsheet in NVIDIA's hardware repository. A layer takes the longer of its DRAM bytes at the
bandwidth and its products at the multipliers.

Products, as a user of the spreadsheet quotes its cell (issue 51 of that repository; issue 210 asks
about its first term): a kernel of stride s works on s² times the channels, filled up to 16, on
⌈h/s⌉ × ⌈w/s⌉ pixels; every 3 × 3 kernel takes 2.25 times fewer, Winograd's way. Output channels are
filled up to 128.

Bytes: the input is that array of s² times the channels, and a kernel has ⌈k/s⌉² places of it, so
that a 1 × 1 kernel of stride 2 weighs four times what it needs. A 3 × 3 kernel of stride 1 is
fetched in Winograd's form, times 16/9. Output channels are filled up to 16. With a buffer of c
bytes, a group a of 32 kernels (c/2 if it does not fit), x, w, z bytes of input, weights and output,
and y of the input rows under the kernel

    x < w        ⌈x/(c − a)⌉·w + x + z if x > c − a, else x + w + z
    otherwise    ⌈w/(c − y)⌉·x + w + z if w > c − y, else x + w + z

The weights of the last layer are shared by 16 images. The network is ResNet-50 that strides in its
3 × 3 kernels.

A convolution that ends in a block's sum reads z once more. Whether that holds for the one on the
shortcut, too, no source says; that it does is a reading chosen by the seven figures, and
docs/validation.md has both.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from hwsim.integers import ceil_div
from hwsim.networks import network
from hwsim.validate.comparison import Comparison
from hwsim.workload import Convolution

CLOCK_HZ = 1_000_000_000
LIMIT = 0.015
IMAGES_PER_WEIGHT_LOAD = 16
KERNELS_PER_GROUP = 32
WINOGRAD_PRODUCTS, WINOGRAD_WEIGHTS = 2.25, 16 / 9
SUMMED = ("conv3", "downsample")  # the layers of a block whose outputs are added


class Configuration(NamedTuple):
    """Multipliers, bytes of the convolution buffer, and bytes of DRAM per cycle."""

    macs: int
    buffer_bytes: int
    bytes_per_cycle: float


def nvdla_comparisons(rows: Sequence[Mapping[str, str]]) -> Iterator[Comparison]:
    """Frames per second of each configuration."""
    for row in rows:
        configuration = Configuration(
            int(row["macs"]),
            int(row["buffer_kb"]) * 1024,
            float(row["gigabytes_per_second"]) * 1e9 / CLOCK_HZ,
        )
        yield Comparison(
            target="nvdla",
            case=f"{row['macs']} multipliers, {row['buffer_kb']} KB",
            quantity="ResNet-50, frames per second",
            ours=frames_per_second(configuration),
            theirs=float(row["frames_per_second"]),
            limit=LIMIT,
        )


def frames_per_second(configuration: Configuration) -> float:
    """Frames of ResNet-50 per second."""
    convs = [
        (layer.name, primitive)
        for layer in network("resnet50").layers
        for primitive in layer.primitives
        if isinstance(primitive, Convolution)
    ]
    return CLOCK_HZ / sum(layer_cycles(name, conv, configuration) for name, conv in convs)


def layer_cycles(name: str, conv: Convolution, configuration: Configuration) -> float:
    """Cycles of one layer: its bytes or its products, whichever takes longer."""
    moved = bytes_of(conv)
    if name == "fc":
        loaded = moved.filter / IMAGES_PER_WEIGHT_LOAD + moved.ifmap + moved.ofmap
    else:
        loaded = dram_bytes(moved, configuration.buffer_bytes)
    if name.endswith(SUMMED):
        loaded += moved.ofmap
    return max(loaded / configuration.bytes_per_cycle, products_of(conv) / configuration.macs)


def products_of(conv: Convolution) -> float:
    """Products of a layer, those with zeros that fill up channels and kernels included."""
    per_output = _channels(conv) * conv.taps / conv.stride**2
    pixels = ceil_div(conv.height, conv.stride) * ceil_div(conv.width, conv.stride)
    products = per_output * pixels * _filled(conv.out_channels, 128)
    return products / WINOGRAD_PRODUCTS if _is_3x3(conv) else products


class Moved(NamedTuple):
    """Bytes of a layer: x, w and z, of the rows under the kernel and of a group of kernels."""

    ifmap: float
    filter: float
    ofmap: float
    lines: float
    group: float


def bytes_of(conv: Convolution) -> Moved:
    """What one fetch of each operand of a layer takes, int8."""
    channels = _channels(conv)
    height, width = ceil_div(conv.height, conv.stride), ceil_div(conv.width, conv.stride)
    rows, columns = ceil_div(conv.kernel_h, conv.stride), ceil_div(conv.kernel_w, conv.stride)
    kernel_bytes, kernels = channels * rows * columns, _filled(conv.out_channels, 16)
    winograd = WINOGRAD_WEIGHTS if _is_3x3(conv) and conv.stride == 1 else 1
    return Moved(
        ifmap=channels * height * width,
        filter=kernels * kernel_bytes * winograd,
        ofmap=kernels * conv.out_height * conv.out_width,
        lines=channels * rows * width,
        group=KERNELS_PER_GROUP * kernel_bytes,
    )


def dram_bytes(moved: Moved, buffer_bytes: int) -> float:
    """Bytes through DRAM, with what has to be fetched again."""
    group = moved.group if moved.group < buffer_bytes else buffer_bytes / 2
    once = moved.ifmap + moved.filter + moved.ofmap
    if moved.ifmap < moved.filter:
        room = buffer_bytes - group
        return once + (ceil(moved.ifmap / room) - 1) * moved.filter
    room = buffer_bytes - moved.lines
    return once + (ceil(moved.filter / room) - 1) * moved.ifmap


def _channels(conv: Convolution) -> int:
    """Channels as the array sees them: those of s × s pixels beside each other, filled up."""
    return _filled(conv.in_channels * conv.stride**2, 16)


def _is_3x3(conv: Convolution) -> bool:
    return conv.kernel_h == conv.kernel_w == 3


def _filled(count: int, side: int) -> int:
    return ceil_div(count, side) * side
