"""Other operators between convolution and attention, as graphs: context for X-volution.

    acmix   three 1 × 1 convolutions, shared by two paths: a small product that turns the 3 maps of
            each head into k² maps, a convolution in groups that shifts and sums them; beside it
            softmax attention in a window; α·attention + β·convolution
    involution   a kernel per pixel and group of channels from the pixel itself: reduce, ReLU,
            spread; then a weighted sum of the window
    neighbourhood-attention   softmax attention in a window that is moved inwards at the edges, with
            a learnt bias per place, and an output projection

What we leave out or take otherwise: ACmix' position encoding, and its reflection at the edges
(places outside are masked here); involution's normalisation (folded into the reduction) and its
mean pooling before a stride (the strided pixel makes the kernel here). Where an operator keeps the
number of channels and the site does not, a 1 × 1 convolution before it changes it; where an image
is smaller than a window, the window shrinks to the largest odd one that fits.

Sources: Pan et al., "On the Integration of Self-Attention and Convolution", arXiv:2111.14556 (CVPR
2022), section 3; Li et al., "Involution", arXiv:2103.06255 (CVPR 2021), section 3; Hassani et al.,
"Neighborhood Attention Transformer", arXiv:2204.07143 (CVPR 2023), section 3.
"""

from dataclasses import replace

from hwsim.lowering.build import Build, Ref, side
from hwsim.lowering.dense import projections
from hwsim.lowering.local import score, softmax_places, weigh
from hwsim.lowering.options import Options
from hwsim.workload import Convolution


def acmix(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Attention and convolution from the same projections."""
    heads = _divisor(options.acmix_heads, site.out_channels)
    q, k, v = projections(build, _unstrided(site), x, site.out_channels, None)
    n, channels, h, w = q.shape
    inner, taps, k_conv = channels // heads, options.acmix_kernel**2, options.acmix_kernel

    maps = side(q, k, v).reshape(n, 3 * heads, inner, h * w).transpose(1, 0, 2, 3)
    rows = maps.reshape(1, 3 * heads, n * inner * h * w)
    spread = build.weight("w_fc", taps, 3 * heads).reshape(1, taps, 3 * heads)
    many = build.product("maps per place", rows.transpose(0, 2, 1), spread.transpose(0, 2, 1))
    grouped = many.transpose(0, 2, 1).reshape(taps, n, inner, h * w).transpose(1, 2, 0, 3)
    convolved = build.convolve(
        "shift and sum",
        grouped.reshape(n, inner * taps, h, w),
        build.weight("w_shift", channels, taps, k_conv, k_conv),
        stride=site.stride,
        padding=k_conv // 2,
        groups=inner,
    )

    window = _fitting(options.wide_window, site)
    square = _square(site)
    scores = score(build, square, q.strided(site.stride), k, window, heads)
    weights = softmax_places(build, square, scores, window, heads)
    attended = weigh(build, square, weights, v, window, heads)
    terms = [
        build.elements(
            "share", "multiply", each, build.weight(name, 1, 1).reshape(1, 1, 1, 1).everywhere(each)
        )
        for name, each in (("alpha", attended), ("beta", convolved))
    ]
    return build.elements("sum", "add", *terms)


def involution(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """A kernel per pixel and group of channels, made from the pixel."""
    image = _matched(build, site, x)
    channels = site.out_channels
    group = _divisor(options.involution_group, channels)
    heads, window = channels // group, _fitting(options.wide_window, site)
    small = max(1, channels // options.involution_reduction)
    reduced = build.convolve(
        "reduce", image, build.weight("w_reduce", small, channels, 1, 1), stride=site.stride
    )
    rectified = build.elements("relu", "relu", reduced, fused=True)
    kernels = build.convolve(
        "spread", rectified, build.weight("w_span", window * window * heads, small, 1, 1)
    )
    return weigh(build, _square(site), kernels, image, window, heads)


def neighbourhood(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Attention to the nearest pixels, with a bias per place and an output projection."""
    channels = site.out_channels
    heads = channels // _divisor(options.neighbourhood_head, channels)
    window = _fitting(options.wide_window, site)
    q, k, v = projections(build, site, x, channels, None)
    square = _square(site)
    scores = score(build, square, q, k, window, heads, border="clamp")
    bias = build.weight("bias", heads * window * window)
    biased = build.elements("bias", "add", scores, bias.wide(scores))
    weights = softmax_places(build, square, biased, window, heads, masked=False)
    attended = weigh(build, square, weights, v, window, heads, border="clamp")
    return build.mix("output projection", attended, build.weight("w_o", channels, channels))


def _matched(build: Build, site: Convolution, x: Ref) -> Ref:
    """The image with as many channels as come out."""
    if site.in_channels == site.out_channels:
        return x
    kernels = build.weight("w_match", site.out_channels, site.in_channels, 1, 1)
    return build.convolve("match channels", x, kernels)


def _unstrided(site: Convolution) -> Convolution:
    return replace(site, stride=1)


def _square(site: Convolution) -> Convolution:
    """The site without dilation, which these operators do not have."""
    return replace(site, dilation=1)


def _fitting(window: int, site: Convolution) -> int:
    """The largest odd window up to ``window`` that fits in the image."""
    side_of = min(window, site.height, site.width)
    return side_of if side_of % 2 else max(1, side_of - 1)


def _divisor(wanted: int, channels: int) -> int:
    """The largest number up to ``wanted`` that divides the channels."""
    return next(each for each in range(min(wanted, channels), 0, -1) if channels % each == 0)
