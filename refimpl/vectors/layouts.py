"""Logical arrays to the order of elements in a file, and back: invertible permutations with pads.

A ``.npy`` file always holds the logical array. ``.bin``, ``.hex`` and the others hold its elements
in the physical order of a layout, which the manifest names with the formula of an element's place.
A layout is an order of digits, the outermost first:

    c        a whole axis            c/16   its block (⌈C/16⌉ of them)      c%16   the lane in it

    NCHW  n c h w          NCHW16c   n c/16 h w c%16          NC1HWC0   n c/C0 h w c%C0
    OIHW  o i h w          OIHW16i16o  o/16 i/16 h w i%16 o%16
    FRACTAL_Z  i/C0 h w o/16 o%16 i%C0        (DaVinci's kernels; C0 = 32 bytes of elements)

A skewed stream feeds a systolic array of R lanes: step t of lane r carries element t − r, so that
lane r starts r steps late; lanes are the channels of an image (rows of the array) or the outputs of
a kernel (its columns). What a block or a skew adds holds zeros that nobody may compare: pad lanes.

Sources: oneDNN, "Memory formats" (blocked); Huawei CANN documents "Data formats" (NC1HWC0,
FRACTAL_Z: 16×16 fractals of the cube unit); Kung, "Why systolic architectures?", Computer 15(1),
1982 (skew).
"""

import re
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array

CUBE_BYTES = 32  # of the innermost axis of DaVinci's formats
CUBE_SIDE = 16
IMAGES, KERNELS = "nchw", "oihw"
LETTERS = {0: "", 1: "c", 2: "rc", 3: "ncp", 4: IMAGES, 5: "tnchw", 6: "abcdef"}
FAMILIES = ("nchw", "nhwc", "nchw<B>c", "nc1hwc0", "skew<R>")


class Digit(NamedTuple):
    """A whole axis (block 1), the blocks of an axis, or the lane within a block."""

    letter: str
    block: int = 1
    lane: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An order of digits over lettered axes; ``skewed`` delays lane r of the last digit by r."""

    name: str
    letters: str
    digits: tuple[Digit, ...]
    skewed: bool = False

    def physical_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the file's array for a logical shape."""
        dense = tuple(_size(digit, self.sizes(shape)) for digit in self.digits)
        if not self.skewed:
            return dense
        first, lanes = dense[0], dense[-1]
        return (first, prod(dense[1:-1]) + lanes - 1, lanes)

    def formula(self) -> str:
        """Place of element (a, b, …) of an array of sizes (A, B, …); evaluable as Python."""
        if self.skewed:
            lead, *steps, lane = self.digits
            length = "*".join(_size_text(digit) for digit in steps)
            step = _horner(tuple(steps))
            lanes = _size_text(lane)
            row = f"{_place_text(lead)}*({length} + {lanes} - 1) + {step} + {_place_text(lane)}"
            return f"({row})*{lanes} + {_place_text(lane)}"
        return _horner(self.digits)

    def sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        """Size of each lettered axis."""
        return dict(zip(self.letters, shape, strict=True))


def layout_for(family: str, *, rank: int, kernel: bool, element_bits: int) -> Layout:
    """Layout of a tensor in a family: one for images, one for kernels; others stay in order.

    ``rank`` is its number of axes, ``element_bits`` those of its format (NC1HWC0 depends on it).

    Raises
    ------
    ValueError
        If there is no such family, or the tensor has more than six axes.
    """
    match = re.fullmatch(r"nchw|nhwc|nc1hwc0|nchw([1-9]\d{0,3})c|skew([1-9]\d{0,3})", family)
    if match is None:
        raise ValueError(f"layout must be one of {', '.join(FAMILIES)}, not {family!r}")
    if rank not in LETTERS:
        raise ValueError(f"a tensor must have at most {max(LETTERS)} axes, not {rank}")
    if rank != 4:
        return _in_order(LETTERS[rank])
    block, lanes = match.groups()
    if family == "nchw":
        return _in_order(KERNELS if kernel else IMAGES)
    if family == "nhwc":
        return parsed("OHWI", KERNELS, "o h w i") if kernel else parsed("NHWC", IMAGES, "n h w c")
    if family == "nc1hwc0":
        carried = 1 << (element_bits - 1).bit_length()  # bits: int17 is one of four bytes there
        return _davinci(CUBE_BYTES * 8 // carried, kernel=kernel)
    if block:
        return _blocked(block, kernel=kernel)
    return _skewed(lanes, kernel=kernel)


def family_of(image: Layout) -> str:
    """The family that gives an image its layout: what ``layout_for`` was asked for."""
    return image.name.partition("(")[0].lower().removeprefix("row_")


def parsed(name: str, letters: str, digits: str, *, skewed: bool = False) -> Layout:
    """Read a layout from the text of its digits, as in ``n c/16 h w c%16``.

    Raises
    ------
    ValueError
        If a digit is unknown, or the digits do not cover every axis once.
    """
    read = tuple(_digit(text) for text in digits.split())
    for letter in letters:
        own = [(digit.block, digit.lane) for digit in read if digit.letter == letter]
        blocks = {block for block, _ in own}
        whole = own == [(1, False)]
        split = len(own) == 2 and len(blocks) == 1 and {lane for _, lane in own} == {False, True}
        if not whole and not split:
            raise ValueError(f"the digits of layout {name} must cover axis {letter} once")
    if {digit.letter for digit in read} != set(letters) or len(set(letters)) != len(letters):
        raise ValueError(f"the digits of layout {name} must be of the axes {letters}")
    if skewed and (len(read) < 2 or not read[-1].lane):
        raise ValueError(f"the last digit of the skewed layout {name} must be a lane")
    return Layout(name=name, letters=letters, digits=read, skewed=skewed)


def digits_text(layout: Layout) -> str:
    """Text that ``parsed`` reads."""
    return " ".join(
        digit.letter
        if digit.block == 1 and not digit.lane
        else f"{digit.letter}{'%' if digit.lane else '/'}{digit.block}"
        for digit in layout.digits
    )


def to_physical(array: Array, layout: Layout) -> Array:
    """Elements in file order, one axis; pads are zero."""
    blocked = _split(_padded(array, layout), layout)
    if not layout.skewed:
        return blocked.reshape(-1)
    first, lanes = blocked.shape[0], blocked.shape[-1]
    dense = blocked.reshape(first, -1, lanes)
    steps = dense.shape[1]
    stream = np.zeros((first, steps + lanes - 1, lanes), array.dtype)
    for lane in range(lanes):
        stream[:, lane : lane + steps, lane] = dense[:, :, lane]
    return stream.reshape(-1)


def to_logical(elements: Array, shape: tuple[int, ...], layout: Layout) -> Array:
    """Undo ``to_physical``; what pads hold is not looked at."""
    physical = elements.reshape(layout.physical_shape(shape))
    if layout.skewed:
        _, long, lanes = physical.shape
        steps = long - lanes + 1
        dense = [physical[:, lane : lane + steps, lane] for lane in range(lanes)]
        sizes = layout.sizes(shape)
        split = [_size(digit, sizes) for digit in layout.digits]
        physical = np.stack(dense, axis=-1).reshape(split)
    return _joined(physical, shape, layout)


def real(shape: tuple[int, ...], layout: Layout) -> Array:
    """Which elements of the file hold one of the array, True, and which are pads, False."""
    return to_physical(np.ones(shape, bool), layout)


def has_pads(shape: tuple[int, ...], layout: Layout) -> bool:
    """Whether any element of the file is a pad."""
    return prod(layout.physical_shape(shape)) != prod(shape)


def place_of(index: tuple[int, ...], shape: tuple[int, ...], layout: Layout) -> int:
    """Place in the file of the element at a logical index."""
    at = dict(zip(layout.letters, index, strict=True))
    sizes = layout.sizes(shape)
    coordinates = [_coordinate(digit, at) for digit in layout.digits]
    dense = [_size(digit, sizes) for digit in layout.digits]
    if not layout.skewed:
        return _ravel(coordinates, dense)
    lane = coordinates[-1]
    step = _ravel(coordinates[1:-1], dense[1:-1]) + lane
    return _ravel([coordinates[0], step, lane], list(layout.physical_shape(shape)))


def indices_at(places: Array, shape: tuple[int, ...], layout: Layout) -> tuple[Array, Array]:
    """Logical indices (rank, k) of the elements at places (k,) of a file, and which are real."""
    sizes = layout.sizes(shape)
    physical = layout.physical_shape(shape)
    found = list(np.unravel_index(places, physical)) if physical else []
    valid = np.ones(len(places), bool)
    if layout.skewed:
        first, step, lane = found
        dense = [_size(digit, sizes) for digit in layout.digits]
        late = step - lane
        steps = prod(dense[1:-1])
        valid &= (late >= 0) & (late < steps)
        inner = np.unravel_index(np.clip(late, 0, steps - 1), dense[1:-1])
        found = [first, *inner, lane]
    index = {letter: np.zeros(len(places), np.int64) for letter in layout.letters}
    for digit, at in zip(layout.digits, found, strict=True):
        whole = digit.block > 1 and not digit.lane
        index[digit.letter] = index[digit.letter] + (at * digit.block if whole else at)
    for letter, size in sizes.items():
        valid &= index[letter] < size
    return np.array([index[letter] for letter in layout.letters]).reshape(len(shape), -1), valid


def _in_order(letters: str) -> Layout:
    return parsed(letters.upper() or "SCALAR", letters, " ".join(letters))


def _davinci(lanes: int, *, kernel: bool) -> Layout:
    if kernel:
        digits = f"i/{lanes} h w o/{CUBE_SIDE} o%{CUBE_SIDE} i%{lanes}"
        return parsed(f"FRACTAL_Z(C0={lanes})", KERNELS, digits)
    return parsed(f"NC1HWC0(C0={lanes})", IMAGES, f"n c/{lanes} h w c%{lanes}")


def _blocked(block: str, *, kernel: bool) -> Layout:
    if kernel:
        digits = f"o/{block} i/{block} h w i%{block} o%{block}"
        return parsed(f"OIHW{block}i{block}o", KERNELS, digits)
    return parsed(f"NCHW{block}c", IMAGES, f"n c/{block} h w c%{block}")


def _skewed(lanes: str, *, kernel: bool) -> Layout:
    if kernel:
        return parsed(f"COLUMN_SKEW{lanes}", KERNELS, f"o/{lanes} i h w o%{lanes}", skewed=True)
    return parsed(f"ROW_SKEW{lanes}", IMAGES, f"c/{lanes} n h w c%{lanes}", skewed=True)


def _digit(text: str) -> Digit:
    match = re.fullmatch(r"([a-z])(?:([/%])([1-9]\d{0,3}))?", text)
    if match is None:
        raise ValueError(f"a digit of a layout must be as c, c/16 or c%16, not {text!r}")
    letter, kind, block = match.groups()
    return Digit(letter, int(block or 1), kind == "%")


def _padded(array: Array, layout: Layout) -> Array:
    blocks = {digit.letter: digit.block for digit in layout.digits}
    add = [
        (0, -size % blocks[letter])
        for letter, size in zip(layout.letters, array.shape, strict=True)
    ]
    return np.pad(array, add) if any(after for _, after in add) else array


def _split(padded: Array, layout: Layout) -> Array:
    """Split axes into block and lane, then put the digits in the file's order."""
    split_digits = _split_digits(layout)
    sizes = layout.sizes(padded.shape)
    split = padded.reshape([_size(digit, sizes) for digit in split_digits])
    return split.transpose([split_digits.index(digit) for digit in layout.digits])


def _joined(physical: Array, shape: tuple[int, ...], layout: Layout) -> Array:
    split_digits = _split_digits(layout)
    logical = physical.transpose([layout.digits.index(digit) for digit in split_digits])
    blocks = {digit.letter: digit.block for digit in layout.digits}
    padded = [
        size + -size % blocks[letter] for letter, size in zip(layout.letters, shape, strict=True)
    ]
    return logical.reshape(padded)[tuple(slice(size) for size in shape)]


def _split_digits(layout: Layout) -> list[Digit]:
    """Digits in the order of the logical axes, block before lane."""
    return sorted(layout.digits, key=lambda digit: (layout.letters.index(digit.letter), digit.lane))


def _size(digit: Digit, sizes: dict[str, int]) -> int:
    return digit.block if digit.lane else -(-sizes[digit.letter] // digit.block)


def _coordinate(digit: Digit, at: dict[str, int]) -> int:
    return at[digit.letter] % digit.block if digit.lane else at[digit.letter] // digit.block


def _ravel(coordinates: list[int], sizes: list[int]) -> int:
    place = 0
    for coordinate, size in zip(coordinates, sizes, strict=True):
        place = place * size + coordinate
    return place


def _horner(digits: tuple[Digit, ...]) -> str:
    if not digits:
        return "0"
    text = _place_text(digits[0])
    for at, digit in enumerate(digits[1:]):
        inner = text if at == 0 else f"({text})"
        text = f"{inner}*{_size_text(digit)} + {_place_text(digit)}"
    return text


def _place_text(digit: Digit) -> str:
    if digit.block == 1 and not digit.lane:
        return digit.letter
    return f"{digit.letter}%{digit.block}" if digit.lane else f"({digit.letter}//{digit.block})"


def _size_text(digit: Digit) -> str:
    if digit.lane:
        return str(digit.block)
    upper = digit.letter.upper()
    return upper if digit.block == 1 else f"(({upper} + {digit.block - 1})//{digit.block})"
