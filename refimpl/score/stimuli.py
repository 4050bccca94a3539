"""Recipes cooked into cases: operands, then biases and scales against the sums they meet."""

from math import isqrt, prod
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.operators import PIPELINES
from refimpl.score.biases import HUGE, solved_biases
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.recipe import Recipe
from refimpl.score.values import CLASSES, Draw, designed_stimulus, t_factor
from refimpl.vectors.case import Case, Choices, ordered


def cook(operator: str, recipe: Recipe, choices: Choices) -> Case:
    """The case of a recipe for "conv2d.int8" and the like.

    Raises
    ------
    ValueError
        If values, sizes and operator do not fit together.
    """
    own = CATALOGUE[operator].cook
    if own is not None:
        return own(recipe, choices)
    name, arithmetic = operator.split(".")
    draw = Draw(f"{name.replace('_', '-')}-{arithmetic}-{recipe.name}", recipe)
    image = (recipe.batch, recipe.channels, recipe.height, recipe.width)
    kernels = {f"w{end}": of for end, of in kernel_shapes(name, recipe).items()}
    tensors = CLASSES[recipe.values](draw, image, kernels)
    attributes = _attributes(name, recipe)
    if arithmetic == "int8":
        attributes |= _zeros(name, recipe) | {"rounding": choices.rounding}
        tensors = {key: array.astype(np.int8) for key, array in tensors.items()}
        tensors |= _int8_parameters(draw, name, tensors, attributes)
    else:
        attributes |= ordered(name, choices)
        tensors = {key: array.astype(np.float32) for key, array in tensors.items()}
        tensors |= _fp32_parameters(draw, name, tensors)
    return Case(
        id=draw.id,
        operator=name,
        arithmetic=arithmetic,
        attributes=attributes,
        tensors=tensors,
        stimulus=designed_stimulus(recipe),
    )


def kernel_shapes(operator: str, recipe: Recipe) -> dict[str, tuple[int, ...]]:
    """Shape of every kernel array of an operator, by the suffix of its branch."""
    c, d = recipe.channels, len(recipe.directions)
    inputs = {
        "conv2d": {"": c // recipe.groups},
        "shift_product": {},
        "pssa": {"": d * c},
        "xvolution": {"_c": c, "_a": d * c},
        "xvolution_fused": {"": (1 + d) * c},
    }[operator]
    return {end: (recipe.outputs, many, *recipe.kernel) for end, many in inputs.items()}


def _attributes(operator: str, recipe: Recipe) -> dict[str, Any]:
    geometry: dict[str, Any] = {
        "stride": list(recipe.stride),
        "padding": None if recipe.padding is None else list(recipe.padding),
        "dilation": list(recipe.dilation),
    }
    if recipe.groups > 1:
        geometry["groups"] = recipe.groups
    shifts = {
        "directions": [list(each) for each in recipe.directions],
        "length": recipe.length,
        "boundary": recipe.boundary,
    }
    return {
        **({} if operator == "shift_product" else geometry),
        **({} if operator == "conv2d" else shifts),
    }


def _zeros(operator: str, recipe: Recipe) -> dict[str, int]:
    zeros = {"x_zero": recipe.x_zero}
    if operator != "conv2d":
        zeros["t_zero"] = recipe.t_zero
    return zeros if operator == "shift_product" else zeros | {"y_zero": recipe.y_zero}


def _int8_parameters(
    draw: Draw, operator: str, tensors: dict[str, Array], attributes: dict[str, Any]
) -> dict[str, Array]:
    """Biases, multipliers and shifts; biases are solved where the recipe says so."""
    recipe = draw.recipe
    parameters: dict[str, Array] = {}
    if operator != "conv2d":
        multiplier, shift = t_factor(recipe)
        parameters |= {
            "t_multiplier": np.array([multiplier], np.int32),
            "t_shift": np.array([shift], np.int8),
        }
    for end, shape in kernel_shapes(operator, recipe).items():
        multipliers, shifts = _factors(draw, end, shape)
        parameters |= {
            f"b{end}": np.zeros(shape[0], np.int32),
            f"multiplier{end}": multipliers.astype(np.int32),
            f"shift{end}": shifts.astype(np.int8),
        }
    ends = list(kernel_shapes(operator, recipe))
    if not ends:
        return parameters
    stages = PIPELINES[operator, "int8"](tensors | parameters, attributes)
    for end in ends:
        prefix = {"_c": "conv_", "_a": "attention_"}.get(end, "")
        factors = parameters[f"multiplier{end}"], parameters[f"shift{end}"]
        sums = stages[f"{prefix}accumulator"].astype(np.int64)
        parameters[f"b{end}"] = solved_biases(draw, end, sums, factors, str(attributes["rounding"]))
    return parameters


def _factors(draw: Draw, end: str, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Multiplier and shift per output channel."""
    recipe, outputs = draw.recipe, shape[0]
    channel = np.arange(outputs)
    drawn = draw.integers(f"multiplier{end}", (outputs,), 2**30, 2**31 - 1)
    if recipe.scale == "exact":
        return np.full(outputs, 2**30), 32 + channel % 4
    if recipe.scale == "unit":
        return np.full(outputs, 2**31 - 1), np.full(outputs, 31)
    if recipe.scale == "fine":
        return drawn, 31 + np.array(HUGE)[channel % len(HUGE)] - 6
    size = isqrt(prod(shape[1:]) * 74**4) // 256  # a standard deviation of about half the range
    return drawn, 31 + max(size.bit_length() - 1, 1) + channel % 3


def _fp32_parameters(draw: Draw, operator: str, tensors: dict[str, Array]) -> dict[str, Array]:
    """Biases of the size of the products; in X-volution scales and offsets of its branches."""
    parameters: dict[str, Array] = {}
    size = np.float32(np.abs(tensors["x"]).max())
    for end, shape in kernel_shapes(operator, draw.recipe).items():
        bias = random.bell(draw.id, f"b{end}", shape[:1]).astype(np.float32)
        parameters[f"b{end}"] = np.zeros_like(bias) if draw.recipe.bias == "zero" else bias * size
        if operator == "xvolution":
            parameters |= {
                f"{each}{end}": random.bell(draw.id, f"{each}{end}", shape[:1]).astype(np.float32)
                for each in "st"
            }
            if draw.recipe.bias == "zero":
                parameters[f"t{end}"] = np.zeros_like(bias)
    return parameters
