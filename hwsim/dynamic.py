"""Work whose weights are data: products per pixel, and attention that keeps no scores.

A *product per pixel* weighs the window around a pixel with numbers of that pixel's own:

    score     a[h, δ, p] = Σ_c q[h, c, p] · k[h, c, p + δ]        a dot product per place δ
    weigh     y[h, c, p] = Σ_δ a[h, δ, p] · v[h, c, p + δ]        a weighted sum of the window
    scatter   z[h, c, t] = Σ_{p + δ = t} a[h, δ, p] · q[h, c, p]  adjoint of weigh in v, score in k
    mix       y[o, p]    = Σ_{c, δ} W[o, c, δ, p] · x[c, p + δ]   a whole kernel per pixel
    spread    z[c, t]    = Σ_{o, p + δ = t} W[o, c, δ, p] · y[o, p]   adjoint of mix in x
    outer     W[o, c, δ, p] = y[o, p] · x[c, p + δ]               adjoint of mix in W

for every image, head h and output pixel p. What lies outside the image counts as zero
(``border="zero"``), or windows at the edge are moved inwards until they fit (``"clamp"``). How it
is run is a question of ``hwsim.lowering.per_pixel``: on the vector unit, as one small matrix
product per pixel, or as a product of a block of pixels with all they see.

``TiledAttention`` is softmax(q·kᵀ)·v of which only a block of queries by a block of keys is on chip
at a time, with the largest score and the sum so far kept per query ("online softmax").

Sources: derived above; Milakov and Gimelshein, "Online normalizer calculation for softmax",
arXiv:1805.02867 (2018), and Dao et al., "FlashAttention", arXiv:2205.14135 (2022), Algorithm 1, for
the blocks.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from hwsim.checks import at_least, one_of
from hwsim.integers import ceil_div

OPERATIONS = ("score", "weigh", "scatter", "mix", "spread", "outer")
BORDERS = ("zero", "clamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerPixel:
    """A product per pixel: ``channels`` of each head, in windows of ``kernel_h`` × ``kernel_w``.

    ``outputs`` is the number of output channels o of mix, spread and outer, and 1 for the others.
    """

    operation: str
    batch: int = 1
    heads: int = 1
    channels: int
    outputs: int = 1
    height: int
    width: int
    out_height: int
    out_width: int
    kernel_h: int
    kernel_w: int
    stride: int = 1
    dilation: int = 1
    border: str = "zero"
    label: str = field(default="per-pixel product", compare=False)
    kind: ClassVar[str] = "per-pixel"

    def __post_init__(self) -> None:
        one_of("operation of a product per pixel", self.operation, OPERATIONS)
        one_of("border", self.border, BORDERS)
        for name in ("batch", "heads", "channels", "outputs", "height", "width", "out_height"):
            at_least(f"per-pixel {name}", getattr(self, name), 1)
        for name in ("out_width", "kernel_h", "kernel_w", "stride", "dilation"):
            at_least(f"per-pixel {name}", getattr(self, name), 1)

    @property
    def taps(self) -> int:
        """Places in a window."""
        return self.kernel_h * self.kernel_w

    @property
    def pixels(self) -> int:
        """Output pixels of all images and heads."""
        return self.batch * self.heads * self.out_height * self.out_width

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with what lies outside included."""
        return self.pixels * self.taps * self.channels * self.outputs

    @property
    def weight_elements(self) -> int:
        """Numbers that belong to one pixel and one place: scores, weights or kernels."""
        stored = self.channels * self.outputs if self.operation in OPERATIONS[3:] else 1
        return self.pixels * self.taps * stored

    @property
    def read_elements(self) -> int:
        """Numbers of both operands, each once."""
        image = self.batch * self.heads * self.channels * self.height * self.width
        at_pixels = self.pixels * self.channels
        results = self.pixels * self.outputs
        return {
            "score": at_pixels + image,
            "weigh": self.weight_elements + image,
            "scatter": self.weight_elements + at_pixels,
            "mix": self.weight_elements + image,
            "spread": self.weight_elements + results,
            "outer": results + image,
        }[self.operation]

    @property
    def write_elements(self) -> int:
        """Numbers of the result."""
        image = self.batch * self.heads * self.channels * self.height * self.width
        return {
            "score": self.weight_elements,
            "weigh": self.pixels * self.channels,
            "scatter": image,
            "mix": self.pixels * self.outputs,
            "spread": image,
            "outer": self.weight_elements,
        }[self.operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class TiledAttention:
    """``count`` independent attentions, block of queries by block of keys, scores kept on chip."""

    count: int = 1
    queries: int
    keys: int
    depth: int
    values: int
    query_block: int
    key_block: int
    label: str = field(default="attention in blocks", compare=False)
    kind: ClassVar[str] = "softmax"

    def __post_init__(self) -> None:
        for name in ("count", "queries", "keys", "depth", "values", "query_block", "key_block"):
            at_least(f"attention {name}", getattr(self, name), 1)

    @property
    def macs(self) -> int:
        """Multiply-accumulates: scores and weighted sums."""
        return self.count * self.queries * self.keys * (self.depth + self.values)

    @property
    def scores(self) -> int:
        """Scores that are normalised."""
        return self.count * self.queries * self.keys

    @property
    def rescaled(self) -> int:
        """Products that bring sums so far to a new largest score: v + 1 a query and block."""
        blocks = ceil_div(self.keys, self.key_block)
        return self.count * self.queries * blocks * (self.values + 1)

    @property
    def divided(self) -> int:
        """Divisions by the sum of a query's exponentials, at the end."""
        return self.count * self.queries * self.values

    @property
    def read_elements(self) -> int:
        """Numbers read from DRAM: queries once, keys and values once per block of queries."""
        passes = ceil_div(self.queries, self.query_block)
        again = passes * self.keys * (self.depth + self.values)
        return self.count * (self.queries * self.depth + again)

    @property
    def write_elements(self) -> int:
        """Numbers written to DRAM."""
        return self.count * self.queries * self.values

    @property
    def peak_elements(self) -> int:
        """Scores that are on chip at a time."""
        return min(self.query_block, self.queries) * min(self.key_block, self.keys)
