"""Classes of operand values, by name: what a recipe's tensors are filled with.

Everything is drawn from the counter-based generator under the case's id, so that a designed case is
the same bytes everywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.score.recipe import Recipe
from refimpl.score.ties import differing
from refimpl.score.witnesses import edge_image

Shape: TypeAlias = tuple[int, ...]
ABSORBING = np.array([2.0**24, -(2.0**24), 1, -1, 3, 0, 2.0**-12 + 1, -1.5], np.float32)
T_MULTIPLIER, T_SHIFT = 1518500250, 37  # 2^30.5 over 2³⁷: about 1/91, so that 255² saturates


class Draw(NamedTuple):
    """A case's id and recipe: who asks for numbers."""

    id: str
    recipe: Recipe

    def integers(self, tensor: str, shape: Shape, low: int, high: int) -> Array:
        """Uniform integers, both ends included."""
        return random.integers(self.id, tensor, shape, low, high)

    def pick(self, tensor: str, shape: Shape, choices: Any) -> Array:
        """Uniform picks of an array."""
        options = np.asarray(choices)
        return options[self.integers(tensor, shape, 0, len(options) - 1)]


def designed_stimulus(recipe: Recipe) -> dict[str, Any]:
    """How a designed case came about, as its manifest says it."""
    return {
        "kind": "designed",
        "generator": random.GENERATOR,
        "recipe": recipe.name,
        "values": recipe.values,
        "bias": recipe.bias,
        "scale": recipe.scale,
        "ready": recipe.ready,
    }


def uniform(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Full range."""
    x = {"x": draw.integers("x", image, -128, 127)}
    return x | {name: draw.integers(name, of, -128, 127) for name, of in kernels.items()}


def rails(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Rails, their neighbours, ±1 and real zero only."""
    picks = [-128, -128, -127, 127, 127, draw.recipe.x_zero]
    tensors = {"x": draw.pick("x", image, picks)}
    return tensors | {
        name: draw.pick(name, of, [-128, -128, -127, 127, 127, 1, -1, 0])
        for name, of in kernels.items()
    }


def large(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """The rail farther from the zero point, times one sign per output: the largest sums."""
    far = 127 if draw.recipe.x_zero <= 0 else -128
    tensors = {"x": np.full(image, far)}
    for name, of in kernels.items():
        signs = np.where(np.arange(of[0]) % 2, 127, -128)
        tensors[name] = np.broadcast_to(signs[:, None, None, None], of)
    return tensors


def impulse(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Real zero but for one pixel per image and channel; kernels uniform."""
    n, c, height, width = image
    x = np.full(image, draw.recipe.x_zero)
    places = draw.integers("place", (n, c), 0, height * width - 1)
    heights = draw.pick("height", (n, c), [-128, 127, 64])
    np.put_along_axis(x.reshape(n, c, -1), places[..., None], heights[..., None], axis=2)
    return uniform(draw, image, kernels) | {"x": x}


def small(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Within 3 of the zero point, weights within 2: sums of few bits, whose ties are many."""
    x = np.clip(draw.recipe.x_zero + draw.integers("x", image, -3, 3), -128, 127)
    return {"x": x} | {name: draw.integers(name, of, -2, 2) for name, of in kernels.items()}


def edges(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """An image that shows every treatment of an edge, whatever the shift."""
    recipe = draw.recipe
    offsets = [(down * recipe.length, right * recipe.length) for down, right in recipe.directions]
    x = edge_image(image[1], image[2], image[3], offsets)
    return uniform(draw, image, kernels) | {"x": np.clip(x + recipe.x_zero, -128, 127)}


def pairs(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Neighbours in a row whose product is where two rounding rules of its scale differ."""
    n, c, height, width = image
    factor = t_factor(draw.recipe)
    wanted = [
        pair
        for a in [
            *differing("half_up", "tflite_double", *factor, limit=127 * 127),
            *differing("half_up", "half_down", *factor, limit=127 * 127),
            *_at_rails(*factor, draw.recipe.t_zero),
        ]
        for pair in _factors(a, draw.recipe.x_zero)
    ]
    x = draw.integers("x", image, -128, 127)
    columns = width // 2
    for at, (first, second) in enumerate(wanted[: n * c * height * columns]):
        i, k, row, col = np.unravel_index(at, (n, c, height, columns))
        x[i, k, row, 2 * col : 2 * col + 2] = first, second
    return uniform(draw, image, kernels) | {"x": x}


def bell(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Bell-shaped binary32 numbers of unit variance."""
    shapes = {"x": image, **kernels}
    return {name: random.bell(draw.id, name, of).astype(np.float32) for name, of in shapes.items()}


def absorbing(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """2²⁴, 1, −2²⁴ and the like: whoever adds in another order loses another 1."""
    x = {"x": draw.pick("x", image, ABSORBING)}
    picks = np.array([1, -1, 1, 1.0 + 2.0**-12, 0.5], np.float32)
    return x | {name: draw.pick(name, of, picks) for name, of in kernels.items()}


def cancelling(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Products in pairs whose sum is nothing, or the last bit of one of them.

    Every second channel is minus the one before. Of shift products, what a pixel makes with its
    left neighbour is what that neighbour makes with its right one, one column on: these two count.
    """
    tensors = bell(draw, image, kernels)
    x, channels = tensors["x"], image[1]
    x[:, 1::2] = -x[:, : 2 * (channels // 2) : 2]
    for name, of in kernels.items():
        w = tensors[name]
        if of[1] == channels:
            w[:, 1::2] = _twin(w[:, : 2 * (channels // 2) : 2])
            continue
        left, row, column = of[1] % (4 * channels), of[2] // 2, of[3] // 2
        mine = w[:, left : left + channels, row, column].copy()
        w[:] = 0
        w[:, left : left + channels, row, column] = mine
        w[:, left + channels : left + 2 * channels, row, column - 1] = -_twin(mine)
    return tensors


def _twin(w: Array) -> Array:
    """The same weights where negative, one bit smaller where positive."""
    return np.where(w > 0, np.nextafter(w, np.float32(0)), w)


def subnormal(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Products and sums around the smallest normal number; some operands are subnormal."""
    tensors = bell(draw, image, kernels)
    squared = any(of[1] != image[1] for of in kernels.values())
    for name, values in tensors.items():
        low, high = (-36, -30) if name == "x" and squared else (-70, -62)
        power = draw.integers(f"{name} power", values.shape, low, high).astype(np.int32)
        tensors[name] = np.ldexp(values, power).astype(np.float32)
        if squared and name != "x":  # the image's own channels must not drown its products
            own = values.shape[1] % (4 * image[1])
            tensors[name][:, :own] = np.ldexp(tensors[name][:, :own], -34)
    return tensors


def tiny(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Subnormal activations that show: large weights, and large partners where there are pairs.

    Every second column is subnormal; of the products only those with the left neighbour count.
    """
    tensors = bell(draw, image, kernels)
    channels, alone = image[1], [of[1] for of in kernels.values()] == [image[1]]
    power = np.where(np.arange(image[3]) % 2 if not alone else np.zeros(image[3], int), 40, -130)
    tensors["x"] = np.ldexp(tensors["x"], power).astype(np.float32)
    for name, of in kernels.items():
        left = of[1] % (4 * channels)  # 0 for products alone, c behind the image's own channels
        counted = np.arange(of[1]) // channels == left // channels
        if of[1] == channels:
            counted = np.full(of[1], alone)
        tensors[name] = np.where(counted[:, None, None], np.ldexp(tensors[name], 20), 0)
    return tensors


def spread(draw: Draw, image: Shape, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """Magnitudes from 2⁻¹² to 2¹²: every sum rounds."""
    tensors = bell(draw, image, kernels)
    for name, values in tensors.items():
        power = draw.integers(f"{name} power", values.shape, -12, 12).astype(np.int32)
        tensors[name] = np.ldexp(values, power).astype(np.float32)
    return tensors


def t_factor(recipe: Recipe) -> tuple[int, int]:
    """Multiplier and shift of the shift product."""
    return {
        "fit": (T_MULTIPLIER, T_SHIFT),
        "exact": (2**30, 34),
        "unit": (2**31 - 1, 31),
        "fine": (T_MULTIPLIER, T_SHIFT + 3),
    }[recipe.t_scale]


def _at_rails(multiplier: int, shift: int, zero: int) -> list[int]:
    """Products scaled to a rail or one beyond, a little more and a little less, that have factors.

    Of the two, one is taken there by every rule that truncates, both by every rule to nearest.
    """
    found = []
    for value in (127, 128, -128, -129):
        for side in (1, -1):
            halves = sorted((2 * (value - zero), 2 * (value - zero) + side))
            low, high = ((half << (shift - 1)) // multiplier for half in halves)
            found += next(([a] for a in range(low + 1, high) if _factors(a, 0)), [])
    return found


def _factors(product: int, zero: int) -> list[tuple[int, int]]:
    """Words (x, x') with (x − zero)(x' − zero) = product, the most balanced; empty if none."""
    low, high = -128 - zero, 127 - zero
    found = [
        (first, product // first)
        for first in range(low, high + 1)
        if first and product % first == 0 and low <= product // first <= high
    ]
    balanced = sorted(found, key=lambda pair: (abs(abs(pair[0]) - abs(pair[1])), pair))
    return [(first + zero, second + zero) for first, second in balanced[:1]]


CLASSES: dict[str, Callable[[Draw, Shape, Mapping[str, Shape]], dict[str, Array]]] = {
    each.__name__: each
    for each in (
        uniform,
        rails,
        large,
        impulse,
        small,
        edges,
        pairs,
        bell,
        absorbing,
        cancelling,
        subnormal,
        tiny,
        spread,
    )
}
