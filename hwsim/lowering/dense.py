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
    aa-convolution-position   the same with them: each query also against a table of the 2H − 1
                          displacements down and one of the 2W − 1 across, shared by the heads

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
    """AA-Net: convolution to some output channels, attention to the others."""
    return _augmented(build, site, options, x, position=False)


def aa_convolution_position(build: Build, site: Convolution, options: Options, x: Ref) -> Ref:
    """AA-Net with its relative position logits."""
    return _augmented(build, site, options, x, position=True)


def _augmented(build: Build, site: Convolution, options: Options, x: Ref, *, position: bool) -> Ref:
    """Ratios of the output channels are rounded to whole channels per head, at least one."""
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
    attended = softmax_attention(build, site, x, values, depth, heads, position=position)
    mixed = build.mix("output projection", attended, build.weight("w_o", values, values))
    return side(convolved, mixed)


def softmax_attention(
    build: Build,
    site: Convolution,
    x: Ref,
    outputs: int,
    depth: int | None,
    heads: int,
    *,
    position: bool = False,
) -> Ref:
    """Multi-head softmax attention to ``outputs`` channels, as an image."""
    q, k, v = projections(build, site, x, outputs, depth)
    queries, keys, values = (tokens(each, heads) for each in (q, k, v))
    scores = build.product("scores", queries, keys.transpose(0, 2, 1))
    if position:
        scores = _with_position(build, site, scores, queries, q.shape[2:])
    weights = build.softmax("softmax", scores)
    return image(build.product("weighted sum", weights, values), q, outputs)


def _with_position(
    build: Build, site: Convolution, scores: Ref, queries: Ref, grid: tuple[int, ...]
) -> Ref:
    """Scores (count, i·j, h·w) plus ⟨q, r^H_Δy⟩ + ⟨q, r^W_Δx⟩ of every query and key."""
    (count, _, depth), (rows, cols) = queries.shape, grid
    high, wide = site.height, site.width
    shape = (count, rows, cols, high, wide)
    total = scores.reshape(*shape)
    down, across = (
        build.product(
            f"{name} logits",
            queries.reshape(1, count * rows * cols, depth),
            build.weight(name, 2 * size - 1, depth)
            .reshape(1, 2 * size - 1, depth)
            .transpose(0, 2, 1),
        ).reshape(count, rows, cols, 2 * size - 1)
        for name, size in (("rel_h", high), ("rel_w", wide))
    )
    by_row = _by_place(down.transpose(0, 2, 1, 3), high, site.stride).transpose(0, 2, 1, 3)
    by_col = _by_place(across, wide, site.stride)
    for logits in (
        by_row.reshape(count, rows, cols, high, 1).expand(4, wide),
        by_col.reshape(count, rows, cols, 1, wide).expand(3, high),
    ):
        total = build.elements("position logits", "add", total, logits)
    return total.reshape(*scores.shape)


def _by_place(logits: Ref, size: int, stride: int) -> Ref:
    """Logits (…, query, displacement) as (…, query, place of the key): every row starts earlier.

    Number t − s·j + size − 1 of query j stands at j·(2·size − 1 − s) + t + size − 1 of all numbers
    one after another, so they are those of rows that are s shorter.
    """
    *outer, queries, span = logits.shape
    if queries == 1:
        return logits.slice(3, size - 1, 2 * size - 1)
    pitch = span - stride
    flat = logits.reshape(*outer, queries * span).slice(2, size - 1, queries * span)
    rows = flat.pad(2, 0, queries * pitch - flat.shape[2]).reshape(*outer, queries, pitch)
    return rows.slice(3, 0, size)


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
