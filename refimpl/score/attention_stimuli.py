"""Designed cases of attention: recipes cooked into images, projections and scales.

A recipe's ``channels`` are those of the image, ``outputs`` those of queries, keys and values
together, ``kernel`` and ``dilation`` the window of local attention, ``scale`` how far apart scores
are, ``t_scale`` the factor of the output. Zero points: x_zero is that of the image and of queries,
t_zero that of keys; values have ours.

*Plain* projections make queries, keys and values what one wants them to be: the image has three
groups of channels, and each projection takes its own, times 64 and a factor of exactly 1/64.
"""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.softmax import exp_table
from refimpl.score.biases import solved_biases
from refimpl.score.entry import Cook
from refimpl.score.recipe import Recipe
from refimpl.score.values import Draw, designed_stimulus
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.draws import Extent, drawn

V_ZERO = -9
LOW, HIGH = -128, 127
GAIN, GAIN_SHIFT = 64, 36  # 64 · 2³⁰/2³⁶ = 1
SOFTMAX_FACTORS = {  # about 2⁻⁹, ¼, 2⁻³, 2⁻¹⁰ sixteenths a unit of the scores
    "fit": (759250125, 39), "exact": (2**29, 31), "unit": (759250125, 33), "fine": (2**29, 39),
}  # fmt: skip
SCORE_SCALES = {"fit": 2.0**-13, "exact": 2.0**-5, "unit": 2.0**-7, "fine": 2.0**-15}
OUTPUT_FACTORS = {
    "fit": (1234567891, 38), "exact": (2**30, 33), "unit": (2**31 - 1, 31),
    "fine": (1234567891, 39),
}  # fmt: skip


def cook_attention(operator: str, arithmetic: str) -> Cook:
    """What makes a case of a recipe, for an operator in an arithmetic."""

    def cooked(recipe: Recipe, choices: Choices) -> Case:
        name = f"{operator.replace('_', '-')}-{arithmetic}-{recipe.name}"
        extent = Extent(
            n=recipe.batch, c=recipe.channels, o=recipe.outputs, h=recipe.height, w=recipe.width,
            k=recipe.kernel[0], stride=1,
        )  # fmt: skip
        tensors, attributes = drawn(operator, arithmetic, name, extent, choices.rounding)
        attributes |= _meeting(operator, recipe)
        if arithmetic == "int8":
            tensors, attributes = _integers(name, recipe, choices, tensors, attributes)
        else:
            attributes["scale"] = SCORE_SCALES[recipe.scale] * 2**12
            tensors |= _floats(name, recipe, tensors)
        return Case(
            id=name,
            operator=operator,
            arithmetic=arithmetic,
            attributes=attributes,
            tensors=tensors,
            stimulus=designed_stimulus(recipe),
        )

    return cooked


def _meeting(operator: str, recipe: Recipe) -> dict[str, Any]:
    """Which keys a query meets."""
    stride = {"stride": list(recipe.stride)}
    if operator == "global_attention":
        return {**stride, "heads": recipe.heads}
    return {**stride, "kernel": list(recipe.kernel), "dilation": list(recipe.dilation)}


def _integers(
    name: str,
    recipe: Recipe,
    choices: Choices,
    tensors: dict[str, Array],
    attributes: dict[str, Any],
) -> tuple[dict[str, Array], dict[str, Any]]:
    zeros = {
        "x_zero": recipe.x_zero, "q_zero": recipe.x_zero, "k_zero": recipe.t_zero,
        "v_zero": V_ZERO, "y_zero": recipe.y_zero,
    }  # fmt: skip
    attributes = {**attributes, **zeros, "score_scale": SCORE_SCALES[recipe.scale]}
    multiplier, shift = OUTPUT_FACTORS[recipe.t_scale]
    channel = np.arange(recipe.outputs)
    apart = channel % 2 if recipe.t_scale == "fit" and recipe.bias != "rails" else 0 * channel
    factors: dict[str, Array] = {
        "multiplier": np.full(recipe.outputs, multiplier, np.int32),
        "shift": (shift + apart).astype(np.int8),
    }
    table = {"exp_table", "softmax_multiplier", "softmax_shift"}
    own = {key: array for key, array in tensors.items() if key not in table}
    own |= _plain(name, recipe, attributes) if recipe.plain else _uneven(recipe, own)
    if recipe.softmax == "bf16":
        attributes = {**attributes, "softmax": {"format": "bf16"}}
    if recipe.softmax == "table":
        multiplier, shift = SOFTMAX_FACTORS[recipe.scale]
        rule = {"kind": "integer", "rounding": choices.rounding}
        attributes = {**attributes, "softmax": rule}
        factors |= {
            "softmax_multiplier": np.array([multiplier], np.int32),
            "softmax_shift": np.array([shift], np.int8),
            "exp_table": exp_table(1 / 16, 8, 65535),
        }
    tensors = own | factors
    if recipe.bias == "rails":
        tensors["multiplier"] = _rail_multipliers(recipe)
    if recipe.bias == "edges":
        tensors["b_v"] = _edge_biases(name, recipe, tensors, attributes)
    return tensors, attributes


def _uneven(recipe: Recipe, tensors: dict[str, Array]) -> dict[str, Array]:
    """Projections as drawn, but for the shifts of their outputs, which differ."""
    apart = np.arange(recipe.outputs) % 3
    names = [f"shift_{which}" for which in "qkv"]
    return {name: (tensors[name] + apart).astype(np.int8) for name in names}


def _rail_multipliers(recipe: Recipe) -> Array:
    """Factors that bring a single key's 255·(v − z_v) to a rail or one beyond, and close to them.

    Three channels a target, a little below, at and above it: rules differ in which of them hits.
    """
    factor = 2.0 ** OUTPUT_FACTORS[recipe.t_scale][1]
    channel = np.arange(recipe.outputs)
    values = 255 * (np.resize([HIGH, HIGH, LOW, LOW], recipe.outputs) - V_ZERO)
    targets = np.resize([127, 128, -128, -129], recipe.outputs) - recipe.y_zero
    aside = channel // 4 % 3 - 1  # of a third
    return np.rint((targets + aside / 3) * factor / values).astype(np.int32)


def _edge_biases(
    name: str, recipe: Recipe, tensors: dict[str, Array], attributes: dict[str, Any]
) -> Array:
    """Biases of the values that bring one of each channel next to a rounding edge."""
    alone = {
        "x": tensors["x"],
        **{each: tensors[f"{each}_v"] for each in ("w", "multiplier", "shift")},
    }
    rule = str(attributes["rounding"])
    declared = {"x_zero": attributes["x_zero"], "y_zero": V_ZERO, "rounding": rule}
    sums = PIPELINES["conv2d", "int8"](alone, declared)["accumulator"].astype(np.int64)
    factors = tensors["multiplier_v"], tensors["shift_v"]
    return solved_biases(Draw(name, recipe), "_v", sums, factors, rule)


def _plain(name: str, recipe: Recipe, attributes: dict[str, Any]) -> dict[str, Array]:
    """An image whose thirds are queries, keys and values, and projections that take them."""
    shape = (recipe.batch, recipe.outputs, recipe.height, recipe.width)
    parts: list[Array] = []
    tensors: dict[str, Array] = {}
    for at, which in enumerate("qkv"):
        zero = attributes[f"{which}_zero"]
        words = _words(name, which, shape, recipe, zero).astype(np.int64)
        parts.append(np.clip(words - zero + attributes["x_zero"], LOW, HIGH))
        taken = np.zeros((recipe.outputs, 3, recipe.outputs, 1, 1), np.int8)
        taken[:, at] = GAIN * np.eye(recipe.outputs, dtype=np.int8)[..., None, None]
        tensors |= {
            f"w_{which}": taken.reshape(recipe.outputs, -1, 1, 1),
            f"b_{which}": np.zeros(recipe.outputs, np.int32),
            f"multiplier_{which}": np.full(recipe.outputs, 2**30, np.int32),
            f"shift_{which}": np.full(recipe.outputs, GAIN_SHIFT, np.int8),
        }
    return {"x": np.concatenate(parts, axis=1).astype(np.int8), **tensors}


def _words(name: str, which: str, shape: tuple[int, ...], recipe: Recipe, zero: int) -> Array:
    """Words of queries, keys or values: uniform, or of the recipe's class; v is mostly uniform."""
    drawn_words = random.integers(name, which, shape, LOW, HIGH)
    if which == "v":
        return _values(shape, recipe, drawn_words)
    n, depth, height, width = shape
    if recipe.values == "large" and which == "k":  # every key the same: every score as well
        return np.broadcast_to(drawn_words[:, :, :1, :1], shape)
    if recipe.values == "impulse":  # query i fits key i alone
        pixel = np.arange(height * width)
        fits = pixel % depth == np.arange(depth)[:, None]
        return np.where(fits, HIGH, zero).reshape(1, depth, height, width).repeat(n, axis=0)
    if recipe.values == "opposed":  # every score far below 0
        side = (LOW, LOW // 2) if which == "k" else (HIGH // 2, HIGH)
        return random.integers(name, which, shape, *side)
    if recipe.values == "small":
        return np.clip(zero + random.integers(name, which, shape, -3, 3), LOW, HIGH)
    if recipe.values == "rails":
        picks = np.array([LOW, LOW, HIGH, HIGH, zero])
        drawn_words = picks[random.integers(name, which, shape, 0, len(picks) - 1)]
    return drawn_words


def _values(shape: tuple[int, ...], recipe: Recipe, drawn_words: Array) -> Array:
    if recipe.values == "sweep":  # every word there is, few of them spread
        return np.resize(np.arange(256) * 37 % 256 + LOW, shape)
    if recipe.bias in {"rails", "huge"}:  # as far from zero as can be, of either sign
        return np.resize(np.array([HIGH, HIGH, LOW, LOW]), shape)
    return drawn_words


def _floats(name: str, recipe: Recipe, tensors: dict[str, Array]) -> dict[str, Array]:
    """What a class changes of bell-shaped images and projections."""
    x, (w_q, w_k, w_v) = tensors["x"], (tensors[f"w_{which}"] for which in "qkv")
    power = random.integers(name, "power", x.shape, -6, 6).astype(np.int32)
    changed: dict[str, dict[str, Array]] = {
        "large": {"x": np.broadcast_to(x[:, :, :1, :1], x.shape)},  # all pixels alike
        "pairs": {"x": _doubled(x, axis=3, sign=1)},  # every second pixel as the one before
        "opposed": {"x": np.abs(x), "w_q": np.abs(w_q), "w_k": -np.abs(w_k)},  # scores below 0
        "spread": {"x": np.ldexp(x, power)},
        "subnormal": {"w_v": np.ldexp(w_v, -128)},  # weighted sums that are subnormal
        "tiny": {  # an image of subnormal numbers, that large kernels bring back
            "x": np.ldexp(x, -130), "w_q": np.ldexp(w_q, 64), "w_k": np.ldexp(w_k, 64),
            "w_v": np.ldexp(w_v, 100),
        },
        "cancelling": {"x": _doubled(x, axis=1, sign=-1)},
    }  # fmt: skip
    return {
        key: np.ascontiguousarray(array, np.float32)
        for key, array in changed.get(recipe.values, {}).items()
    }


def _doubled(x: Array, *, axis: int, sign: int) -> Array:
    """Every second slice along an axis is the one before, times a sign."""
    index = np.arange(x.shape[axis])
    wide = [1] * x.ndim
    wide[axis] = -1
    return x.take(index // 2 * 2, axis) * np.where(index % 2, sign, 1).reshape(wide)
