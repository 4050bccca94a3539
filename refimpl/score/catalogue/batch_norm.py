"""Batch normalisation: bugs, points and stimuli in int8 and binary32."""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.operators import Stages
from refimpl.score.biases import solved_biases
from refimpl.score.bugs.normalising import FLOAT_NORM, INTEGER_NORM
from refimpl.score.entry import Entry
from refimpl.score.mutant import mutants_of
from refimpl.score.norm import batch_norm_fp32, batch_norm_int8
from refimpl.score.point import Point, point
from refimpl.score.points.convolution import ACCUMULATOR
from refimpl.score.points.requantisation import requantisation
from refimpl.score.recipe import Recipe
from refimpl.score.seen import Seen, divided
from refimpl.score.summation import SMALLEST_NORMAL
from refimpl.score.values import CLASSES, Draw, designed_stimulus
from refimpl.vectors.case import Case, Choices

SIZES: tuple[Point, ...] = (
    point("case.batch", "case", "batch > 1", "more than one image"),
    point("case.one-pixel", "case", "pixels == 1", "images of one pixel"),
    point("case.ragged-channels", "case", "channels > tile_c_out and channels % tile_c_out != 0",
          "a ragged last tile of channels"),
)  # fmt: skip
TOO_WIDE = {f"accumulator.bits-{bits}" for bits in (18, 20, 22, 24)}  # one product: 16 bits
SUMS = tuple(each for each in ACCUMULATOR if each.id not in TOO_WIDE)
CHANNELS: tuple[Point, ...] = (
    point("case.given", "case", "not statistics", "statistics that are given"),
    point("case.statistics", "case", "statistics", "statistics of the batch"),
    point("case.ragged-pixels", "case", "statistics and batch * pixels % tile_pixels != 0",
          "a ragged last tile of pixels in statistics"),
    point("channel.variance-below-eps", "channel", "variance < eps and variance > 0",
          "a variance smaller than what is added to it"),
    point("channel.constant", "channel", "variance == 0", "a channel whose numbers are all alike"),
    point("channel.far", "channel", "mean * mean > 256 * variance",
          "a mean of many standard deviations"),
    point("channel.negative-gain", "channel", "gamma < 0", "a negative gain"),
    point("output.subnormal", "output", "subnormal", "a subnormal output"),
)  # fmt: skip
WORDS = (
    Recipe(name="plain", channels=5, height=2, width=3),
    Recipe(name="batch", batch=2, channels=6, height=2, width=3, x_zero=11),
    Recipe(name="one-pixel", channels=9, height=1, width=1),
    Recipe(name="rails", values="rails", channels=6, height=3, width=3, x_zero=-128),
    Recipe(name="rails-127", values="rails", channels=3, height=3, width=3, x_zero=127,
           scale="unit"),
    Recipe(name="large", values="large", channels=4, height=2, width=2, x_zero=-128, bias="zero",
           scale="unit"),
    Recipe(name="unit", values="small", channels=4, height=3, width=3, scale="unit", bias="zero"),
    Recipe(name="ties", values="small", channels=8, height=2, width=3, scale="exact", bias="ties"),
    Recipe(name="ties-more", values="small", channels=16, height=2, width=2, scale="exact",
           bias="ties"),
    Recipe(name="ties-zero", values="small", channels=8, height=3, width=3, scale="exact",
           bias="zero"),
    Recipe(name="near-ties", channels=8, height=2, width=2, bias="near-ties"),
    Recipe(name="near-ties-exact", values="small", channels=8, height=2, width=2, scale="exact",
           bias="near-ties"),
    Recipe(name="output-rails", channels=8, height=2, width=2, bias="rails"),
    Recipe(name="edges", channels=8, height=2, width=2, bias="edges"),
    Recipe(name="edges-fine", channels=12, height=2, width=2, bias="edges", scale="fine"),
    Recipe(name="huge", channels=12, height=2, width=2, bias="huge", scale="fine"),
    Recipe(name="huge-rails", values="large", channels=24, height=1, width=2, bias="huge",
           scale="fine"),
)  # fmt: skip
NUMBERS = (
    Recipe(name="plain", values="bell", channels=5, height=2, width=3),
    Recipe(name="batch", values="bell", batch=3, channels=2, height=2, width=3,
           statistics="batch"),
    Recipe(name="batch-more", values="bell", batch=2, channels=9, height=3, width=3,
           statistics="batch"),
    Recipe(name="tiny-image", values="cancelling", channels=3, height=2, width=2),
    Recipe(name="batch-spread", values="spread", batch=2, channels=2, height=3, width=3,
           statistics="batch"),
    Recipe(name="batch-far", values="absorbing", batch=2, channels=2, height=2, width=3,
           statistics="batch"),
    Recipe(name="batch-close", values="tiny", batch=2, channels=3, height=2, width=2,
           statistics="batch"),
    Recipe(name="batch-alike", values="large", batch=2, channels=2, height=2, width=2,
           statistics="batch"),
    Recipe(name="batch-subnormal", values="subnormal", batch=2, channels=2, height=2, width=3,
           statistics="batch"),
    Recipe(name="spread", values="spread", channels=3, height=3, width=3),
    Recipe(name="one-pixel", values="bell", channels=6, height=1, width=1),
    Recipe(name="close", values="tiny", channels=4, height=2, width=2),
    Recipe(name="subnormal", values="subnormal", channels=3, height=2, width=3),
)  # fmt: skip


def cook_words(recipe: Recipe, choices: Choices) -> Case:
    """Images (batch, channels, height, width), a gain and a bias per channel."""
    draw = Draw(f"batch-norm-int8-{recipe.name}", recipe)
    channels = recipe.channels
    found = CLASSES[recipe.values](draw, _image(recipe), {"g": (channels, 1, 1, 1)})
    x, g = found["x"].astype(np.int8), found["g"].reshape(-1).astype(np.int8)
    channel = np.arange(channels)
    drawn = draw.integers("multiplier", (channels,), 2**30, 2**31 - 1)
    multiplier, shift = {
        "fit": (drawn, 36 + channel % 3),
        "exact": (np.full(channels, 2**30), 32 + channel % 4),
        "unit": (np.full(channels, 2**31 - 1), np.full(channels, 31)),
        "fine": (drawn, 31 + np.array([9, 13, 17, 21, 24, 25])[channel % 6]),
    }[recipe.scale]
    factors = multiplier.astype(np.int32), shift.astype(np.int8)
    sums = (x.astype(np.int64) - recipe.x_zero) * g.astype(np.int64)[:, None, None]
    zeros = {"x_zero": recipe.x_zero, "y_zero": recipe.y_zero}
    return Case(
        id=draw.id,
        operator="batch_norm",
        arithmetic="int8",
        attributes={**zeros, "rounding": choices.rounding},
        tensors={
            "x": x,
            "g": g,
            "b": solved_biases(draw, "", sums, factors, choices.rounding),
            "multiplier": factors[0],
            "shift": factors[1],
        },
        stimulus=designed_stimulus(recipe),
    )


def cook_numbers(recipe: Recipe, _: Choices) -> Case:
    """Images, gains and shifts; of the given statistics the class says how large they are."""
    name = f"batch-norm-fp32-{recipe.name}"
    shapes = {"x": _image(recipe), **dict.fromkeys(("gamma", "beta", "mean"), (recipe.channels,))}
    tensors = {each: random.bell(name, each, shape) for each, shape in shapes.items()}
    tensors["var"] = np.abs(random.bell(name, "var", (recipe.channels,)))
    computed = ("mean", "var") if recipe.statistics == "batch" else ()
    return Case(
        id=name,
        operator="batch_norm",
        arithmetic="fp32",
        attributes={"eps": 1e-5, "statistics": recipe.statistics},
        tensors={
            each: array.astype(np.float32)
            for each, array in _sized(name, recipe, tensors).items()
            if each not in computed
        },
        stimulus=designed_stimulus(recipe),
    )


def _image(recipe: Recipe) -> tuple[int, int, int, int]:
    return (recipe.batch, recipe.channels, recipe.height, recipe.width)


def _sized(name: str, recipe: Recipe, tensors: dict[str, Array]) -> dict[str, Array]:
    """The class of a recipe: far from 0, close to it, alike, subnormal, of many magnitudes."""
    x, alike = tensors["x"], np.broadcast_to(tensors["x"][:1, :, :1, :1], tensors["x"].shape)
    changed = {
        "spread": {"x": np.ldexp(x, random.integers(name, "power", x.shape, -12, 12).astype(int))},
        "absorbing": {"x": x + 100},
        "tiny": {"x": x * 2.0**-12, "var": tensors["var"] * 2.0**-24, "mean": tensors["mean"] / 64},
        "large": {"x": alike},
        "cancelling": {  # subnormal images that a large gain brings back
            "x": x * 2.0**-128, "mean": tensors["mean"] * 2.0**-128,
            "gamma": tensors["gamma"] * 2.0**100, "beta": tensors["beta"] * 2.0**-20,
        },
        "subnormal": {
            "x": x * 2.0**-66, "mean": tensors["mean"] * 2.0**-66,
            "var": tensors["var"] * 2.0**-132,
            "gamma": tensors["gamma"] * 2.0**-72, "beta": tensors["beta"] * 2.0**-130,
        },
    }  # fmt: skip
    return {**tensors, **changed.get(recipe.values, {})}


def look_words(case: Case, stages: Stages) -> Seen:
    """Every output element from its product on."""
    names = ("accumulator", "biased", "before_clip")
    own = {name: stages[name].astype(np.int64) for name in names}
    bias, multiplier, shift = (
        case.tensors[name].astype(np.int64)[:, None, None] for name in ("b", "multiplier", "shift")
    )
    outputs = {**own, "bias": bias, "zero": case.attributes["y_zero"]}
    outputs |= divided(own["biased"], multiplier, shift)
    return Seen(_sizes(case), {"output": [outputs]}, [])


def look_numbers(case: Case, stages: Stages) -> Seen:
    """Every channel, and every output."""
    known = {**case.tensors, **stages}
    channels: dict[str, Any] = {
        "mean": known["mean"].astype(np.float64), "variance": known["var"].astype(np.float64),
        "gamma": case.tensors["gamma"], "eps": case.attributes["eps"],
    }  # fmt: skip
    size = np.abs(stages["output"])
    outputs = {"subnormal": (size > 0) & (size < SMALLEST_NORMAL)}
    sizes = _sizes(case) | {"statistics": case.attributes["statistics"] == "batch"}
    return Seen(sizes, {"channel": [channels], "output": [outputs]}, [])


def _sizes(case: Case) -> dict[str, Any]:
    n, c, height, width = case.tensors["x"].shape
    return {"batch": n, "channels": c, "pixels": height * width}


ENTRIES = (
    Entry(
        operator="batch_norm.int8",
        model=batch_norm_int8,
        mutants=mutants_of("batch_norm.int8", *INTEGER_NORM),
        points=SIZES + SUMS + requantisation("output", "output", "biased"),
        recipes=WORDS,
        cook=cook_words,
        look=look_words,
    ),
    Entry(
        operator="batch_norm.fp32",
        model=batch_norm_fp32,
        mutants=mutants_of("batch_norm.fp32", *FLOAT_NORM),
        points=SIZES + CHANNELS,
        recipes=NUMBERS,
        cook=cook_numbers,
        look=look_numbers,
    ),
)
