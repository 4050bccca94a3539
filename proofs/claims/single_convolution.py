"""Claims about "a single convolution": X-volution is none of its input, save where it is."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from proofs.article import SINGLE_CONVOLUTION, ours
from proofs.claim import Rung, claim
from proofs.domain import Case, Cases, Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import Array, same
from refimpl import pssa, xvolution_fused
from refimpl.forms import XVolution, run_trained


def _by_pixels(largest: int) -> Iterator[tuple[int, int]]:
    """Image sides in order of the number of pixels, then of height."""
    for pixels in range(1, largest + 1):
        yield from ((h, pixels // h) for h in range(1, pixels + 1) if pixels % h == 0)


def _small_xvolutions() -> Iterator[Case]:
    for sides in _by_pixels(4):
        for w_c, w_a in product((0, 1, -1), repeat=2):
            for pixels in product((0, 1, -1), repeat=sides[0] * sides[1]):
                yield {"sides": sides, "w_c": w_c, "w_a": w_a, "pixels": pixels}


def _tiny(sides: tuple[int, int], w_c: int, w_a: int, pixels: tuple[int, ...]) -> Any:
    """Output pixels for x, 2·x and 0, of a 1×1 X-volution with one channel that looks right."""
    x = np.array([Fraction(each) for each in pixels], object).reshape(1, 1, *sides)
    w = np.array([w_c, w_a], object).reshape(1, 2, 1, 1)
    return [
        xvolution_fused(each, w, directions=((0, 1),))[0, 0].ravel().tolist()
        for each in (x, 2 * x, 0 * x)
    ]


def _explain_tiny(sides: tuple[int, int], w_c: int, w_a: int, pixels: tuple[int, ...]) -> str:
    once, twice, _ = _tiny(sides, w_c, w_a, pixels)
    return (
        f"f(x) = {w_c}·x + {w_a}·x⊙shift(x) on a {sides[0]}×{sides[1]} image: x = {_list(pixels)} "
        f"gives {_list(once)}, and 2·x gives {_list(twice)}, where a convolution would give "
        f"{_list(2 * each for each in once)}"
    )


def _list(numbers: Any) -> str:
    return "[" + ", ".join(str(each) for each in numbers) + "]"


@claim(
    source=SINGLE_CONVOLUTION,
    status="false",
    evidence="exhaustive search",
    why="A convolution is affine in its input and the attention branch is quadratic: no static "
    "kernel does both. (It is one convolution of [x; T(x)].)",
    over=Cases(_small_xvolutions),
    order="images by number of pixels, then height; weights w_c, w_a and pixels over 0, 1, −1",
    explain=_explain_tiny,
)
def x_volution_is_a_convolution_of_its_input(
    sides: tuple[int, int], w_c: int, w_a: int, pixels: tuple[int, ...]
) -> bool:
    """The merged X-volution is a convolution of x: as such f(2·x) − f(0) = 2·(f(x) − f(0))."""
    once, twice, none = _tiny(sides, w_c, w_a, pixels)
    return all(t - z == 2 * (o - z) for o, t, z in zip(once, twice, none, strict=True))


def _attention_kernels() -> Iterator[Case]:
    for kernel in product((0, 1, -1), repeat=6):
        yield {"left": kernel[:3], "right": kernel[3:]}


def _quadratic_probes(pixels: int) -> Iterator[Array]:
    """Images that determine a quadratic form: every eᵢ and every eᵢ + eⱼ."""
    for i in range(pixels):
        for j in range(i, pixels):
            x = np.full(pixels, Fraction(0), object)
            x[i] = x[j] = Fraction(1)
            yield x.reshape(1, 1, 1, pixels)


def _vanishes(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Whether left-and-right PSSA with these 1×3 kernels is 0 on every 1×5 image."""
    w = np.array([left, right], object).reshape(1, 2, 1, 3)
    shifts: dict[str, Any] = {"directions": ((0, -1), (0, 1)), "boundary": "zero"}
    return all(not pssa(x, w, **shifts).any() for x in _quadratic_probes(5))


def _explain_cancelling(left: tuple[int, ...], right: tuple[int, ...]) -> str:
    return (
        f"1×3 kernels {_list(left)} on x⊙shift(x, left) and {_list(right)} on x⊙shift(x, right) "
        f"cancel on every 1×5 image (a quadratic form that is 0 at all eᵢ and eᵢ + eⱼ is 0)"
    )


@claim(
    source=ours("A4"),
    status="false",
    evidence="exhaustive search",
    why="Opposite directions give the same product map, displaced: their kernels can cancel.",
    over=Cases(_attention_kernels),
    order="1×3 kernels for left, then for right, entries over 0, 1, −1, last entry fastest",
    explain=_explain_cancelling,
)
def only_zero_attention_weights_give_a_convolution(
    left: tuple[int, ...], right: tuple[int, ...]
) -> bool:
    """An X-volution is a convolution of x only if all its attention weights are zero."""
    return not any(left + right) or not _vanishes(left, right)


def _even_grid(numbers: Numbers, image: tuple[int, ...]) -> Grid:
    return grid(
        numbers=(numbers,), image=(image,), sides=((3, 1), (3, 3)), boundary=("circular", "zero")
    )


@claim(
    source=ours("A4"),
    status="identity",
    evidence="exact rationals",
    why="The convolution branch is odd up to its bias and the attention branch is even, so the "
    "even part of the sum is the attention branch.",
    proof="An affine map has a constant even part, and a map whose even part is constant is affine "
    "plus the odd part of the convolution: so X-volution equals a convolution of x exactly where "
    "pssa(x, w_A) is constant in x, that is 0.",
    over=_even_grid("rationals", (2, 2, 3, 4)),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_even_grid("variables", (1, 2, 2, 3)),
            note="For all kernels, biases and pixels at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_even_grid("residues", (1, 5, 7, 6)),
            note=false_accept(3),
        ),
    ),
)
def the_even_part_of_x_volution_is_its_attention(
    numbers: Numbers, image: tuple[int, ...], sides: tuple[int, int], boundary: Any
) -> bool:
    """f(x) + f(−x) − 2·f(0) = 2·pssa(x, w_A): what of X-volution is no convolution of x.

    So it equals a convolution of x only where that is 0, which weights other than 0 can achieve.
    """
    draw = drawer(numbers, room=200)
    x, b = draw(*image, seed=1), draw(2, seed=4)
    w_c, w_a = (
        draw(2, count * image[1], side, side, seed=2)
        for count, side in zip((1, 4), sides, strict=True)
    )
    arrays = {"w_c": w_c, "w_a": w_a, "b_c": b}
    layer = XVolution(arrays=arrays, boundary=boundary)
    there, back, none = (run_trained(layer, each) for each in (x, x * -1, x * 0))
    return same(there + back - 2 * none, 2 * pssa(x, w_a, boundary=boundary))
