"""Three ways to run a product per pixel, each as matrix products and work of elements.

    vector    a product and an addition of elements per multiply-accumulate
    small     one matrix product per pixel and head: 1 × c by c × K² (score), 1 × K² by K² × c
              (weigh), K² × 1 by 1 × c (scatter)
    banded    one product per block of b × b pixels with the R spots their windows span together,
              P × c by c × R, P × R by R × c, R × P by P × c; all but K² of the R are waste

A kernel per pixel (mix, spread, outer) shares nothing between pixels, and has no banded way. What a
scatter or spread adds up where windows overlap is a sum of elements.

Source: derived above. ``hwsim.execute.dynamic`` runs them on numbers and counts.
"""

from collections import Counter
from typing import NamedTuple

from hwsim.dynamic import PerPixel
from hwsim.integers import chunks
from hwsim.workload import Convolution, Elementwise, Reduction, VectorPrimitive, matrix_product

BLOCK = 4
"""Pixels along a side of a block: ours."""


class Way(NamedTuple):
    """Matrix products and how often each runs; and work of elements."""

    name: str
    products: tuple[tuple[Convolution, int], ...] = ()
    elements: tuple[VectorPrimitive, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates on the array, waste included."""
        return sum(product.macs * times for product, times in self.products)


def ways(work: PerPixel, block: int = BLOCK) -> tuple[Way, ...]:
    """Every way to run ``work``."""
    found = [_vector(work), _small(work)]
    if work.operation in {"score", "weigh", "scatter"}:
        found.append(_banded(work, block))
    return tuple(found)


def spots(work: PerPixel, rows: tuple[int, int], cols: tuple[int, int]) -> int:
    """Spots that the windows of a block span: (first, last) output row and column."""
    reach = 1
    for (first, last), size, side in (
        (rows, work.height, work.kernel_h),
        (cols, work.width, work.kernel_w),
    ):
        extent = work.dilation * (side - 1) + 1
        start, end = (at * work.stride - work.dilation * (side // 2) for at in (first, last))
        if work.border == "clamp":
            start, end = (min(max(each, 0), size - extent) for each in (start, end))
        reach *= end - start + extent
    return reach


def _vector(work: PerPixel) -> Way:
    multiply = Elementwise(kind="multiply", elements=work.macs, inputs=2, label=work.label)
    add = Reduction(inputs=work.macs, outputs=work.write_elements, label=work.label)
    return Way("vector", elements=(multiply, add))


def _small(work: PerPixel) -> Way:
    taps, channels, outs = work.taps, work.channels, work.outputs
    m, n, k = {
        "score": (1, taps, channels),
        "weigh": (1, channels, taps),
        "scatter": (taps, channels, 1),
        "mix": (1, outs, channels * taps),
        "spread": (1, channels * taps, outs),
        "outer": (outs, channels * taps, 1),
    }[work.operation]
    product = matrix_product(m, n, k, label=work.label)
    return Way("small", ((product, work.pixels),), _overlaps(work, work.pixels * taps))


def _banded(work: PerPixel, block: int) -> Way:
    counted: Counter[tuple[int, int]] = Counter()
    images = work.batch * work.heads
    for rows in _spans(work.out_height, block):
        for cols in _spans(work.out_width, block):
            pixels = (rows[1] - rows[0] + 1) * (cols[1] - cols[0] + 1)
            counted[pixels, spots(work, rows, cols)] += images
    products, added = [], 0
    for (pixels, seen), times in counted.items():
        m, n, k = {
            "score": (pixels, seen, work.channels),
            "weigh": (pixels, work.channels, seen),
            "scatter": (seen, work.channels, pixels),
        }[work.operation]
        products.append((matrix_product(m, n, k, label=work.label), times))
        added += seen * times
    return Way("banded", tuple(products), _overlaps(work, added))


def _spans(size: int, block: int) -> list[tuple[int, int]]:
    """First and last index of each block along one axis."""
    spans, first = [], 0
    for count in chunks(size, block):
        spans.append((first, first + count - 1))
        first += count
    return spans


def _overlaps(work: PerPixel, places: int) -> tuple[VectorPrimitive, ...]:
    """Additions where windows overlap, for as many places as products write."""
    if work.operation not in {"scatter", "spread"}:
        return ()
    added = Reduction(
        inputs=places * work.channels, outputs=work.write_elements, label=f"{work.label}: overlaps"
    )
    return (added,)
