"""Convolution and attention over the whole image, as graphs.

    convolution           y = conv(x, w) + b
    convolution-wide      the same with 1 + D times the output channels: the multiply-accumulates of
                          the fused X-volution, and nothing but a convolution (D directions)
    attention             softmax(q·kᵀ)·v over all pixels
    attention-tiled       the same in blocks of queries and keys, no score kept
    attention-scores      (q·kᵀ)·v: unnormalised, the scores first
    attention-unnormalised   q·(kᵀ·v): unnormalised, the context first
    aa-convolution        convolution beside multi-head softmax attention, concatenated (AA-Net),
                          without position logits

1/√d is folded into the weights of the queries. With a stride, queries stand at the strided pixels,
keys and values at all of them.

Sources: ``hwsim.dynamic`` for the blocks; Bello et al., "Attention Augmented Convolutional
Networks", arXiv:1904.09925 (ICCV 2019), Eq. 1-5.
"""

from hwsim.dynamic import TiledAttention
from hwsim.lowering.build import Build, Ref, side
from hwsim.lowering.options import Options
from hwsim.workload import Convolution


def plain(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """The site itself."""
    _ = options
    return static(build, site, x, "w", "b", label="convolution")


def wide(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """A plain convolution with 1 + D times the output channels."""
    channels = (1 + len(options.directions)) * site.out_channels
    return static(build, site, x, "w", "b", label="wide convolution", channels=channels)


def static(
    build: Build,
    site: Convolution,
    x: Ref,
    w: str,
    b: str | None,
    *,
    label: str,
    channels: int | None = None,
    kernel: int | None = None,
    start: Ref | None = None,
) -> Ref:
    """The site's convolution of any x, with learnt kernels ``w`` and bias ``b``.

    ``kernel`` is another side than the site's, padded so that the output grid is the same.
    """
    outs = site.out_channels if channels is None else channels
    sides = (site.kernel_h, site.kernel_w) if kernel is None else (kernel, kernel)
    padding = site.padding
    if kernel is not None:
        padding += site.dilation * (kernel - site.kernel_h) // 2
    kernels = build.weight(w, outs, x.shape[1] // site.groups, *sides)
    bias = start if b is None else build.weight(b, outs)
    return build.convolve(
        label,
        x,
        kernels,
        bias,
        stride=site.stride,
        padding=padding,
        dilation=site.dilation,
        groups=site.groups,
    )


def attention(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Softmax attention by way of all scores."""
    return softmax_attention(build, site, x, site.out_channels, options.depth, options.heads)


def attention_tiled(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Softmax attention in blocks, with the sum so far kept per query."""
    q, k, v = projections(build, site, x, site.out_channels, options.depth)
    queries, keys, values = (tokens(each, options.heads) for each in (q, k, v))
    work = TiledAttention(
        count=queries.shape[0],
        queries=queries.shape[1],
        keys=keys.shape[1],
        depth=queries.shape[2],
        values=values.shape[2],
        query_block=options.query_block,
        key_block=options.key_block,
    )
    return image(build.attend(work, queries, keys, values), q, site.out_channels)


def attention_scores(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Unnormalised attention, the scores first."""
    q, k, v = projections(build, site, x, site.out_channels, options.depth)
    queries, keys, values = (tokens(each, options.heads) for each in (q, k, v))
    scores = build.product("scores", queries, keys.transpose(0, 2, 1))
    return image(build.product("weighted sum", scores, values), q, site.out_channels)


def attention_context(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """Unnormalised attention, keys and values first: linear in the pixels."""
    q, k, v = projections(build, site, x, site.out_channels, options.depth)
    queries, keys, values = (tokens(each, options.heads) for each in (q, k, v))
    context = build.product("key-value", keys.transpose(0, 2, 1), values)
    return image(build.product("query-key-value", queries, context), q, site.out_channels)


def aa_convolution(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """AA-Net: convolution to some output channels, attention to the others.

    Ratios of the output channels are rounded to whole channels per head, at least one.
    """
    heads = options.aa_heads
    depth, values = (
        heads * max(1, round(ratio * site.out_channels / heads))
        for ratio in (options.key_ratio, options.value_ratio)
    )
    if values >= site.out_channels:
        raise ValueError(
            f"output channels of an augmented convolution must exceed the {values} of attention, "
            f"not be {site.out_channels}"
        )
    convolved = static(
        build, site, x, "w_c", "b", label="convolution", channels=site.out_channels - values
    )
    attended = softmax_attention(build, site, x, values, depth, heads)
    mixed = build.mix("output projection", attended, build.weight("w_o", values, values))
    return side(convolved, mixed)


def softmax_attention(
    build: Build, site: Convolution, x: Ref, outputs: int, depth: int | None, heads: int
) -> Ref:
    """Multi-head softmax attention to ``outputs`` channels, as an image."""
    q, k, v = projections(build, site, x, outputs, depth)
    queries, keys, values = (tokens(each, heads) for each in (q, k, v))
    scores = build.product("scores", queries, keys.transpose(0, 2, 1))
    weights = build.softmax("softmax", scores)
    return image(build.product("weighted sum", weights, values), q, outputs)


def projections(
    build: Build, site: Convolution, x: Ref, outputs: int, depth: int | None
) -> tuple[Ref, Ref, Ref]:
    """Queries at the strided pixels, keys and values at all, as images."""
    deep = site.out_channels if depth is None else depth
    channels = site.in_channels
    made = []
    for label, name, outs, stride in (
        ("query", "w_q", deep, site.stride),
        ("key", "w_k", deep, 1),
        ("value", "w_v", outputs, 1),
    ):
        kernels = build.weight(name, outs, channels).reshape(outs, channels, 1, 1)
        made.append(build.convolve(label, x, kernels, stride=stride))
    q, k, v = made
    return q, k, v


def tokens(x: Ref, heads: int) -> Ref:
    """An image (n, c, h, w) as rows of pixels per image and head: (n·heads, h·w, c/heads)."""
    n, c, h, w = x.shape
    if c % heads:
        raise ValueError(f"heads must divide the {c} channels, not be {heads}")
    return x.reshape(n * heads, c // heads, h * w).transpose(0, 2, 1)


def image(rows: Ref, like: Ref, channels: int) -> Ref:
    """Rows of pixels as an image again, on the grid of ``like``."""
    n, _, h, w = like.shape
    return rows.transpose(0, 2, 1).reshape(n, channels, h, w)
