"""Feature maps between the layers of a network: a layer's output is the next one's input."""

from typing import NamedTuple

from hwsim.workload import Convolution


class Map(NamedTuple):
    """Shape of a feature map."""

    batch: int
    channels: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return self.batch * self.channels * self.height * self.width


def convolve(
    entry: Map,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
) -> Convolution:
    """A convolution of ``entry`` with a square kernel, padded "same" unless told."""
    return Convolution(
        batch=entry.batch,
        in_channels=entry.channels,
        height=entry.height,
        width=entry.width,
        out_channels=out_channels,
        kernel_h=kernel,
        kernel_w=kernel,
        stride=stride,
        padding=kernel // 2 if padding is None else padding,
        groups=groups,
    )


def after(conv: Convolution) -> Map:
    """The output of a convolution."""
    return Map(conv.batch, conv.out_channels, conv.out_height, conv.out_width)


def pooled(entry: Map, *, kernel: int, stride: int, padding: int = 0) -> Map:
    """The output of pooling; windows that do not fit are left out.

    Raises ``ValueError`` if none fits.
    """
    height, width = (
        (side + 2 * padding - kernel) // stride + 1 for side in (entry.height, entry.width)
    )
    if min(height, width) < 1:
        raise ValueError(
            f"pooling windows {kernel}x{kernel} must fit in the padded image, not exceed "
            f"{entry.height}x{entry.width} with padding {padding}"
        )
    return entry._replace(height=height, width=width)
