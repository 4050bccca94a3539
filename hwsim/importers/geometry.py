"""Windows over images: a graph's convolutions and poolings as primitives.

A ``Convolution`` has one padding and dilation for both directions. Padding that differs between the
four sides is written out: the image becomes as much larger, and the zeros count as read. Dilations
that differ are refused with a reason, except along a side of one pixel.
A signal is an image of width one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from hwsim.importers.graph import Shape
from hwsim.integers import ceil_div
from hwsim.workload import Convolution


class UnmodelledError(ValueError):
    """What a node asks has no primitive; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window over an image of one or two directions; pads are begins, then ends."""

    kernel: Shape
    strides: Shape
    pads: Shape
    dilations: Shape

    def extents(self) -> Shape:
        """Pixels from the first to the last tap, per direction."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def window_of(attributes: Mapping[str, Any], image: Shape, kernel: Shape) -> Window:
    """The window that a node's attributes describe over an ``image`` of those sizes.

    Raises ``UnmodelledError`` for a number of directions that is not one or two, and ``ValueError``
    for attributes that do not fit them.
    """
    sides = len(image)
    if sides not in {1, 2}:
        raise UnmodelledError(f"windows of {sides} directions have no primitive")
    strides = _per_side("strides", attributes, sides, 1)
    dilations = _per_side("dilations", attributes, sides, 1)
    pads = _per_side("pads", attributes, 2 * sides, 0)
    window = Window(kernel=kernel, strides=strides, pads=pads, dilations=dilations)
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in {"SAME_UPPER", "SAME_LOWER"}:
        wanted = [
            max(0, (ceil_div(size, stride) - 1) * stride + extent - size)
            for size, stride, extent in zip(image, strides, window.extents(), strict=True)
        ]
        less, more = [each // 2 for each in wanted], [each - each // 2 for each in wanted]
        pads = (*less, *more) if auto == "SAME_UPPER" else (*more, *less)
    elif auto == "VALID":
        pads = (0,) * (2 * sides)
    return Window(kernel=kernel, strides=strides, pads=pads, dilations=dilations)


def convolution(
    image: Shape, weights: Shape, attributes: Mapping[str, Any], label: str
) -> Convolution:
    """A convolution of (n, c, …) with (k, c / groups, …); ``UnmodelledError`` if there is none."""
    if len(image) != len(weights) or len(image) < 3:
        raise ValueError(
            f"input and weights must have as many sizes, three or more, not {image} and {weights}"
        )
    groups = int(attributes.get("group", 1))
    if groups < 1 or image[1] != weights[1] * groups:
        raise ValueError(
            f"weights must be for the input's {image[1]} channels, not for {weights[1]} in each "
            f"of {groups} groups"
        )
    window = window_of(attributes, image[2:], weights[2:])
    height, width = (*image[2:], 1)[:2]
    kernel_h, kernel_w = (*weights[2:], 1)[:2]
    padding, (height, width) = _padding(window, (height, width))
    down, across = window.strides[0], window.strides[-1]
    one_column = width == 1 and not padding
    return Convolution(
        batch=image[0],
        in_channels=image[1],
        height=height,
        width=width,
        out_channels=weights[0],
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride=down,
        stride_w=None if down == across or one_column else across,
        dilation=_one_of("dilations", window.dilations, weights[2:]),
        padding=padding,
        groups=groups,
        label=label,
    )


def windows(outputs: int, kernel: Sequence[int]) -> int:
    """Numbers looked at by a pooling: a window for each of its outputs."""
    return outputs * prod(kernel)


def _padding(window: Window, image: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Padding on all four sides, and the image with what cannot be said that way written out."""
    height, width = image
    if len(set(window.pads)) == 1 and len(window.kernel) == 2:
        return window.pads[0], image
    sides = len(window.kernel)
    added = [window.pads[i] + window.pads[i + sides] for i in range(sides)] + [0]
    return 0, (height + added[0], width + added[1])


def _one_of(what: str, values: Shape, sizes: Shape) -> int:
    """The value for both directions; along a side of one pixel any will do."""
    bound = {value for value, size in zip(values, sizes, strict=True) if size > 1}
    if len(bound) > 1:
        raise UnmodelledError(f"{what} {'x'.join(map(str, values))} that differ have no primitive")
    return bound.pop() if bound else values[0]


def _per_side(name: str, attributes: Mapping[str, Any], count: int, default: int) -> Shape:
    values = tuple(attributes.get(name) or (default,) * count)
    if len(values) != count or any(not isinstance(v, int) or v < default for v in values):
        raise ValueError(f"{name} must be {count} integers of at least {default}, not {values}")
    return values
