"""Designed cases of backward passes: recipes cooked into images, kernels, upstream gradients.

Values of the image and the kernels are the classes of ``values.py``; upstream gradients are uniform
(bell-shaped in floats), or what the class says of all of them. Kernels have no bias that could
bring a sum to where two rounding rules differ, so the bias "ties" solves operands: with one output,
a kernel of one tap and as many channels as pixels, every product w·∂y is an input's gradient, and
words are searched whose products are ties, lie beside one, beside a rounding edge or at a rail.
"""

from collections.abc import Iterator, Mapping
from math import isqrt, prod
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.ops.conv2d import conv_geometry
from refimpl.score.entry import Cook
from refimpl.score.recipe import Recipe
from refimpl.score.rules import OTHER_RULES
from refimpl.score.values import CLASSES, Draw, designed_stimulus, t_factor
from refimpl.vectors.case import Case, Choices

DY_ZERO, DX_ZERO, DPRODUCT_ZERO, UPSTREAM_ZERO = 9, -4, -2, 6  # ours: all different, none 0
DEVIATION = 74  # of a uniform int8
LOST = 1 << 16  # what a multiplier of 16 bits drops
Shape = tuple[int, ...]


def cook_gradient(operator: str, arithmetic: str) -> Cook:
    """What makes a case of a recipe, for "pssa_backward" and the like in an arithmetic."""

    def cooked(recipe: Recipe, choices: Choices) -> Case:
        name = f"{operator.replace('_', '-')}-{arithmetic}-{recipe.name}"
        draw = Draw(name, recipe)
        kernels = _kernel_shapes(operator, recipe)
        image = (recipe.batch, recipe.channels, recipe.height, recipe.width)
        attributes = _attributes(operator, recipe)
        upstream = _upstream(image, kernels, recipe)
        if arithmetic == "int8":
            tensors = _words(draw, image, kernels, upstream)
            tensors |= _factors(draw, operator, kernels)
            attributes |= _zeros(operator, recipe) | {"rounding": choices.rounding}
            if recipe.bias == "ties":
                tensors |= _tied(kernels, upstream, attributes)
        else:
            tensors = _floats(draw, image, kernels, upstream)
        if operator == "xvolution_backward":
            tensors |= _gains(draw, recipe, arithmetic)
        return Case(
            id=name,
            operator=operator,
            arithmetic=arithmetic,
            attributes=attributes,
            tensors=tensors,
            stimulus=designed_stimulus(recipe),
        )

    return cooked


def _kernel_shapes(operator: str, recipe: Recipe) -> dict[str, Shape]:
    c, d = recipe.channels, len(recipe.directions)
    inputs = {
        "conv2d_backward": {"w": c},
        "pssa_backward": {"w": d * c},
        "xvolution_backward": {"w_c": c, "w_a": d * c},
    }[operator]
    return {name: (recipe.outputs, many, *recipe.kernel) for name, many in inputs.items()}


def _attributes(operator: str, recipe: Recipe) -> dict[str, Any]:
    geometry = {
        "stride": list(recipe.stride),
        "padding": list(recipe.padding or (0, 0)),
        "dilation": list(recipe.dilation),
    }
    if operator == "conv2d_backward":
        return geometry
    return {
        **geometry,
        "directions": [list(each) for each in recipe.directions],
        "length": recipe.length,
        "boundary": recipe.boundary,
    }


def _upstream(image: Shape, kernels: Mapping[str, Shape], recipe: Recipe) -> Shape:
    """Shape of the upstream gradient."""
    first = next(iter(kernels.values()))
    found = conv_geometry(
        image, (first[0], image[1], *first[2:]), stride=recipe.stride,
        padding=recipe.padding or (0, 0), dilation=recipe.dilation,
    )  # fmt: skip
    return (image[0], first[0], *found.output)


def _zeros(operator: str, recipe: Recipe) -> dict[str, int]:
    zeros = {"x_zero": recipe.x_zero, "dy_zero": DY_ZERO, "dx_zero": DX_ZERO}
    if operator != "conv2d_backward":
        zeros |= {"t_zero": recipe.t_zero, "dproduct_zero": DPRODUCT_ZERO}
    return zeros | ({"upstream_zero": UPSTREAM_ZERO} if operator == "xvolution_backward" else {})


def _words(
    draw: Draw, image: Shape, kernels: Mapping[str, Shape], upstream: Shape
) -> dict[str, Array]:
    tensors = CLASSES[draw.recipe.values](draw, image, kernels)
    dy = draw.integers("dy", upstream, -128, 127)
    if draw.recipe.values == "rails":
        dy = draw.pick("dy", upstream, [-128, -128, 127, 127, DY_ZERO])
    if draw.recipe.values == "large":  # sums of parameters' gradients as large as can be
        dy = np.full(upstream, -128)
    if draw.recipe.values == "small":
        dy = DY_ZERO + draw.integers("dy", upstream, -3, 3)
    return {name: each.astype(np.int8) for name, each in {**tensors, "dy": dy}.items()}


def _factors(draw: Draw, operator: str, kernels: Mapping[str, Shape]) -> dict[str, Array]:
    """A factor for every requantisation, of the deviation that it meets."""
    recipe, (o, *taps) = draw.recipe, next(iter(kernels.values()))
    d, c = len(recipe.directions), recipe.channels
    down = o * prod(taps[1:])  # terms of a gradient of what is convolved
    if operator == "conv2d_backward":
        return _factor(draw, "", "", c, down)
    multiplier, shift = t_factor(recipe)
    found: dict[str, Array] = {
        "t_multiplier": np.array([multiplier], np.int32),
        "t_shift": np.array([shift], np.int8),
    }
    if operator == "pssa_backward":
        return found | _factor(draw, "d_", "", d * c, down) | _factor(draw, "", "", c, 2 * d)
    for end, channels in (("_c", c), ("_a", d * c)):
        found |= _factor(draw, "", end, o, channels * prod(taps[1:]))
        found |= _factor(draw, "u_", end, o, 1)
    found |= _factor(draw, "dx_", "_c", c, down) | _factor(draw, "d_", "_a", d * c, down)
    return found | _factor(draw, "dx_", "_a", c, 2 * d)


def _factor(draw: Draw, prefix: str, end: str, count: int, terms: int) -> dict[str, Array]:
    """Multipliers and shifts of a sum of so many products, by the recipe's scale."""
    channel, names = np.arange(count), (f"{prefix}multiplier{end}", f"{prefix}shift{end}")
    bits = max((isqrt(terms * DEVIATION**4) >> 8).bit_length(), 1)  # half the range is a deviation
    found: tuple[Array, Array] = {
        "fit": (draw.integers(names[0], (count,), 2**30, 2**31 - 1), 31 + bits + channel % 3),
        "exact": (np.full(count, 2**30), 31 + channel % 4),
        "unit": (np.full(count, 2**31 - 1), np.full(count, 31)),
        "fine": (np.full(count, 1234567891), np.full(count, 31 + bits)),
    }[draw.recipe.scale]
    return {names[0]: found[0].astype(np.int32), names[1]: found[1].astype(np.int8)}


def _tied(
    kernels: Mapping[str, Shape], upstream: Shape, attributes: Mapping[str, Any]
) -> dict[str, Array]:
    """Kernels and upstream gradients whose products are solved for; one factor for all."""
    name, shape = next(iter(kernels.items()))
    channels, pixels = shape[1], upstream[2] * upstream[3]
    prefix, zero = ("d_", DPRODUCT_ZERO) if "directions" in attributes else ("", DX_ZERO)
    multiplier, shift = 0x4996FFFF, 37  # about 1/111: the largest products lie beyond the rails
    solved = list(_solved(multiplier, shift, zero, str(attributes["rounding"])))
    pairs = np.resize(np.array(solved), (min(channels, pixels), 2))
    w, dy = np.ones(channels, int), np.full(pixels, DY_ZERO)
    w[: len(pairs)], dy[: len(pairs)] = pairs[:, 0], pairs[:, 1] + DY_ZERO
    return {
        name: w.reshape(shape).astype(np.int8),
        "dy": dy.reshape(upstream).astype(np.int8),
        f"{prefix}multiplier": np.full(channels, multiplier, np.int32),
        f"{prefix}shift": np.full(channels, shift, np.int8),
    }


def _solved(multiplier: int, shift: int, zero: int, rounding: str) -> Iterator[tuple[int, int]]:
    """Pairs (w, ∂y − z): where rules differ, where lost bits show, at the rails and beyond."""
    w = np.arange(-128, 128)[:, None]
    dy = np.arange(-128 - DY_ZERO, 128 - DY_ZERO)[None, :]
    product, by = (w * dy).astype(np.int64), np.array([shift], np.int64)
    own = OTHER_RULES[rounding](product * multiplier, by) + zero
    inside = np.abs(own) < 127
    marks = [own == value for value in (127, 128, -128, -129)]
    marks.append(
        inside & (OTHER_RULES[rounding](product * (multiplier // LOST * LOST), by) + zero != own)
    )
    for other in ("half_down", "tflite_double", "floor", "toward_zero"):
        differs = OTHER_RULES["half_up"](product * multiplier, by) != OTHER_RULES[other](
            product * multiplier, by
        )
        marks.append(inside & differs)
    for mark in marks:
        for sign in (product > 0, product < 0):
            found = np.argwhere(mark & sign)
            if len(found):
                row, column = found[len(found) // 2]
                yield int(w[row, 0]), int(dy[0, column])


def _gains(draw: Draw, recipe: Recipe, arithmetic: str) -> dict[str, Array]:
    """Gains of both branches; there are no shifts on the way back."""
    names, shape = ("s_c", "s_a"), (recipe.outputs,)
    if arithmetic == "int8":
        return {each: draw.integers(each, shape, -128, 127).astype(np.int8) for each in names}
    return {each: random.bell(draw.id, each, shape).astype(np.float32) for each in names}


def _floats(
    draw: Draw, image: Shape, kernels: Mapping[str, Shape], upstream: Shape
) -> dict[str, Array]:
    """Bell-shaped numbers, spread, absorbing, or so small that some are subnormal."""
    values = draw.recipe.values
    tensors = CLASSES["bell"](draw, image, {**kernels, "dy": upstream})
    if values in {"absorbing", "spread"}:
        tensors = CLASSES[values](draw, image, {**kernels, "dy": upstream})
    if values == "subnormal":  # upstream gradients and their sums
        tensors["dy"] = np.ldexp(tensors["dy"], -128)
    if values == "tiny":  # an image, whose gradients are brought back
        tensors["x"], tensors["dy"] = np.ldexp(tensors["x"], -130), np.ldexp(tensors["dy"], 40)
    return {name: each.astype(np.float32) for name, each in tensors.items()}
