"""A classification data set from a few large images: small crops, each image a class.

The longer side of an image is divided into six bands; of every three, two are for training and one
for testing, with a gap of GAP pixels at each border: no test pixel is ever seen in training. A crop
is a square of random side SIDE … LARGEST inside one region, resampled to SIDE × SIDE bilinearly,
turned and mirrored at random, and normalised to mean 0 and variance 1, so that neither brightness
nor contrast tells the class. Squares flatter than FLATTEST grey levels are passed over: there is
nothing in them.

All draws are seeded, and the same on every machine (``refimpl.bitexact.random``). All numbers here
are ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.random import integers

SIDE, LARGEST, GAP, FLATTEST = 32, 48, 8, 4.0
BANDS = {"train": ((0, 2), (3, 5)), "test": ((2, 3), (5, 6))}
TRIES = 8

Region: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crops:
    """Images (n, 1, SIDE, SIDE), binary32, and the number of each one's class."""

    images: Array
    labels: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Crops for training and for testing, from disjoint regions; classes by name."""

    classes: tuple[str, ...]
    train: Crops
    test: Crops


def split(pictures: Mapping[str, Array], *, train: int, test: int, seed: str = "0") -> Split:
    """Cut ``train`` and ``test`` crops of every grey picture (h, w) of values 0 … 255.

    Raises
    ------
    ValueError
        If a picture is too small to have regions, or too flat to be worth looking at.
    """
    return Split(
        classes=tuple(pictures),
        train=_crops(pictures, "train", train, seed),
        test=_crops(pictures, "test", test, seed),
    )


def regions(shape: tuple[int, ...], use: str) -> tuple[Region, ...]:
    """The regions of a picture of this shape that are for "train" or "test".

    Raises
    ------
    ValueError
        If a crop does not fit into one.
    """
    height, width = shape
    extent = max(height, width)
    found = []
    for first, last in BANDS[use]:
        low = first * extent // 6 + (GAP // 2 if first else 0)
        high = last * extent // 6 - (GAP // 2 if last < 6 else 0)
        if min(high - low, height, width) < LARGEST:
            raise ValueError(
                f"a picture must have regions of at least {LARGEST} pixels, not {high - low} "
                f"of {height}×{width}"
            )
        band, across = slice(low, high), slice(0, min(height, width))
        found.append((band, across) if height >= width else (across, band))
    return tuple(found)


def _crops(pictures: Mapping[str, Array], use: str, count: int, seed: str) -> Crops:
    cut = [
        np.stack(list(_of_picture(name, picture.astype(np.float64), use, count, seed)))
        for name, picture in pictures.items()
    ]
    images = np.concatenate(cut)[:, None].astype(np.float32)
    return Crops(images=images, labels=np.repeat(np.arange(len(cut)), count))


def _of_picture(name: str, picture: Array, use: str, count: int, seed: str) -> Iterator[Array]:
    found = 0
    places = regions(picture.shape, use)
    draws = integers(f"crops-{seed}/{name}", use, (TRIES * count, 5), 0, 2**32 - 2)
    for which, size, down, right, turn in draws.tolist():
        square = _square(picture[places[which % len(places)]], size, down, right)
        if square.std() < FLATTEST:
            continue
        small = _turned(resample(square), turn % 8)
        yield (small - small.mean()) / small.std()
        found += 1
        if found == count:
            return
    raise ValueError(f"picture {name} must have {count} crops that are not flat, not {found}")


def _square(region: Array, size: int, down: int, right: int) -> Array:
    side = SIDE + size % (LARGEST - SIDE + 1)
    top, left = (
        draw % (extent - side + 1) for draw, extent in zip((down, right), region.shape, strict=True)
    )
    return region[top : top + side, left : left + side]


def resample(square: Array) -> Array:
    """A square image at SIDE × SIDE points, evenly spread, by bilinear interpolation."""
    at = (np.arange(SIDE) + 0.5) * (len(square) / SIDE) - 0.5
    low = np.clip(np.floor(at).astype(np.int64), 0, len(square) - 2)
    part = np.clip(at - low, 0, 1)
    rows = square[low] * (1 - part)[:, None] + square[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


def _turned(square: Array, symmetry: int) -> Array:
    """One of the eight symmetries of the square."""
    turned = np.rot90(square, symmetry % 4)
    return turned.T if symmetry >= 4 else turned
