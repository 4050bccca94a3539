"""Layers that ZigZag and Vela are asked about: one table for both.

Six of ResNet-50 and AlexNet that differ in what limits them, its classifier (one pixel, so weights
alone), and a matrix product whose 128 rows lie as 16 × 8 pixels.
"""

from typing import NamedTuple


class Sizes(NamedTuple):
    """A square kernel over ``height`` × ``width`` pixels, ``padding`` on every side."""

    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int

    @property
    def out_height(self):
        return (self.height + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def out_width(self):
        return (self.width + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def columns(self):
        """Sizes by name, as a row of a table has them."""
        return {name: str(size) for name, size in self._asdict().items()}


LAYERS = {
    "ResNet-50 first, 7×7/2": Sizes(3, 64, 224, 224, 7, 2, 3),
    "ResNet-50 conv2_x, 3×3": Sizes(64, 64, 56, 56, 3, 1, 1),
    "ResNet-50 conv3_x shortcut, 1×1/2": Sizes(256, 512, 56, 56, 1, 2, 0),
    "ResNet-50 conv4_x, 3×3": Sizes(256, 256, 14, 14, 3, 1, 1),
    "ResNet-50 conv5_x, 1×1": Sizes(512, 2048, 7, 7, 1, 1, 0),
    "ResNet-50 classifier": Sizes(2048, 1000, 1, 1, 1, 1, 0),
    "AlexNet CONV2, 5×5": Sizes(48, 256, 27, 27, 5, 1, 2),
    "product 128×3072×768": Sizes(768, 3072, 16, 8, 1, 1, 0),
}
