"""Claims about the kernel form: a static plus a content-dependent convolution weight."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from proofs.article import STATIC_PLUS_DYNAMIC, ours
from proofs.claim import Hypothesis, Rung, claim
from proofs.claims.literal import IMAGES, literal_dynamic_convolution
from proofs.domain import Case, Cases, Grid, grid
from proofs.exact import Numbers, drawer, false_accept
from proofs.rings import Array, rationals, same
from refimpl import conv2d, shift_product, xvolution_fused
from refimpl.forms import dynamic_conv2d, dynamic_kernel


@claim(
    source=STATIC_PLUS_DYNAMIC,
    status="conditional",
    evidence="exact rationals",
    why="Each product x[p+δ]·x[p+δ+d] can be read as a weight x[p+δ+d] on the pixel x[p+δ].",
    over=grid(
        image=IMAGES, side=(1, 3), boundary=("circular", "zero"), dynamic_part_of=("this image",)
    ),
    hypotheses=(
        Hypothesis(
            text="the dynamic part is computed from the image at hand",
            without=grid(
                image=IMAGES, side=(1,), boundary=("circular",), dynamic_part_of=("another image",)
            ),
        ),
    ),
)
def x_volution_is_a_static_plus_a_dynamic_kernel(
    image: tuple[int, ...], side: int, boundary: Any, dynamic_part_of: str
) -> bool:
    """X-volution is a convolution whose kernel varies from pixel to pixel.

    It is the static kernel w_c[δ] plus the dynamic kernel Σ_d w_a[d, δ]·x[p + δ + d].
    """
    x, w = rationals(*image, seed=1), rationals(2, 5 * image[1], side, side, seed=2)
    source = x if dynamic_part_of == "this image" else rationals(*image, seed=3)
    dynamic = literal_dynamic_convolution(x, source, w, boundary)
    return same(xvolution_fused(x, w, boundary=boundary), dynamic)


def _stored(numbers: Numbers, image: tuple[int, ...]) -> Grid:
    return grid(
        numbers=(numbers,),
        image=(image,),
        sides=((3, 1), (1, 3)),
        boundary=("circular", "zero"),
        padding=("circular", "zero"),
        stride=(1, 2),
    )


@claim(
    source=STATIC_PLUS_DYNAMIC,
    status="identity",
    evidence="exact rationals",
    why="What multiplies the padded image is the shifted map at the same padded place, so both "
    "boundaries stay free.",
    over=_stored("rationals", (2, 2, 3, 4)),
    rungs=(
        Rung(
            evidence="symbolic polynomial identity",
            over=_stored("variables", (1, 1, 2, 3)),
            note="For all kernels, biases and pixels at this shape.",
        ),
        Rung(
            evidence="Schwartz–Zippel modulo 2⁶¹ − 1",
            over=_stored("residues", (1, 3, 6, 5)),
            note=false_accept(3),
        ),
    ),
)
def the_stored_kernel_is_the_feature_form_for_every_boundary(
    numbers: Numbers,
    image: tuple[int, ...],
    sides: tuple[int, int],
    boundary: Any,
    padding: Any,
    stride: int,
) -> bool:
    """Run with its stored kernels, pixel by pixel, X-volution is the convolution of [x; T(x)].

    In all four combinations of the shift's and the convolution's boundary.
    """
    draw = drawer(numbers, room=60)
    x, b = draw(*image, seed=1), draw(1, seed=4)
    w_c, w_a = (
        draw(1, count * image[1], side, side, seed=2)
        for count, side in zip((1, 4), sides, strict=True)
    )
    options: dict[str, Any] = {"padding_mode": padding, "stride": stride}
    kernels = dynamic_kernel(x, w_c, w_a, boundary=boundary, **options)
    products = shift_product(x, boundary=boundary)
    features = sum(
        _padded_convolution(z, w, padding, stride) for z, w in ((x, w_c), (products, w_a))
    )
    return same(dynamic_conv2d(x, kernels, b, **options), features + b[:, None, None])


def _padded_convolution(z: Array, w: Array, padding: str, stride: int) -> Array:
    """Convolve with "same" padding: zeros, or the opposite side of the image."""
    reach = w.shape[2] // 2
    if padding == "zero":
        return conv2d(z, w, stride=stride, padding=reach)
    padded = np.pad(z, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="wrap")
    return conv2d(padded, w, stride=stride)


def _kernel_pairs() -> Iterator[Case]:
    for one, other in product(product((0, 1), repeat=4), repeat=2):
        yield {"one": one, "other": other}


def _run_row(kernel: tuple[int, ...], row: tuple[int, ...]) -> tuple[Array, Array]:
    """Output and stored kernels of 1×3 taps for left and right on a row, ends of kernels 0."""
    x = np.array(row, object).reshape(1, 1, 1, -1)
    w_a = np.array([0, *kernel[:2], 0, *kernel[2:]], object).reshape(1, 2, 1, 3)
    shifts: dict[str, Any] = {"directions": ((0, -1), (0, 1)), "boundary": "zero"}
    stored = dynamic_kernel(x, w_a[:, :1] * 0, w_a, **shifts)
    return dynamic_conv2d(x, stored), stored


def _explain_kernels(one: tuple[int, ...], other: tuple[int, ...]) -> str:
    return (
        f"taps 0 and +1 of x⊙shift(x, left), then of x⊙shift(x, right): {one} and {other} give "
        f"the same outputs on every row of four pixels, with different stored kernels"
    )


@claim(
    source=ours("A5"),
    status="false",
    evidence="exhaustive search",
    why="In the product x[p]·x[p+1] either pixel can be read as the weight of the other.",
    over=Cases(_kernel_pairs),
    order="pairs of taps for left and right over 0, 1, last entry fastest",
    explain=_explain_kernels,
)
def the_dynamic_kernel_is_determined_by_what_is_computed(
    one: tuple[int, ...], other: tuple[int, ...]
) -> bool:
    """Two X-volutions that compute the same have the same dynamic kernels."""
    probes = [
        tuple(int(i in {a, b}) for i in range(4)) for a in range(4) for b in range(a, 4)
    ]  # a quadratic form is determined by its values at every eᵢ and eᵢ + eⱼ
    runs = [(_run_row(one, row), _run_row(other, row)) for row in probes]
    alike = all(same(left[0], right[0]) for left, right in runs)
    return not alike or all(same(left[1], right[1]) for left, right in runs)
