"""Claims about pixel-shift self-attention: what it is, what it is not, what of it is redundant.

``literal_pssa`` and ``literal_dynamic_convolution`` are written from the equations, pixel by pixel,
in plain Python; they share no code with ``refimpl``.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from proofs.article import (
    PLUG_AND_PLAY,
    PSSA_IS_CONVOLUTION,
    PSSA_STEPS,
    SINGLE_CONVOLUTION,
    STACKING,
    STATIC_PLUS_DYNAMIC,
    ours,
)
from proofs.claim import Case, Cases, Grid, Hypothesis, claim, grid
from proofs.rings import Array, duals, rationals, same
from refimpl import (
    EIGHT_DIRECTIONS,
    FOUR_DIRECTIONS,
    conv2d,
    global_attention,
    local_attention,
    pssa,
    shift,
    shift_product,
    xvolution_fused,
)

Offset: TypeAlias = tuple[int, int]

IMAGES = ((1, 1, 1, 1), (1, 2, 1, 3), (1, 1, 4, 3), (2, 2, 2, 3))
SKEW: tuple[Offset, ...] = ((0, 1), (-1, 2))


def read(image: Array, n: int, c: int, i: int, j: int, *, boundary: str) -> Any:
    """Return one pixel: wrapped around the image's sides, or 0 outside them."""
    height, width = image.shape[2:]
    if boundary == "circular":
        return image[n, c, i % height, j % width]
    return image[n, c, i, j] if 0 <= i < height and 0 <= j < width else Fraction(0)


def output_sides(image: Sequence[int], stride: int) -> tuple[int, int]:
    """Sides of the output of a "same" convolution: one pixel for every stride begun."""
    return -(-image[2] // stride), -(-image[3] // stride)


def literal_pssa(
    x: Array,
    w: Array,
    *,
    directions: Sequence[Offset],
    length: int,
    boundary: str,
    stride: int,
    dilation: int,
) -> Array:
    """The article's steps, literally: Σ over direction, channel and tap, one output at a time."""
    outputs, _, k_h, k_w = w.shape
    channels = x.shape[1]
    y = np.empty((len(x), outputs, *output_sides(x.shape, stride)), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = Fraction(0)
        for (d, (down, right)), c, u, v in product(
            enumerate(directions), range(channels), range(k_h), range(k_w)
        ):
            row = i * stride + dilation * (u - (k_h - 1) // 2)
            col = j * stride + dilation * (v - (k_w - 1) // 2)
            here = read(x, n, c, row, col, boundary="zero")
            if here == 0:  # outside the image, where the convolution reads 0
                continue
            there = (row + length * down, col + length * right)
            total += w[o, d * channels + c, u, v] * here * read(x, n, c, *there, boundary=boundary)
        y[n, o, i, j] = total
    return y


PSSA_GRID = grid(
    image=IMAGES,
    kernel=((1, 1), (3, 3), (1, 3)),
    directions=(FOUR_DIRECTIONS, EIGHT_DIRECTIONS, SKEW),
    length=(1, 2),
    boundary=("circular", "zero"),
    stride=(1, 2),
    dilation=(1, 2),
)


def _pssa_case(
    image: tuple[int, ...], kernel: tuple[int, int], directions: tuple[Offset, ...]
) -> tuple[Array, Array]:
    """An image and a kernel for its shift products."""
    return rationals(*image, seed=1), rationals(2, len(directions) * image[1], *kernel, seed=2)


@claim(
    source=PSSA_STEPS,
    status="identity",
    evidence="exact rationals",
    why="The operator is these steps; the article leaves kernel, directions and length open.",
    over=PSSA_GRID,
)
def pssa_is_the_steps_of_the_article(
    image: tuple[int, ...], kernel: tuple[int, int], directions: tuple[Offset, ...], **options: Any
) -> bool:
    """The shipped pssa is: shift, multiply, sum over a local region, done pixel by pixel."""
    x, w = _pssa_case(image, kernel, directions)
    literal = literal_pssa(x, w, directions=directions, **options)
    return same(pssa(x, w, directions=directions, **options), literal)


@claim(
    source=PSSA_IS_CONVOLUTION,
    status="identity",
    evidence="exact rationals",
    why="The weighted sum over a local region of all shifted products is a convolution whose input "
    "channels are the products.",
    over=PSSA_GRID,
)
def pssa_is_one_convolution_on_shift_products(
    image: tuple[int, ...],
    kernel: tuple[int, int],
    directions: tuple[Offset, ...],
    length: int,
    boundary: Any,
    stride: int,
    dilation: int,
) -> bool:
    """Pixel-shift self-attention, summed pixel by pixel, is one convolution: conv2d(T(x), w)."""
    x, w = _pssa_case(image, kernel, directions)
    shifts: dict[str, Any] = {"directions": directions, "length": length, "boundary": boundary}
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    convolved = conv2d(shift_product(x, **shifts), w, padding=padding, **steps)
    return same(convolved, literal_pssa(x, w, **shifts, **steps))


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="exact rationals",
    why="Every term is a weight times a product of two pixels.",
    over=grid(
        image=IMAGES,
        side=(1, 3),
        boundary=("circular", "zero"),
        factor=(-2, -1, 0, Fraction(1, 2), 3),
        bias=(False,),
    ),
    hypotheses=(
        Hypothesis(
            text="there is no bias",
            without=grid(
                image=IMAGES, side=(1,), boundary=("circular",), factor=(-2,), bias=(True,)
            ),
        ),
    ),
)
def pssa_is_even_and_homogeneous_of_degree_two(
    image: tuple[int, ...],
    side: int,
    boundary: Any,
    factor: Fraction,
    bias: bool,
) -> bool:
    """One level of PSSA satisfies pssa(t·x) = t²·pssa(x), in particular pssa(−x) = pssa(x)."""
    x, w = rationals(*image, seed=1), rationals(2, 4 * image[1], side, side, seed=2)
    b = rationals(2, seed=3) if bias else None
    scaled = pssa(x * factor, w, b, boundary=boundary)
    return same(scaled, factor * factor * pssa(x, w, b, boundary=boundary))


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="Every term is a score, of degree 2, times a value. PSSA is even and of degree 2, so the "
    "two readings of the article's attention are different operators.",
    over=grid(image=IMAGES, side=(1, 3), factor=(-2, -1, 0, 3), normalise=("none",)),
    hypotheses=(
        Hypothesis(
            text="the scores are not normalised by softmax",
            without=grid(image=IMAGES, side=(3,), factor=(3,), normalise=("softmax",)),
        ),
    ),
)
def local_attention_is_odd_and_homogeneous_of_degree_three(
    image: tuple[int, ...], side: int, factor: int, normalise: Any
) -> bool:
    """Local attention (Eq. 9 of the paper) satisfies f(t·x) = t³·f(x), in particular f(−x) = −f(x).

    Without position encoding.
    """
    x = rationals(*image, seed=1)
    weights = [duals(rationals(2, image[1], seed=seed)) for seed in (2, 3, 4)]
    options: dict[str, Any] = {"kernel": side, "normalise": normalise, "scale": Fraction(1)}
    scaled = local_attention(duals(x * factor), *weights, **options)
    return same(scaled, factor**3 * local_attention(duals(x), *weights, **options))


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


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="The product of pixels p and p + d is found at p for d, and at p + d for −d.",
    over=grid(
        image=IMAGES,
        offset=((0, 1), (1, 0), (-1, 2), (3, 0), (0, -4)),
        boundary=("circular", "zero"),
        projected=(None, "both alike"),
    ),
    hypotheses=(
        Hypothesis(
            text="queries and keys are projected alike (W_q = W_k)",
            without=grid(
                image=IMAGES, offset=((0, 1),), boundary=("circular",), projected=("apart",)
            ),
        ),
    ),
)
def opposite_directions_are_redundant(
    image: tuple[int, ...], offset: Offset, boundary: Any, projected: str | None
) -> bool:
    """The product map of a direction is that of the opposite one, shifted.

    q ⊙ shift(k, d) = shift(q ⊙ shift(k, −d), d).
    """
    q = k = rationals(*image, seed=1)
    if projected is not None:
        w_q, w_k = (rationals(2, image[1], 1, 1, seed=seed) for seed in (2, 3))
        q, k = conv2d(q, w_q), conv2d(k, w_q if projected == "both alike" else w_k)
    back = (-offset[0], -offset[1])
    ahead_map = shift_product(q, k, directions=(offset,), boundary=boundary)
    back_map = shift_product(q, k, directions=(back,), boundary=boundary)
    return same(ahead_map, shift(back_map, offset=offset, boundary=boundary))


def _folding(shift_boundary: str, padding: str, projected: str) -> Grid:
    return grid(
        image=IMAGES,
        kernel=((1, 1), (3, 3), (1, 3)),
        offset=((0, 1), (1, 0), (-1, 2)),
        stride=(1, 2),
        boundaries=((shift_boundary, padding),),
        projected=(projected,),
    )


def _folding_exact() -> Iterator[Case]:
    for boundaries in (("zero", "zero"), ("zero", "circular"), ("circular", "circular")):
        yield from _folding(*boundaries, projected="alike")


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exact rationals",
    why="Convolving a displaced map is convolving the map with a displaced kernel, if what the "
    "displacement brings in at the border is what the convolution reads there.",
    over=Cases(_folding_exact),
    hypotheses=(
        Hypothesis(
            text="queries and keys are projected alike (W_q = W_k)",
            without=_folding("zero", "zero", projected="apart"),
        ),
        Hypothesis(
            text="not a circular shift with a zero-padded convolution (the default of pssa)",
            without=_folding("circular", "zero", projected="alike"),
        ),
    ),
)
def an_opposite_direction_folds_into_a_larger_kernel(
    image: tuple[int, ...],
    kernel: tuple[int, int],
    offset: Offset,
    stride: int,
    boundaries: tuple[Any, str],
    projected: str,
) -> bool:
    """Two opposite directions need one product map, under a kernel larger by the offset each way.

    `boundaries` are those of the shift and of the convolution.
    """
    channels, back = image[1], (-offset[0], -offset[1])
    q = rationals(*image, seed=1)
    k = q if projected == "alike" else rationals(*image, seed=4)
    w_ahead, w_back = (rationals(2, channels, *kernel, seed=seed) for seed in (2, 3))
    ahead, both = (
        shift_product(q, k, directions=each, boundary=boundaries[0])
        for each in ((offset,), (offset, back))
    )
    folded = displaced(w_ahead, (0, 0), offset) + displaced(w_back, back, offset)
    apart = _same_convolution(both, np.concatenate([w_ahead, w_back], 1), boundaries[1], stride)
    return same(_same_convolution(ahead, folded, boundaries[1], stride), apart)


def displaced(w: Array, by: Offset, margin: Offset) -> Array:
    """Surround a kernel with ``margin`` zeros on each side, and move it by ``by`` in there."""
    rows, cols = abs(margin[0]), abs(margin[1])
    before_after = ((0, 0), (0, 0), (rows + by[0], rows - by[0]), (cols + by[1], cols - by[1]))
    return np.pad(w, before_after)


def _same_convolution(z: Array, w: Array, boundary: str, stride: int) -> Array:
    """Convolve with "same" padding: zeros, or the opposite side of the image."""
    rows, cols = (w.shape[2] - 1) // 2, (w.shape[3] - 1) // 2
    mode: Any = "wrap" if boundary == "circular" else "constant"
    padded = np.pad(z, ((0, 0), (0, 0), (rows, rows), (cols, cols)), mode=mode)
    return conv2d(padded, w, stride=stride)


def literal_dynamic_convolution(x: Array, dynamic_of: Array, w: Array, boundary: str) -> Array:
    """Convolve ``x`` with a kernel of its own at every pixel: static plus content-dependent.

    At output p and tap δ the weight from channel c is
    w_c[o,c,δ] + Σ_d w_a[o,d,c,δ] · x'[c, p + δ + d], x' = ``dynamic_of``.
    """
    channels, side = x.shape[1], w.shape[2]
    y = np.empty((len(x), len(w), *x.shape[2:]), object)
    for n, o, i, j in np.ndindex(y.shape):
        total = Fraction(0)
        for c, u, v in product(range(channels), range(side), range(side)):
            row, col = i + u - (side - 1) // 2, j + v - (side - 1) // 2
            weight = w[o, c, u, v]
            for d, (down, right) in enumerate(FOUR_DIRECTIONS, start=1):
                there = read(dynamic_of, n, c, row + down, col + right, boundary=boundary)
                weight = weight + w[o, d * channels + c, u, v] * there
            total += weight * read(x, n, c, row, col, boundary="zero")
        y[n, o, i, j] = total
    return y


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


@claim(
    source=PLUG_AND_PLAY,
    status="identity",
    evidence="exhaustive search",
    why="The augmented input has the image's sides, and the convolution pads “same”.",
    over=grid(
        sides=tuple(product((1, 2, 3, 7), repeat=2)),
        channels=((1, 1), (3, 2)),
        kernel=((1, 1), (3, 3), (5, 3)),
        stride=(1, 2, (1, 3)),
        dilation=(1, 2),
        dtype=("float32", "float64", "object"),
    ),
)
def x_volution_keeps_the_contract_of_a_convolution(
    sides: tuple[int, int],
    channels: tuple[int, int],
    kernel: tuple[int, int],
    stride: Any,
    dilation: int,
    dtype: str,
) -> bool:
    """X-volution has the output shape, strides and number type of a “same” convolution."""
    x = np.ones((2, channels[0], *sides), dtype)
    w = np.ones((channels[1], 5 * channels[0], *kernel), dtype)
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    steps: dict[str, Any] = {"stride": stride, "dilation": dilation}
    plain = conv2d(x, w[:, : channels[0]], padding=padding, **steps)
    fused = xvolution_fused(x, w, **steps)
    return (fused.shape, fused.dtype) == (plain.shape, plain.dtype)


def _stacks(*, length: int, missing: int, rows: tuple[int, ...] = (1, 2, 3)) -> Grid:
    return grid(
        sides=tuple(product(rows, repeat=2)),
        length=(length,),
        missing=(missing,),
    )


@claim(
    source=STACKING,
    status="conditional",
    evidence="exact rationals",
    why="With 1×1 kernels each level lets a pixel see one step further along the rows or columns, "
    "and opposite corners are H + W − 2 steps apart.",
    over=_stacks(length=1, missing=0),
    hypotheses=(
        Hypothesis(
            text="there are as many levels as steps between opposite corners, H + W − 2",
            without=_stacks(length=1, missing=1, rows=(2, 3)),
        ),
        Hypothesis(
            text="the shift length is 1 (a longer one leaves holes)",
            without=_stacks(length=2, missing=0, rows=(5,)),
        ),
    ),
)
def stacking_reaches_the_whole_image(sides: tuple[int, int], length: int, missing: int) -> bool:
    """In a stack of H + W − 2 levels of PSSA every output pixel depends on every input pixel.

    Four directions, 1×1 kernels, shifts that read zeros outside the image.
    """
    pixels, levels = sides[0] * sides[1], sides[0] + sides[1] - 2 - missing
    x = rationals(1, 1, *sides, seed=3) ** 2 + 1  # positive, so that nothing cancels
    nudges = np.eye(pixels, dtype=int).astype(object).reshape(pixels, 1, *sides)
    stack = np.concatenate([x, x + nudges])
    for level in range(levels):
        w = rationals(1, 4, 1, 1, seed=level) ** 2 + 1
        stack = pssa(stack, w, length=length, boundary="zero")
    return bool(np.all(stack[1:] != stack[:1]))


@claim(
    source=ours("A12"),
    status="conditional",
    evidence="exact rationals",
    why="A head that attends to one fixed offset is a shift, and a 1×1 value projection after it "
    "is one tap of a kernel.",
    over=grid(image=IMAGES, kernel=((1, 1), (3, 3), (5, 1)), boundary=("zero",)),
    hypotheses=(
        Hypothesis(
            text="the heads read zeros outside the image, as the convolution does",
            without=grid(image=IMAGES, kernel=((3, 3),), boundary=("circular",)),
        ),
    ),
)
def convolution_is_attention_with_one_hot_positions(
    image: tuple[int, ...], kernel: tuple[int, int], boundary: Any
) -> bool:
    """A K×K convolution is the sum of K² attention heads, each looking at one fixed offset."""
    x, w = rationals(*image, seed=1), rationals(2, image[1], *kernel, seed=2)
    rows, cols = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
    heads = (
        conv2d(shift(x, offset=(u - rows, v - cols), boundary=boundary), w[:, :, u, v, None, None])
        for u, v in np.ndindex(kernel)
    )
    return same(conv2d(x, w, padding=(rows, cols)), sum(heads, start=np.zeros((), object)))


@claim(
    source=ours("A10"),
    status="conditional",
    evidence="exact rationals",
    why="Without softmax the sum over all pixels can be taken first: Σ_t v_t⟨q_p, k_t⟩ = "
    "(Σ_t v_t k_tᵀ) q_p.",
    over=grid(image=IMAGES, stride=(1, 2), normalise=("none",)),
    hypotheses=(
        Hypothesis(
            text="the scores are not normalised by softmax",
            without=grid(image=IMAGES, stride=(1,), normalise=("softmax",)),
        ),
    ),
)
def unnormalised_global_attention_is_a_convolution_per_image(
    image: tuple[int, ...], stride: int, normalise: Any
) -> bool:
    """Global attention without softmax is a 1×1 convolution whose weights depend on the image."""
    x = rationals(*image, seed=1)
    w_q, w_k, w_v = (rationals(2, image[1], seed=seed) for seed in (2, 3, 4))
    options: dict[str, Any] = {"normalise": normalise, "stride": stride, "scale": Fraction(1)}
    y = global_attention(duals(x), duals(w_q), duals(w_k), duals(w_v), **options)
    for each, attended in zip(x, y, strict=True):
        pixels = each.reshape(len(each), -1)
        mixing = (w_v @ pixels) @ (w_k @ pixels).T @ w_q
        if not same(conv2d(each[None], mixing[:, :, None, None], stride=stride)[0], attended):
            return False
    return True
