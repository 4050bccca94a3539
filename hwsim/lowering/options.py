"""What a form leaves open, with the value it has unless told otherwise.

Kernel size, shift length and number of directions of X-volution's PSSA are not published: four
directions, length 1 and the site's own kernel are our reading. The neighbours' defaults are those
of their papers' ResNet experiments:

    AA-Net       Bello et al., arXiv:1904.09925, section 4: 8 heads, κ = 2υ = 0.2 of the channels
    ACmix        Pan et al., arXiv:2111.14556, section 4: 4 heads, windows of 7 × 7, shifts of 3 × 3
    involution   Li et al., arXiv:2103.06255, section 4: 7 × 7, groups of 16 channels, reduction 4
    neighbourhood attention   Hassani et al., arXiv:2204.07143, section 4: 7 × 7, heads of 32
"""

from dataclasses import dataclass

from hwsim.checks import at_least, one_of

Offset = tuple[int, int]

FOUR_DIRECTIONS: tuple[Offset, ...] = ((0, -1), (0, 1), (-1, 0), (1, 0))
DIRECTIONS = len(FOUR_DIRECTIONS)
BOUNDARIES = ("circular", "zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Parameters of the forms; ``None`` stands for the site's own kernel, or its channels.

    ``directions`` are (down, right) offsets, ``length`` their factor, ``boundary`` that of the
    shift. ``shift_kernel`` is the side of the pixel-shift branch's kernel, ``window`` that of local
    attention. ``depth`` counts channels of queries and keys over all ``heads``. Ratios are of the
    output channels. Blocks are queries and keys of attention that keeps no scores. ``epsilon`` is
    added to a batch's variance.
    """

    directions: tuple[Offset, ...] = FOUR_DIRECTIONS
    length: int = 1
    boundary: str = "circular"
    shift_kernel: int | None = None
    window: int | None = None
    heads: int = 1
    depth: int | None = None
    query_block: int = 64
    key_block: int = 64
    aa_heads: int = 8
    key_ratio: float = 0.2
    value_ratio: float = 0.1
    wide_window: int = 7
    acmix_heads: int = 4
    acmix_kernel: int = 3
    involution_group: int = 16
    involution_reduction: int = 4
    neighbourhood_head: int = 32
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        one_of("boundary", self.boundary, BOUNDARIES)
        for name in (
            "length",
            "heads",
            "query_block",
            "key_block",
            "aa_heads",
            "wide_window",
            "acmix_heads",
            "acmix_kernel",
            "involution_group",
            "involution_reduction",
            "neighbourhood_head",
        ):
            at_least(name, getattr(self, name), 1)
        for name in ("shift_kernel", "window", "depth"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 1)
        for name in ("shift_kernel", "window", "wide_window", "acmix_kernel"):
            side = getattr(self, name)
            if side is not None and side % 2 == 0:
                raise ValueError(f"{name} must be odd, so that it has a middle, not {side}")
        for name in ("key_ratio", "value_ratio"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, not be {getattr(self, name)}")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon must be above 0, not {self.epsilon}")
        if not self.directions or (0, 0) in self.directions:
            raise ValueError("directions must be at least one offset other than (0, 0)")

    @property
    def offsets(self) -> tuple[Offset, ...]:
        """Where each shifted map is read, in pixels down and right."""
        return tuple((self.length * down, self.length * right) for down, right in self.directions)
