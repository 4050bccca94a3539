"""Attention in integers with a softmax table: bugs, points and stimuli."""

from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact import random
from refimpl.bitexact.operators import Stages
from refimpl.score.attention import TABLE_ENTRIES, WHOLE, attention_int8
from refimpl.score.bugs.requantisation import RAILS
from refimpl.score.entry import Entry
from refimpl.score.mutant import Bug, bug, mutants_of
from refimpl.score.point import Point, point
from refimpl.score.points.requantisation import requantisation
from refimpl.score.recipe import Recipe
from refimpl.score.seen import Seen, divided
from refimpl.vectors.case import Case, Choices

OPERANDS: tuple[Bug, ...] = (
    *(
        bug(
            f"{name}-zero-ignored",
            "sign",
            f"the zero point of the {what} is not subtracted",
            f"{name}_zero",
            "constant",
            to=0,
        )
        for name, what in (("q", "queries"), ("k", "keys"), ("v", "values"))
    ),
    bug("k-unsigned", "sign", "keys read without their sign", "k", "unsigned", bits=8),
    bug("v-unsigned", "sign", "values read without their sign", "v", "unsigned", bits=8),
    bug("keys-off-by-one", "geometry", "every score uses the key before", "k", "roll", axis=1),
    bug(
        "values-off-by-one",
        "geometry",
        "every probability weighs the value before",
        "v",
        "roll",
        axis=1,
    ),
    bug(
        "queries-off-by-one",
        "geometry",
        "every row is that of the query before",
        "q",
        "roll",
        axis=1,
    ),
    bug("scores-16", "width", "scores kept in 16 bits", "scores", "wrap", bits=16),
    bug(
        "scores-16-clip",
        "width",
        "scores kept in 16 bits, saturating",
        "scores",
        "saturate",
        bits=16,
    ),
    bug(
        "scale-dropped-bit",
        "parameters",
        "scores are divided by twice as much",
        "divided",
        "add",
        by=1,
    ),
    bug("scaled-8", "width", "scaled scores kept in 8 bits", "scaled", "wrap", bits=8),
)
SOFTMAX: tuple[Bug, ...] = (
    bug("max-ignored", "table", "the maximum is not subtracted", "difference", "unsubtracted"),
    bug("max-from-zero", "table", "the search for the maximum starts from 0",
        "row_max", "at_least", low=0),
    bug("max-skips-last", "tile edge", "the last key is left out of the maximum",
        "row_max", "without_last", name="scaled", by="max"),
    bug("max-carries", "missed clear", "the maximum of a row starts from that of the row before",
        "row_max", "running_maximum"),
    bug("difference-wraps", "width", "differences beyond the table wrap at 8 bits",
        "difference", "difference_wraps"),
    bug("table-coarse", "table", "the lowest bit of the table's index is not connected",
        "table", "coarse_table"),
    bug("table-late", "table", "every entry of the table is the one before", "table", "late_table"),
    bug("table-half", "table", "the upper half of the table is empty",
        "table", "short_table", entries=TABLE_ENTRIES // 2),
    bug("table-96", "table", "the table is empty beyond 96 entries",
        "table", "short_table", entries=96),
    bug("table-first-entry", "table", "a bit of the table's first entry is wrong",
        "table", "one_wrong_entry", index=0, bit=12),
    bug("table-entry-17", "table", "a bit of one entry of the table is wrong",
        "table", "one_wrong_entry", index=17, bit=14),
    bug("exponential-8", "width", "the low 8 bits of exponentials are not connected",
        "exponential", "lose_low_bits", bits=8),
    bug("row-sum-16", "width", "the sum of a row kept in 16 bits", "row_sum", "unsigned", bits=16),
    bug("row-sum-18", "width", "the sum of a row kept in 18 bits", "row_sum", "unsigned", bits=18),
    bug("row-sum-skips-last", "tile edge", "the last key is left out of the sum",
        "row_sum", "without_last", name="exponential", by="sum"),
    bug("row-sum-carries", "missed clear", "the sum of a row starts from that of the row before",
        "row_sum", "running_sum"),
    bug("quotient-truncated", "rounding", "probabilities cut off instead of rounded",
        "probabilities", "truncated_quotient"),
    bug("probability-256", "saturation", "probabilities over 256 in 8 bits: certainty becomes 0",
        "probabilities", "over_256"),
    bug("reciprocal-16", "rounding", "multiplied by a truncated reciprocal of 16 bits",
        "probabilities", "by_reciprocal", bits=16),
    bug("probability-signed", "sign", "probabilities above 127 read as negative",
        "probabilities", "signed_byte"),
    bug("probability-7", "width", "the lowest bit of probabilities is not connected",
        "probabilities", "lose_low_bits", bits=1),
    bug("weighted-16", "width", "sums of weighted values kept in 16 bits",
        "accumulator", "wrap", bits=16),
    bug("weighted-13", "width", "sums of weighted values kept in 13 bits",
        "accumulator", "wrap", bits=13),
    bug("probability-clipped", "saturation", "probabilities saturate at 255",
        "probabilities", "at_most", high=WHOLE,
        equivalent="E ≤ R, so P ≤ ⌊(255·R + ⌊R/2⌋)/R⌋ = 255: no probability is beyond"),
    bug("row-max-shifted", "order", "the maximum is taken over the keys from the last to the first",
        "row_max", "add", by=0, equivalent="a maximum does not depend on the order"),
)  # fmt: skip
ROUNDING: tuple[Bug, ...] = tuple(
    bug(f"round-{name.replace('_', '-')}", "rounding", what, "rounding", "rule", name=name,
        unless={"rounding": name})
    for name, what in (
        ("half_up", "ties upwards"), ("half_even", "ties to even"),
        ("floor", "truncated in two's complement"), ("tflite_double", "rounded twice"),
        ("half_away", "ties away from zero"), ("to_zero", "truncated in sign and magnitude"),
    )
)  # fmt: skip
OUTPUT = tuple(each for each in RAILS if each.site in {"y_zero", "output", "limits"})

ROWS: tuple[Point, ...] = (
    point("row.all-equal", "row", "equal and keys > 1", "all scores of a row are equal"),
    point("row.one-hot", "row", "highest == 255", "one probability takes everything"),
    point("row.underflow", "row", "clipped > 0", "a difference beyond the table's end"),
    point("row.all-but-one-underflow", "row", "clipped == keys - 1 and keys > 2",
          "every key but one is beyond the table's end"),
    point("row.tie-at-maximum", "row", "maxima > 1 and not equal", "two keys share the maximum"),
    point("row.maximum-first", "row", "first == 1 and maxima == 1 and keys > 1",
          "the first key has the maximum"),
    point("row.maximum-last", "row", "last == 1 and maxima == 1 and keys > 1",
          "the last key has the maximum"),
    point("row.negative", "row", "row_max < 0", "every score of a row is negative"),
    point("row.sum-16-bits", "row", "row_sum > 65535", "a sum of exponentials beyond 16 bits"),
    point("row.sum-18-bits", "row", "row_sum > 262143",
          "a sum of exponentials beyond 18 bits"),
    point("row.vanished", "row", "zeros > 0", "a probability that rounds to 0"),
    point("row.loses", "row", "total < 255", "probabilities that sum to less than 1"),
    point("row.gains", "row", "total > 255", "probabilities that sum to more than 1"),
    point("row.last-entry", "row", "end > 0", "a difference at the table's last entry"),
    point("case.one-key", "case", "keys == 1", "a single key"),
    point("case.ragged-keys", "case", "keys > 4 and keys % 4 != 0", "a ragged last tile of keys"),
    point("case.ragged-depth", "case", "depth > 4 and depth % 4 != 0", "a ragged last tile of d"),
    point("case.batch", "case", "batch > 1", "more than one sequence"),
    point("case.fewer-queries", "case", "queries != keys", "not as many queries as keys"),
    point("case.scores-16-bits", "row", "abs(largest_score) > 32767", "a score of 17 bits"),
)  # fmt: skip
RECIPES = (
    Recipe(name="plain", channels=5, outputs=4, height=3, width=6),
    Recipe(name="batch", batch=2, channels=8, outputs=3, height=4, width=7, x_zero=11),
    Recipe(name="one-key", channels=4, outputs=5, height=2, width=1),
    Recipe(name="equal", values="large", channels=3, outputs=4, height=2, width=5),
    Recipe(name="rails", values="rails", channels=9, outputs=4, height=5, width=6, x_zero=-128),
    Recipe(name="rails-127", values="rails", channels=6, outputs=3, height=4, width=9, x_zero=127),
    Recipe(name="wide", values="rails", channels=40, outputs=2, height=2, width=5, x_zero=-128),
    Recipe(name="one-hot", values="impulse", channels=6, outputs=5, height=6, width=6, x_zero=0),
    Recipe(name="one-hot-sharp", values="impulse", channels=5, outputs=4, height=5, width=5,
           x_zero=0, scale="unit"),
    Recipe(name="sharp", channels=4, outputs=4, height=4, width=6, scale="unit"),
    Recipe(name="flat", values="small", channels=4, outputs=4, height=4, width=11, scale="exact"),
    Recipe(name="flat-wide", values="small", channels=2, outputs=3, height=3, width=24,
           scale="fine"),
    Recipe(name="ties", values="small", channels=3, outputs=6, height=5, width=5, scale="exact",
           t_scale="exact"),
    Recipe(name="ties-many", values="small", channels=3, outputs=16, height=6, width=5,
           scale="exact", t_scale="exact"),
    Recipe(name="ties-more", values="small", channels=3, outputs=24, height=6, width=5,
           scale="exact", t_scale="exact"),
    Recipe(name="opposed", values="opposed", channels=4, outputs=4, height=3, width=6,
           scale="exact"),
    Recipe(name="sweep", values="sweep", channels=3, outputs=256, height=1, width=1),
    Recipe(name="soft", channels=4, outputs=6, height=5, width=8, scale="fine"),
    Recipe(name="soft-unit", channels=4, outputs=6, height=5, width=8, scale="fine",
           t_scale="unit"),
)  # fmt: skip
SCORE_SHIFTS = {"fit": 40, "exact": 31, "unit": 34, "fine": 41}  # about 2⁻⁹, ½, 2⁻³, 2⁻¹⁰
OUTPUT_SHIFTS = {"fit": 38, "exact": 33, "unit": 33, "fine": 39}


def cook_attention(recipe: Recipe, choices: Choices) -> Case:
    """Queries (n, height, channels), keys (n, width, channels), values (n, width, outputs)."""
    name = f"attention-int8-{recipe.name}"
    shapes = {
        "q": (recipe.batch, recipe.height, recipe.channels),
        "k": (recipe.batch, recipe.width, recipe.channels),
        "v": (recipe.batch, recipe.width, recipe.outputs),
    }
    exact = recipe.t_scale == "exact"
    return Case(
        id=name,
        operator="attention",
        arithmetic="int8",
        attributes={
            "q_zero": recipe.x_zero, "k_zero": recipe.t_zero, "v_zero": -9,
            "y_zero": recipe.y_zero, "rounding": choices.rounding,
        },
        tensors={
            **{key: _drawn(name, key, shape, recipe) for key, shape in shapes.items()},
            "score_multiplier": np.array([2**30 if recipe.scale == "exact" else 1518500250]),
            "score_shift": np.array([SCORE_SHIFTS[recipe.scale]]),
            "multiplier": np.array([2**30 if exact else 1234567891]),
            "shift": np.array([OUTPUT_SHIFTS[recipe.t_scale]]),
        },
        stimulus={
            "kind": "designed", "generator": random.GENERATOR, "recipe": recipe.name,
            "values": recipe.values, "bias": recipe.bias, "scale": recipe.scale,
        },
    )  # fmt: skip


def _drawn(case: str, tensor: str, shape: tuple[int, ...], recipe: Recipe) -> Array:
    """Words of a tensor: uniform, or of the recipe's class; values are always uniform."""
    low, high = -128, 127
    drawn = random.integers(case, tensor, shape, low, high)
    zero = recipe.x_zero if tensor == "q" else recipe.t_zero
    if recipe.values == "rails" and tensor != "v":
        picks = np.array([low, low, high, high, zero])
        drawn = picks[random.integers(case, tensor, shape, 0, len(picks) - 1)]
    elif recipe.values == "large" and tensor == "k":  # every key the same: every score as well
        drawn = np.broadcast_to(drawn[:, :1], shape)
    elif recipe.values == "impulse" and tensor != "v":  # query i fits key i alone
        _, rows, depth = shape
        fits = np.arange(rows)[:, None] % depth == np.arange(depth)
        drawn = np.where(fits, high, zero)[None].repeat(shape[0], axis=0)
    elif recipe.values == "opposed" and tensor != "v":  # every score far below 0
        side = (low, low // 2) if tensor == "k" else (high // 2, high)
        drawn = random.integers(case, tensor, shape, *side)
    elif recipe.values == "sweep" and tensor == "v":  # every word there is
        drawn = np.resize(np.arange(low, high + 1), shape)
    elif recipe.values == "small" and tensor != "v":
        drawn = np.clip(zero + random.integers(case, tensor, shape, -3, 3), low, high)
    return np.asarray(drawn).astype(np.int8)


def look(case: Case, stages: Stages) -> Seen:
    """What points see of attention: its sizes, every row of the softmax, every output."""
    probabilities, scaled = stages["probabilities"], stages["scaled"]
    difference, top = stages["difference"], stages["row_max"]
    is_top = scaled == top
    rows: dict[str, Any] = {
        "equal": is_top.all(axis=2),
        "highest": probabilities.max(axis=2),
        "total": probabilities.sum(axis=2),
        "zeros": (probabilities == 0).sum(axis=2),
        "clipped": (top - scaled > TABLE_ENTRIES - 1).sum(axis=2),
        "end": (difference == TABLE_ENTRIES - 1).sum(axis=2),
        "maxima": is_top.sum(axis=2),
        "first": is_top[:, :, 0].astype(int),
        "last": is_top[:, :, -1].astype(int),
        "row_max": top[:, :, 0],
        "row_sum": stages["row_sum"][:, :, 0],
        "largest_score": np.abs(stages["scores"].astype(np.int64)).max(axis=2),
    }
    sums = stages["accumulator"].astype(np.int64)
    outputs = {
        "accumulator": sums,
        "before_clip": stages["before_clip"].astype(np.int64),
        "zero": case.attributes["y_zero"],
    } | divided(
        sums, case.tensors["multiplier"].astype(np.int64), case.tensors["shift"].astype(np.int64)
    )
    batch, queries, keys = scaled.shape
    sizes = {
        "batch": batch, "queries": queries, "keys": keys, "depth": case.tensors["q"].shape[2],
    }  # fmt: skip
    return Seen(sizes, {"row": [rows], "output": [outputs]}, [])


WANTED = {"output.beyond-16-bits"}  # |255·s·255·m/2^s| cannot: see points
ENTRIES = (
    Entry(
        operator="attention.int8",
        model=attention_int8,
        mutants=mutants_of("attention.int8", *OPERANDS, *SOFTMAX, *ROUNDING, *OUTPUT),
        points=ROWS
        + tuple(
            each
            for each in requantisation("output", "output", "accumulator")
            if each.id not in WANTED
        ),
        recipes=RECIPES,
        cook=cook_attention,
        look=look,
    ),
)
