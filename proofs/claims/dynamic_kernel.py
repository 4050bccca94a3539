"""Claims about the kernel form: a static plus a content-dependent convolution weight."""

from typing import Any

from proofs.article import (
    STATIC_PLUS_DYNAMIC,
)
from proofs.claim import Hypothesis, claim
from proofs.claims.literal import IMAGES, literal_dynamic_convolution
from proofs.domain import grid
from proofs.rings import rationals, same
from refimpl import (
    xvolution_fused,
)


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
