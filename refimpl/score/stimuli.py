"""Recipes cooked into cases: operands, then biases and scales solved against the sums they meet."""

from itertools import cycle, islice
from math import isqrt, prod
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.operators import PIPELINES
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.recipe import Recipe
from refimpl.score.ties import NEAR, differing, in_range
from refimpl.score.values import CLASSES, Draw, t_factor
from refimpl.vectors.case import Case, Choices, ordered

HUGE = (15, 19, 23, 27, 30, 31)  # powers of two that biases come near
LIMIT = 2**31 - 1


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
        stimulus={
            "kind": "designed",
            "generator": random.GENERATOR,
            "recipe": recipe.name,
            "values": recipe.values,
            "bias": recipe.bias,
            "scale": recipe.scale,
            "ready": recipe.ready,
        },
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
        parameters[f"b{end}"] = _biases(draw, end, sums, factors, str(attributes["rounding"]))
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


def _biases(
    draw: Draw, end: str, sums: Array, factors: tuple[Array, Array], rounding: str
) -> Array:
    """int32 biases: drawn, or what brings one output of each channel to a solved accumulator."""
    outputs, scheme = sums.shape[1], draw.recipe.bias
    if scheme == "zero":
        return np.zeros(outputs, np.int32)
    if scheme == "huge":
        power = np.array(HUGE)[np.arange(outputs) % len(HUGE)]
        sign = 1 - 2 * (np.arange(outputs) // len(HUGE) % 2)
        near = sign * ((np.int64(1) << power) - draw.integers(f"b{end}", (outputs,), 1, 1 << 12))
        return near.astype(np.int32)
    if scheme == "random":
        reach = max(int(np.abs(sums).max()) // 2, 8)
        return draw.integers(f"b{end}", (outputs,), -reach, reach).astype(np.int32)
    flat = sums.reshape(*sums.shape[:2], -1)
    biases = np.zeros(outputs, np.int64)
    for channel in range(outputs):
        factor = int(factors[0][channel]), int(factors[1][channel])
        targets = _targets(scheme, *factor, 0 if end else draw.recipe.y_zero, rounding)
        if targets:
            target = next(islice(cycle(targets), channel, None))
            biases[channel] = target - flat[0, channel, channel % flat.shape[2]]
    return biases.astype(np.int32)


def _targets(scheme: str, multiplier: int, shift: int, zero: int, rounding: str) -> list[int]:
    """Accumulators worth meeting under this factor."""
    if scheme == "ties":
        return differing("half_up", "half_down", multiplier, shift, limit=LIMIT // 4)
    if scheme == "near-ties":
        return differing("half_up", "tflite_double", multiplier, shift, limit=LIMIT // 4)
    if scheme == "rails":
        return [reaching(value - zero, multiplier, shift) for value in (127, 128, -128, -129)]
    return rounding_edges(multiplier, shift, rounding)


def reaching(value: int, multiplier: int, shift: int) -> int:
    """The accumulator in the middle of those that any rounding to nearest takes to ``value``."""
    return ((value << shift) + multiplier // 2) // multiplier


def rounding_edges(multiplier: int, shift: int, rounding: str) -> list[int]:
    """Accumulators whose scaled value lies as close above a step of the rule as can be solved for.

    A rule steps up at a tie, truncation at an integer, two roundings already 2³⁰ below a tie.
    """
    modulus, half = 1 << shift, 1 << (shift - 1)
    early = {"floor": half, "tflite_double": NEAR if shift > 31 else 0}.get(rounding, 0)
    edge, found = max(half - early, 1), []
    for sign in (1, -1):
        mirrored = 1 if rounding == "tflite_double" else sign  # it rounds magnitudes
        residue = mirrored * multiplier % modulus
        for width in range(max(shift - 16, 1), shift - 4):
            first = next(in_range(residue, modulus, edge, edge + (1 << width)), None)
            if first is not None and 0 < first < LIMIT // 4:
                found.append(sign * first)
                break
    return found


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
