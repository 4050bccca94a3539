"""Attention inside a window, and X-volution with attention branches, as graphs.

    local-attention            q, k, v; scores per place; weighted sum of the window (Eq. 8, 9)
    local-attention-softmax    the same with softmax over the places inside the image
    xvolution-training-local   BN(conv(x)) + BN(local attention(x)), unnormalised: "Eq. 9"
    xvolution-training-sa      BN(conv(x)) + BN(softmax attention over all pixels)
    xvolution-kernel-local     conv(x, w_c) + b + W_v·(Σ_δ a(p, δ)·x[p + δ]): merged, channels
                               mixed once
    xvolution-sa               a kernel per image w_c + δ₀·W_v·(Σ_t x_t k_tᵀ)·W_q, then one
                               convolution of each image with its own: all of it is needed first

Kernels per image are a convolution in as many groups as there are images: nothing is reused over
the batch, and every image's kernels are loaded anew.

Source: Chen, Wang and Ni, "X-volution", arXiv:2106.02253 (2021), Eq. 8 and 9 as public reports have
them; the merged forms are derived: attention is linear in the values, and without softmax in the
query.
"""

from hwsim.dynamic import PerPixel
from hwsim.lowering.build import Build, Ref
from hwsim.lowering.dense import projections, softmax_attention, static, tokens
from hwsim.lowering.options import Options
from hwsim.lowering.pixel_shift import normalised
from hwsim.lowering.views import Windows
from hwsim.workload import Convolution


def local_attention(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Unnormalised attention in a window."""
    return _local(build, site, options, x, softmax=False)


def local_softmax(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Softmax attention in a window."""
    return _local(build, site, options, x, softmax=True)


def training_local(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Both branches of Eq. 9, each normalised, summed."""
    convolved = normalised(build, static(build, site, x, "w_c", None, label="plain branch"), "c")
    branch = _local(build, site, options, x, softmax=False)
    return build.elements("sum", "add", convolved, normalised(build, branch, "a"))


def training_sa(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """A convolution and attention over all pixels, each normalised, summed."""
    convolved = normalised(build, static(build, site, x, "w_c", None, label="plain branch"), "c")
    branch = softmax_attention(build, site, x, site.out_channels, options.depth, options.heads)
    return build.elements("sum", "add", convolved, normalised(build, branch, "a"))


def kernel_local(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Kernel form of local attention: weigh pixels, then mix channels once."""
    deep = site.out_channels if options.depth is None else options.depth
    q = build.convolve("query", x, _matrix(build, "w_q", deep, x), stride=site.stride)
    k = build.convolve("key", x, _matrix(build, "w_k", deep, x))
    scores = score(build, site, q, k, side_of(site, options))
    gathered = weigh(build, site, scores, x, side_of(site, options))
    first = static(build, site, x, "w_c", "b", label="static kernel")
    return build.convolve("value", gathered, _matrix(build, "w_v", site.out_channels, x), first)


def sa(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Kernels per image from unnormalised attention, then one convolution per image."""
    n, channels, h, w = x.shape
    heads, outs = options.heads, site.out_channels
    deep = outs if options.depth is None else options.depth
    k = build.convolve("key", x, _matrix(build, "w_k", deep, x))
    v = build.convolve("value", x, _matrix(build, "w_v", outs, x))
    keys, values = tokens(k, heads), tokens(v, heads)
    context = build.product("value-key", values.transpose(0, 2, 1), keys)
    queries = build.weight("w_q", deep, channels).reshape(1, heads, deep // heads, channels)
    every = queries.expand(0, n).reshape(n * heads, deep // heads, channels)
    mixing = build.product("context-query", context, every).reshape(n, outs, channels, 1, 1)
    small = build.weight("w_c", outs, channels, site.kernel_h, site.kernel_w)
    middle = mixing.reshape(n * outs, channels, 1, 1)
    for axis, side in ((2, site.kernel_h), (3, site.kernel_w)):
        middle = middle.pad(axis, side // 2, side // 2)
    copies = small.reshape(1, *small.shape).expand(0, n).reshape(n * outs, *small.shape[1:])
    kernels = build.elements("kernels", "add", middle, copies)
    start = build.weight("b", outs).reshape(1, outs).expand(0, n).reshape(n * outs)
    made = build.convolve(
        "convolution per image",
        x.reshape(1, n * channels, h, w),
        kernels,
        start,
        stride=site.stride,
        padding=site.padding,
        dilation=site.dilation,
        groups=n,
    )
    return made.reshape(n, outs, site.out_height, site.out_width)


def score(
    build: Build,
    site: Convolution,
    q: Ref,
    k: Ref,
    window: int,
    heads: int = 1,
    border: str = "zero",
) -> Ref:
    """Dot products of each query with the keys of its window."""
    work = _per_pixel("score", site, q, k, window, heads, border, "scores per place")
    return build.per_pixel(work, q, k)


def weigh(
    build: Build,
    site: Convolution,
    a: Ref,
    v: Ref,
    window: int,
    heads: int = 1,
    border: str = "zero",
) -> Ref:
    """Weighted sum of each pixel's window."""
    work = _per_pixel("weigh", site, a, v, window, heads, border, "weighted sum per pixel")
    return build.per_pixel(work, a, v)


def softmax_places(
    build: Build, site: Convolution, scores: Ref, window: int, heads: int, *, masked: bool = True
) -> Ref:
    """Softmax over the places of each window; those outside the image get no weight if masked."""
    n, _, i, j = scores.shape
    taps = window * window
    rows = scores.reshape(n, heads, taps, i, j).transpose(0, 1, 3, 4, 2)
    padding = site.dilation * (window - 1) // 2
    places = Windows((window, window), site.stride, (padding, padding), site.dilation, (i, j))
    image = (site.height, site.width)
    soft = build.softmax("softmax", rows, inside=(places, image) if masked else None)
    return soft.transpose(0, 1, 4, 2, 3).reshape(n, heads * taps, i, j)


def side_of(site: Convolution, options: Options) -> int:
    """Side of the window: that of the site's kernel unless told."""
    return site.kernel_h if options.window is None else options.window


def _local(build: Build, site: Convolution, options: Options, x: Ref, *, softmax: bool) -> Ref:
    q, k, v = projections(build, site, x, site.out_channels, options.depth)
    window = side_of(site, options)
    scores = score(build, site, q, k, window)
    weights = softmax_places(build, site, scores, window, 1) if softmax else scores
    return weigh(build, site, weights, v, window)


def _per_pixel(
    operation: str,
    site: Convolution,
    a: Ref,
    image: Ref,
    window: int,
    heads: int,
    border: str,
    label: str,
) -> PerPixel:
    n, channels, h, w = image.shape
    return PerPixel(
        operation=operation,
        batch=n,
        heads=heads,
        channels=channels // heads,
        height=h,
        width=w,
        out_height=a.shape[2],
        out_width=a.shape[3],
        kernel_h=window,
        kernel_w=window,
        stride=site.stride,
        dilation=site.dilation,
        border=border,
        label=label,
    )


def _matrix(build: Build, name: str, outs: int, x: Ref) -> Ref:
    return build.weight(name, outs, x.shape[1]).reshape(outs, x.shape[1], 1, 1)
