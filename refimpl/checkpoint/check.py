"""Whether a fused X-volution is the trained one: both run on a seeded image, and a bound.

With k at least as many roundings as any product of either form passes through, each form is within
γ_k·M of the exact value, and so

    |trained − fused| ≤ 2·γ_k·M,   γ_k = k·u/(1 − k·u),  u = 2⁻⁵³,   M = ``refimpl.forms.magnitude``

The square form adds up squares, which may be larger than the products that they stand for: there M
has ½·(x² + shift(x, L·d)²) beside |x ⊙ shift(x, L·d)|. With softmax, M is taken on the constant
image max |x|, whose weighted means are its values, and γ_k times 2·Z + 5, Z the largest score on
absolute values: exp turns an error of a score into a relative one. Tied kernels may be off by their
tolerance τ: that part of the largest |w_a'| at every tap, so

    τ·max |w_a'|·Σ_d Σ_c Σ_taps |x ⊙ shift(x, L·d)|          at every output

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1, for γ_k.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import expm1

import numpy as np

from refimpl.arrays import Array
from refimpl.checkpoint.site import FusedSite
from refimpl.forms import fuse_xvolution, magnitude, run_fused, run_trained
from refimpl.forms.trained import XVolution
from refimpl.ops.conv2d import conv2d, same_padding
from refimpl.ops.pssa import pssa
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets

UNIT = 2.0**-53
EXTRA = 32  # ours: roundings beside the sums: folding, normalising, shifting, the last additions
HEIGHT, WIDTH = 8, 7  # ours: unequal, and more pixels than most shifts


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCheck:
    """Largest difference on a seeded image; the largest part of its bound that one takes.

    ``rounded`` is the largest difference once the arrays are rounded as written, ``largest`` the
    largest number of the trained form's output.
    """

    difference: float
    of_bound: float
    rounded: float
    largest: float

    @property
    def passed(self) -> bool:
        """Whether the fused form is the trained one, up to rounding."""
        return self.of_bound <= 1


def check_site(site: FusedSite, rounded: Mapping[str, Array], *, seed: int) -> SiteCheck:
    """Run the trained form, the fused one, and the fused one with the arrays as written."""
    channels = site.trained.arrays["w_c"].shape[1] * site.trained.groups[0]
    x = np.random.default_rng(seed).standard_normal((1, channels, HEIGHT, WIDTH))
    before, after = run_trained(site.trained, x), run_fused(site.fused, x)
    written = {name: array.astype(np.float64) for name, array in rounded.items()}
    stored = run_fused(replace(site.fused, arrays=written), x)
    differences = np.abs(before - after)
    return SiteCheck(
        difference=float(differences.max()),
        of_bound=_largest_part(differences, np.broadcast_to(bound(site, x), before.shape)),
        rounded=float(np.abs(before - stored).max()),
        largest=float(np.abs(before).max()),
    )


def _largest_part(differences: Array, limits: Array) -> float:
    """The largest of differences over limits; 0 over 0 is 0, and NaN is beyond any limit."""
    if np.isnan(differences).any() or (differences > limits)[limits == 0].any():
        return float("inf")
    parts = np.divide(differences, limits, out=np.zeros_like(differences), where=limits > 0)
    return float(parts.max())


def bound(site: FusedSite, x: Array) -> Array:
    """How far the two forms can be apart, at every output."""
    trained = site.trained
    terms = sum(len(array) + array[0].size for array in trained.arrays.values() if array.ndim > 1)
    k = 2 * terms + x.shape[2] * x.shape[3] + EXTRA
    gamma = k * UNIT / (1 - k * UNIT)
    if trained.normalise == "softmax" and trained.attention == "local_attention":
        largest = np.full_like(x, np.abs(x).max())
        return expm1((2 * _largest_score(trained, x) + 5) * 2 * gamma) * magnitude(trained, largest)
    limit = magnitude(trained, x)
    if site.fused.form == "square":
        limit = limit + _squares(site, x)
    limit = 2 * gamma * limit
    return limit + site.tolerance * _untied(trained, x) if site.tolerance else limit


def _largest_score(trained: XVolution, x: Array) -> float:
    keys, queries = (
        np.abs(trained.arrays[name]).sum(axis=1) * np.abs(x).max() for name in ("w_q", "w_k")
    )
    scale = len(keys) ** -0.5 if trained.scale is None else trained.scale
    return float(scale * (keys * queries).sum())


def _squares(site: FusedSite, x: Array) -> Array:
    """What the square form adds up beside the convolution of x, on absolute values."""
    options, w_a = site.fused.options, np.abs(site.fused.arrays["w_a"])
    squares = [
        (x * x + copy * copy) / 2
        for offset in offsets(options["directions"], options["length"])
        for copy in [shift(x, offset=offset, boundary=options["boundary"])]
    ]
    dilation = options["dilation"]
    return conv2d(
        np.concatenate(squares, axis=1),
        w_a,
        stride=options["stride"],
        padding=same_padding((w_a.shape[2], w_a.shape[3]), dilation),
        dilation=dilation,
    )


def _untied(trained: XVolution, x: Array) -> Array:
    """What the attention would be with every weight the largest one, on absolute values."""
    folded = fuse_xvolution(trained, form="two-pass", expand=True).arrays["w_a"]
    return pssa(
        np.abs(x),
        np.full_like(folded, np.abs(folded).max(initial=0)),
        directions=trained.directions,
        length=trained.length,
        boundary=trained.boundary,
        stride=trained.stride,
        dilation=trained.dilation,
    )
