"""Which offsets a stack of pixel-shift attention reads: sums of sets of offsets.

    one level   ({0} ∪ {L·d}) ⊕ {−⌊K/2⌋ … ⌊K/2⌋}²        a product of two pixels, then a K×K kernel
    a stack     the sum (Minkowski) of the levels' sets

Offsets are (down, right) from the output pixel. Pure sets of integers: no operator is run here.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TypeAlias

Offset: TypeAlias = tuple[int, int]
Offsets: TypeAlias = frozenset[Offset]
HERE: Offsets = frozenset({(0, 0)})


def level(directions: Sequence[Offset], length: int, side: int) -> Offsets:
    """What one level reads, with a kernel of ``side`` × ``side``."""
    reach = range(-(side // 2), side // 2 + 1)
    return minkowski(
        HERE | {(length * down, length * right) for down, right in directions},
        frozenset(product(reach, reach)),
    )


def stack(directions: Sequence[Offset], lengths: Iterable[int], side: int) -> Offsets:
    """What a stack reads, its levels having the given shift lengths."""
    reached = HERE
    for length in lengths:
        reached = minkowski(reached, level(directions, length, side))
    return reached


def minkowski(one: Offsets, other: Offsets) -> Offsets:
    """Every sum of an offset of each set."""
    return frozenset((a + c, b + d) for a, b in one for c, d in other)


def box_radius(offsets: Offsets) -> int:
    """Half the side of the smallest centred square that holds all offsets."""
    return max(max(abs(down), abs(right)) for down, right in offsets)


def connects(directions: Sequence[Offset], lengths: Iterable[int], side: int) -> bool:
    """Whether, 1×1 kernels, every pixel of a ``side`` × ``side`` image sees every other one.

    Offsets are what counts: a pixel at the border sees less only because there is less to see.
    """
    reach = range(1 - side, side)
    return stack(directions, lengths, 1) >= frozenset(product(reach, reach))
