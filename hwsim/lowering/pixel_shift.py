"""Pixel-shift attention and every form of a merged X-volution, as graphs.

With T(x) = concat_d x ⊙ shift(x, L·d), D directions:

    pssa                   conv(T(x), w_a) + b
    xvolution-training     BN(conv(x, w_c)) + BN(conv(T(x), w_a)); each normalisation an affine map
    xvolution-training-batch   the same with the batch's own mean and variance: six passes over each
                           branch's result before the sum, as in a training step
    xvolution-fused        conv([x; T(x)], w) + b                            feature form, one pass
    xvolution-two-pass     conv(x, w_c) + b, then conv(T(x), w_a) into the same sums
    xvolution-tied         conv(x ⊙ (1 + Σ_d α_d ⊙ shift(x, L·d)), w) + b
    xvolution-square       conv([x; (x + Sx)²; (x − Sx)²], w) + b            no product of two maps
    xvolution-square-array   the same, sums and differences by a convolution with ±1
    xvolution-shared       the feature form with one product for d and −d
    xvolution-kernel       Σ_δ of conv kernels and products window by window: the kernel factorised
    xvolution-kernel-stored   a kernel per pixel written down, then applied

``[x; T(x)]`` is not copied together: the convolution reads each map where it lies. A second pass
adds to the sums of the first, which are written once too often and not read back. ReLU and affine
maps are applied on the way out of what is before them.

Source: Chen, Wang and Ni, "X-volution: On the unification of convolution and self-attention",
arXiv:2106.02253 (2021), for PSSA, both branches and the feature form; the others are derived from
it by distributivity, and for the square form by x·y = ¼[(x + y)² − (x − y)²].
"""

from hwsim.dynamic import PerPixel
from hwsim.lowering.build import Build, Ref, side
from hwsim.lowering.dense import static
from hwsim.lowering.options import Offset, Options
from hwsim.lowering.views import Windows
from hwsim.workload import Convolution


def pssa(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """The pixel-shift branch alone."""
    return _branch(build, site, options, shift_product(build, options, x), "b")


def training(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Both branches, each with its own normalisation, summed."""
    convolved = normalised(build, static(build, site, x, "w_c", None, label="plain branch"), "c")
    branch = _branch(build, site, options, shift_product(build, options, x), None)
    return build.elements("sum", "add", convolved, normalised(build, branch, "a"))


def training_batch(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Both branches, each normalised by the batch's own mean and variance, summed."""
    convolved = static(build, site, x, "w_c", None, label="plain branch")
    branch = _branch(build, site, options, shift_product(build, options, x), None)
    normals = (
        normalised_by_batch(build, each, name, options.epsilon)
        for each, name in ((convolved, "c"), (branch, "a"))
    )
    return build.elements("sum", "add", *normals)


def fused(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """One convolution of the image and its products."""
    features = side(x, shift_product(build, options, x))
    return static(build, site, features, "w", "b", label="merged convolution")


def two_pass(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Each kernel at its own size, into the same sums."""
    products = shift_product(build, options, x)
    first = static(build, site, x, "w_c", "b", label="first pass")
    return _branch(build, site, options, products, None, label="second pass", start=first)


def tied(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """One kernel for every direction, up to a factor per channel: a gate before the convolution."""
    many, channels = len(options.directions), x.shape[1]
    alpha = build.weight("alpha", many, channels)
    gate: Ref | None = None
    for number, offset in enumerate(options.offsets):
        factor = alpha.slice(0, number, number + 1).reshape(channels)
        copy = build.shift(x, offset, options.boundary)
        term = build.elements("gate term", "multiply", copy, factor.wide(copy))
        gate = term if gate is None else build.elements("gate", "add", gate, term)
    assert gate is not None  # noqa: S101 - there is a direction
    gated = build.elements("gate", "add", x, build.elements("gated", "multiply", x, gate))
    return static(build, site, gated, "w", "b", label="convolution")


def square(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Squares of sums and differences in place of products."""
    copies = side(*(build.shift(x, each, options.boundary) for each in options.offsets))
    images = side(*[x] * len(options.directions))
    sums = build.elements("sums", "add", images, copies)
    differences = build.elements("differences", "subtract", images, copies)
    squares = [build.elements("squares", "square", each) for each in (sums, differences)]
    return static(build, site, side(x, *squares), "w", "b", label="merged convolution")


def square_convolved(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """The same with the sums and differences made by a 1 × 1 convolution in groups, ±1."""
    many, (n, channels, h, w) = len(options.directions), x.shape
    copies = [build.shift(x, each, options.boundary) for each in options.offsets]
    maps = side(x, *copies).reshape(n, 1 + many, channels, h, w).transpose(0, 2, 1, 3, 4)
    grouped = maps.reshape(n, channels * (1 + many), h, w)
    signs = build.weight("signs", channels * 2 * many, 1 + many, 1, 1)
    sums = build.convolve("sums and differences", grouped, signs, groups=channels)
    squares = build.elements("squares", "square", sums)
    ordered = squares.reshape(n, channels, 2 * many, h, w).transpose(0, 2, 1, 3, 4)
    features = side(x, ordered.reshape(n, 2 * many * channels, h, w))
    return static(build, site, features, "w", "b", label="merged convolution")


def shared(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """The map of −d is the map of d, shifted: one product for both."""
    products: dict[Offset, Ref] = {}
    for offset in options.offsets:
        back = (-offset[0], -offset[1])
        if back in products:
            products[offset] = build.shift(products[back], offset, options.boundary)
        elif offset not in products:
            copy = build.shift(x, offset, options.boundary)
            products[offset] = build.elements("shift product", "multiply", x, copy)
    features = side(x, *(products[offset] for offset in options.offsets))
    return static(build, site, features, "w", "b", label="merged convolution")


def kernel(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Products window by window, mixed by the kernels: no kernel is stored."""
    first = static(build, site, x, "w_c", "b", label="static kernel")
    side_of = _shift_kernel(site, options)
    windows = _windows(site, side_of, first)
    copies = [build.shift(x, each, options.boundary).through(windows) for each in options.offsets]
    seen = side(*[x.through(windows)] * len(copies))
    gated = build.elements("gated windows", "multiply", seen, side(*copies))
    n, channels, taps, i, j = gated.shape
    outs = site.out_channels
    weights = build.weight("w_a", outs, channels, side_of, side_of)
    flat = gated.reshape(n, channels * taps, i, j)
    kernels = weights.reshape(outs, channels * taps, 1, 1)
    return build.convolve("dynamic kernel", flat, kernels, first)


def kernel_stored(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """A kernel of its own for every pixel, written down and then applied."""
    side_of = _shift_kernel(site, options)
    n, channels, h, w = x.shape
    outs, taps = site.out_channels, side_of * side_of
    i, j = site.out_height, site.out_width
    shape = (n, outs, channels, taps, i, j)
    pads = (side_of - site.kernel_h) // 2, (side_of - site.kernel_w) // 2
    small = build.weight("w_c", outs, channels, site.kernel_h, site.kernel_w)
    kernels = _everywhere(small.pad(2, pads[0], pads[0]).pad(3, pads[1], pads[1]), shape)
    attended = build.weight("w_a", outs, len(options.directions) * channels, side_of, side_of)
    windows = Windows(
        (side_of, side_of), site.stride, (_padding(site, side_of),) * 2, site.dilation, (i, j)
    )
    for number, offset in enumerate(options.offsets):
        part = attended.slice(1, number * channels, (number + 1) * channels)
        copy = build.shift(x, offset, options.boundary).through(windows)
        seen = copy.reshape(n, 1, channels, taps, i, j).expand(1, outs)
        term = build.elements("dynamic weights", "multiply", _everywhere(part, shape), seen)
        kernels = build.elements("kernels", "add", kernels, term)
    work = PerPixel(
        operation="mix",
        batch=n,
        channels=channels,
        outputs=outs,
        height=h,
        width=w,
        out_height=i,
        out_width=j,
        kernel_h=side_of,
        kernel_w=side_of,
        stride=site.stride,
        dilation=site.dilation,
        label="kernel per pixel",
    )
    made = build.per_pixel(work, kernels.reshape(n, outs * channels * taps, i, j), x)
    return build.elements("bias", "add", made, build.weight("b", outs).wide(made), fused=True)


def shift_product(build: Build, options: Options, x: Ref) -> Ref:
    """T(x): x times each shifted copy, direction by direction, in one step."""
    copies = side(*(build.shift(x, each, options.boundary) for each in options.offsets))
    return build.elements("shift product", "multiply", side(*[x] * len(options.directions)), copies)


def normalised(build: Build, x: Ref, branch: str) -> Ref:
    """A batch normalisation with given statistics: (x − μ)·s + β as s·x + t per channel."""
    scale, offset = (build.weight(f"{name}_{branch}", x.shape[1]) for name in "st")
    return build.affine("affine", x, scale, offset)


def normalised_by_batch(build: Build, x: Ref, branch: str, epsilon: float) -> Ref:
    """γ·(x − μ)/√(σ² + ε) + β with the mean and variance of x itself, per channel."""
    n, channels, h, w = x.shape
    share = 1 / (n * h * w)
    total = build.sum("batch sum", x, 0, 2, 3)
    mean = build.elements("batch mean", "scale", total, factor=share)
    centred = build.elements("centred", "subtract", x, mean.everywhere(x))
    squares = build.elements("squares", "square", centred)
    power = build.sum("sum of squares", squares, 0, 2, 3)
    variance = build.elements("batch variance", "scale", power, factor=share)
    root = build.elements("inverse deviation", "root-inverse", variance, eps=epsilon)
    normal = build.elements("normal", "multiply", centred, root.everywhere(centred))
    scale, offset = (build.weight(f"{name}_{branch}", channels) for name in ("gamma", "beta"))
    return build.affine("affine", normal, scale, offset)


def _branch(
    build: Build,
    site: Convolution,
    options: Options,
    products: Ref,
    bias: str | None,
    *,
    label: str = "shifted branch",
    start: Ref | None = None,
) -> Ref:
    side_of = options.shift_kernel
    return static(build, site, products, "w_a", bias, label=label, kernel=side_of, start=start)


def _shift_kernel(site: Convolution, options: Options) -> int:
    return site.kernel_h if options.shift_kernel is None else options.shift_kernel


def _padding(site: Convolution, side_of: int) -> int:
    return site.padding + site.dilation * (side_of - site.kernel_h) // 2


def _windows(site: Convolution, side_of: int, like: Ref) -> Windows:
    grid = like.shape[2], like.shape[3]
    padding = _padding(site, side_of)
    return Windows((side_of, side_of), site.stride, (padding, padding), site.dilation, grid)


def _everywhere(kernels: Ref, shape: tuple[int, ...]) -> Ref:
    """Kernels (o, c, k, k) read for every image and pixel: (n, o, c, places, i, j)."""
    n, outs, channels, taps, i, j = shape
    ref = kernels.reshape(1, outs, channels, taps, 1, 1)
    return ref.expand(0, n).expand(4, i).expand(5, j)
