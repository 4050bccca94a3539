"""The pattern of a mismatch, named: which part of a tensor is wrong, as an engineer would say it.

From counts of wrong elements per coordinate (``compare.Comparison``): each axis is either hit all
over or has a name for what is hit (one coordinate, the last ragged tile, a lane, every other one);
a tile of pixels, and the border of an image, are recognised by its pixels. The sentence is an
intersection, and says whether all of that part is wrong or only some of it.
"""

import re
from collections.abc import Mapping

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.compare import Comparison

WORDS = {
    "n": "image",
    "c": "channel",
    "h": "row",
    "w": "column",
    "o": "output",
    "i": "input channel",
    "t": "K tile",
    "p": "pixel",
    "r": "row",
}
READ = r"(.*_)?(padded|shifted|wide_product|product(_before_clip)?|here|there|dproduct.*|dx.*)"
MOST_BITS = 4  # ours: more are no longer a few wires
ENDS = {"h": ("the top border", "the bottom border"), "w": ("the left border", "the right border")}


def pattern(found: Comparison, tiles: Mapping[str, int]) -> str:
    """Name the part of the tensor that is wrong; ``tiles`` are sizes of tiles by axis letter."""
    if not found.wrong:
        return "nothing"
    if found.wrong == 1:
        return "a single element"
    if found.wrong == found.elements:
        return "every element"
    named, region = [], 1
    border = _pixel_tile(found.pixels, tiles.get("p")) or _border(found.pixels)
    for letter, counts in found.axes.items():
        name, size = _axis(letter, counts, tiles.get(letter))
        if border and letter in "hw":
            continue
        region *= size
        if name:
            named.append(name)
    if border:
        named.append(border[0])
        region *= border[1]
    lane = _lane(found.lanes)
    if lane:
        named.append(lane)
    if not named:
        return f"scattered over the whole tensor, {found.wrong / found.elements:.1%} of it"
    whole = "all of" if found.wrong == region and not lane else "only in"
    return f"{whole} {', '.join(named)}"


def bits_text(found: Comparison, bits: int) -> str:
    """Which few bits alone are wrong, as a wire that is stuck or lost leaves them; else nothing."""
    flipped = [bit for bit in range(bits) if (found.raised | found.lowered) >> bit & 1]
    if not found.wrong or not flipped or len(flipped) > min(MOST_BITS, bits // 2):
        return ""
    which = f"bit {flipped[0]}" if len(flipped) == 1 else f"bits {', '.join(map(str, flipped))}"
    verb = "is" if len(flipped) == 1 else "are"
    if found.raised and found.lowered:
        return f"only {which} {verb} wrong"
    value, where = 1 if found.raised else 0, " in every wrong element" if found.wrong > 1 else ""
    return f"only {which} {verb} wrong, {value} instead of {1 - value}{where}"


def text_map(pixels: Array, *, rows: int = 16, columns: int = 48) -> str:
    """A map over (y, x) in text: ``.`` nothing wrong, 1 … 9 tenths of the most, ``#`` the most."""
    height, width = pixels.shape
    down, across = -(-height // rows), -(-width // columns)
    add = ((0, -height % down), (0, -width % across))
    blocks = np.pad(pixels, add).reshape(-(-height // down), down, -(-width // across), across)
    counts = blocks.max(axis=(1, 3))
    most = max(int(counts.max()), 1)
    scale = f"  (each character {down}×{across} pixels)" if down * across > 1 else ""
    lines = ["".join(_shade(int(count), most) for count in row) for row in counts]
    return "\n".join(lines) + scale


def _shade(count: int, most: int) -> str:
    if count == 0:
        return "."
    return "#" if count == most else str(max(1, 10 * count // most))


def _axis(letter: str, counts: Array, tile: int | None) -> tuple[str, int]:
    """Name of what is hit along an axis, and how many coordinates that is; no name if all."""
    hit = np.flatnonzero(counts)
    size, word = len(counts), WORDS.get(letter, f"coordinate {letter}")
    if len(hit) == size:
        return "", size
    low, high = int(hit[0]), int(hit[-1])
    if len(hit) == high - low + 1:
        return _run(letter, low, high, size, tile), len(hit)
    for step in _steps(tile, size):
        members = range(low % step, size, step)
        if hit.tolist() == list(members):
            parity = f"every {'odd' if low % 2 else 'even'} {word}"
            return parity if step == 2 else f"lane {low % step} of {step} {word}s", len(hit)
    return f"{len(hit)} of {size} {word}s", len(hit)


def _run(letter: str, low: int, high: int, size: int, tile: int | None) -> str:
    """Name of neighbouring coordinates: a tile, a border, one, or a range."""
    word = WORDS.get(letter, f"coordinate {letter}")
    named = None if tile is None else _tile(letter, low, high, size, tile)
    if named is not None:
        return named
    if letter in ENDS and low == high and low in {0, size - 1}:
        return f"{ENDS[letter][low > 0]} ({word} {low})"
    return _range(word, low, high)


def _tile(letter: str, low: int, high: int, size: int, tile: int) -> str | None:
    """Name of a run that is one tile of several; None where it is not."""
    if low % tile or size <= tile or high + 1 != min(size, low + tile):
        return None
    word = WORDS.get(letter, f"coordinate {letter}")
    ragged = " ragged" if size % tile else ""
    label = f"the last{ragged} {word} tile" if high + 1 == size else f"{word} tile {low // tile}"
    return f"{label} ({_range(word, low, high)} of {size}, tiles of {tile})"


def _steps(tile: int | None, size: int) -> list[int]:
    """Periods that lanes may have, the longest first: it leaves the least to be looked at."""
    known = {2, 4, 8, 16, 32, *(() if tile is None else (tile,))}
    return sorted((step for step in known if 1 < step < size), reverse=True)


def _range(word: str, low: int, high: int) -> str:
    return f"{word} {low}" if low == high else f"{word}s {low}–{high}"


def _pixel_tile(pixels: Array | None, tile: int | None) -> tuple[str, int] | None:
    """One tile of pixels in raster order, where that is no run of whole rows; and its size."""
    if pixels is None or tile is None:
        return None
    hit = np.flatnonzero(pixels)
    low, high, size = int(hit[0]), int(hit[-1]), pixels.size
    whole = low % pixels.shape[1] == 0 and (high + 1) % pixels.shape[1] == 0
    if whole or len(hit) != high - low + 1:
        return None
    name = _tile("p", low, high, size, tile)
    return None if name is None else (name, len(hit))


def _border(pixels: Array | None) -> tuple[str, int] | None:
    """The frame of the image, where pixels of several sides are hit and none inside."""
    if pixels is None or min(pixels.shape) < 3 or pixels[1:-1, 1:-1].any():
        return None
    sides = {
        "top": pixels[0, 1:-1].any(),
        "bottom": pixels[-1, 1:-1].any(),
        "left": pixels[1:-1, 0].any(),
        "right": pixels[1:-1, -1].any(),
    }
    hit = [name for name, any_hit in sides.items() if any_hit]
    if not hit:
        corners = int((pixels[:: pixels.shape[0] - 1, :: pixels.shape[1] - 1] > 0).sum())
        return ("corners of the image", corners) if corners > 1 else None
    if len(hit) == 1:
        return None
    return f"the border of the image ({', '.join(hit)})", int((pixels > 0).sum())


def _lane(lanes: Array) -> str:
    hit = np.flatnonzero(lanes)
    if len(lanes) == 1 or len(hit) != 1:
        return ""
    return f"lane {hit[0]} of each word of {len(lanes)}"


def counted(count: int, what: str) -> str:
    """A number of things, in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def tiles_of(
    device: Mapping[str, object] | None, lanes: Mapping[str, int], stage: str
) -> dict[str, int]:
    """Sizes of tiles by axis letter: a device's declaration, or else the blocks of the layout.

    Channels of what a convolution reads, and of its gradient, are the device's input channels, all
    others its outputs. Pixels are those of a pass, so not of the padded image.
    """
    declared = (device or {}).get("tile")
    found = dict(lanes)
    if isinstance(declared, Mapping):
        read = re.fullmatch(READ, stage) is not None
        keys = {"c": "channels" if read else "outputs", "o": "outputs", "i": "channels"}
        if stage.endswith("columns"):
            del keys["c"]  # taps
        if not stage.endswith("padded"):
            keys["p"] = "pixels"
        for letter, key in keys.items():
            size = declared.get(key)
            if isinstance(size, int) and size > 1:
                found[letter] = size
    return found


def blocks_of(digits: str) -> dict[str, int]:
    """Blocks of a layout by axis letter, from its digits as in ``n c/16 h w c%16``."""
    return {
        digit[0]: int(digit[2:]) for digit in digits.split() if "%" in digit and int(digit[2:]) > 1
    }
