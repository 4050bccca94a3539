"""Backward passes of convolution, PSSA and X-volution: bugs, points and stimuli."""

from dataclasses import replace
from typing import Any

import numpy as np

from refimpl.bitexact.operators import Stages
from refimpl.ops.conv2d import ConvGeometry
from refimpl.score.bugs.pulling import (
    BRANCH_GRADIENT,
    FLOAT_GAINS,
    FLOAT_GRADIENT,
    FLOAT_SHARES,
    GAINS,
    INTEGER_GAINS,
    INTEGER_GRADIENT,
    INTEGER_SHARES,
)
from refimpl.score.device import window_geometry
from refimpl.score.entry import Entry, Model
from refimpl.score.events import macs_of, products_of, sizes_of, window_sizes
from refimpl.score.gradient_stimuli import cook_gradient
from refimpl.score.gradients import conv2d_backward_fp32, conv2d_backward_int8
from refimpl.score.mutant import Bug, mutants_of
from refimpl.score.point import Point, point
from refimpl.score.points.convolution import GEOMETRY, PADDING, STEPS
from refimpl.score.points.requantisation import requantisation
from refimpl.score.points.shifting import FLOAT_SHIFTING, INTEGER_SHIFTING
from refimpl.score.recipe import EIGHT, FOUR, Recipe
from refimpl.score.seen import Seen, Values, divided
from refimpl.score.shift_gradients import (
    pssa_backward_fp32,
    pssa_backward_int8,
    xvolution_backward_fp32,
    xvolution_backward_int8,
)
from refimpl.vectors.case import Case

SIDES = ("above", "below", "left", "right")
TAPS: tuple[Point, ...] = (
    point("tap.row-hole", "tap", "row_hole", "a row between the steps of a stride"),
    point("tap.column-hole", "tap", "column_hole", "a column between the steps of a stride"),
    *(
        point(f"tap.beyond-{side}", "tap", side, f"a tap {side} the upstream gradient")
        for side in SIDES
    ),
    point("case.one-output", "case", "c_out == 1", "one output channel"),
    point("case.ragged-outputs", "case", "c_out > tile_c_out and c_out % tile_c_out != 0",
          "a ragged last tile of output channels"),
    point("case.ragged-pixels", "case", "pixels > tile_pixels and pixels % tile_pixels != 0",
          "a ragged last tile of pixels"),
)  # fmt: skip
WIDE: tuple[Point, ...] = tuple(
    point(f"weight.bits-{bits}", "weight", f"abs(gradient) >= {1 << (bits - 2)}",
          f"an element of a kernel's gradient that needs {bits} bits or more")
    for bits in (13, 16, 18, 20)
)  # fmt: skip
CONVOLVED = tuple(each for each in PADDING if each.id != "pad.weighted") + STEPS + GEOMETRY + TAPS
SHAPES = (
    Recipe(name="batch", batch=2, channels=2, outputs=3, height=3, width=4),
    Recipe(name="oblong", channels=1, outputs=2, height=7, width=6, kernel=(2, 3), stride=(1, 2),
           padding=(0, 1), dilation=(2, 1)),
    Recipe(name="skewed-dilation", channels=1, outputs=2, height=8, width=6, padding=(1, 0),
           dilation=(3, 1)),
    Recipe(name="stride-dilation", channels=1, outputs=2, height=7, width=7, padding=(0, 0),
           stride=(2, 2), dilation=(2, 2)),
    Recipe(name="dilation-only", channels=1, outputs=2, height=5, width=6, padding=(0, 0),
           dilation=(1, 2)),
    Recipe(name="strided", channels=2, outputs=1, height=6, width=4, padding=(0, 0),
           stride=(3, 2)),
    Recipe(name="strided-padded", channels=1, outputs=2, height=4, width=5, stride=(2, 2)),
    Recipe(name="everything", channels=1, outputs=2, height=6, width=7, stride=(2, 3),
           padding=(2, 1), dilation=(1, 2)),
    Recipe(name="padded-dilated", channels=1, outputs=2, height=5, width=5, padding=(2, 2),
           dilation=(2, 2)),
    Recipe(name="none", channels=1, outputs=5, height=4, width=5, padding=(0, 0)),
    Recipe(name="pointwise", channels=5, outputs=2, height=2, width=3, kernel=(1, 1),
           padding=(0, 0)),
    Recipe(name="one-pixel", channels=2, outputs=2, height=3, width=3, padding=(0, 0)),
)  # fmt: skip
TWO = (FOUR[0], FOUR[2])  # across and down: as much as shows a geometry, in half the outputs
SHIFTED_SHAPES = tuple(replace(each, directions=TWO) for each in SHAPES)
WORDS = (
    Recipe(name="rails", values="rails", channels=2, outputs=2, height=4, width=4, x_zero=127),
    Recipe(name="large", values="large", channels=1, outputs=5, height=6, width=6, x_zero=-128),
    Recipe(name="larger", values="large", channels=1, outputs=2, height=7, width=7, kernel=(1, 1),
           padding=(0, 0), x_zero=-128),
    Recipe(name="small", values="small", channels=2, outputs=2, height=4, width=4, scale="exact"),
    Recipe(name="unit", channels=2, outputs=3, height=4, width=4, scale="unit"),
    Recipe(name="unit-small", values="small", channels=2, outputs=3, height=4, width=4,
           scale="unit"),
    Recipe(name="ties", channels=18, outputs=1, height=3, width=6, kernel=(1, 1), padding=(0, 0),
           bias="ties"),
    Recipe(name="sharp", channels=3, outputs=4, height=4, width=4, x_zero=20),
)  # fmt: skip
FEW_WORDS = tuple(replace(each, directions=TWO) for each in WORDS)
SHIFTED_WORDS = (
    Recipe(name="ties-products", channels=5, outputs=1, height=3, width=6, kernel=(1, 1),
           padding=(0, 0), bias="ties"),
    Recipe(name="product-rails", values="rails", channels=1, outputs=2, height=4, width=4,
           x_zero=127, t_scale="unit", kernel=(1, 1), padding=(0, 0)),
    Recipe(name="product-rails-exact", values="rails", channels=2, outputs=1, height=4, width=4,
           x_zero=0, t_scale="exact", kernel=(1, 1), padding=(0, 0)),
    Recipe(name="pairs-exact", values="pairs", channels=2, outputs=1, height=4, width=4,
           kernel=(1, 1), padding=(0, 0), t_scale="exact"),
    Recipe(name="pairs", values="pairs", channels=2, outputs=1, height=4, width=4, kernel=(1, 1),
           padding=(0, 0)),
    Recipe(name="pairs-more", values="pairs", channels=3, outputs=2, height=4, width=6,
           kernel=(1, 1), padding=(0, 0)),
    Recipe(name="edges", values="edges", channels=2, outputs=1, height=4, width=5, kernel=(1, 1),
           padding=(0, 0)),
)  # fmt: skip
SHIFTS = (
    Recipe(name="far", channels=1, outputs=1, height=5, width=4, length=2, kernel=(1, 1),
           padding=(0, 0)),
    Recipe(name="diagonal", channels=1, outputs=1, height=3, width=4, directions=EIGHT,
           kernel=(1, 1), padding=(0, 0)),
    Recipe(name="zero-boundary", channels=1, outputs=2, height=4, width=3, boundary="zero",
           kernel=(1, 1), padding=(0, 0)),
)  # fmt: skip
EDGES = tuple(
    Recipe(name=f"edges-{name}", values="edges", channels=2, outputs=1, height=5, width=4,
           kernel=(1, 1), padding=(0, 0), length=length, directions=directions)
    for name, length, directions in (("far", 2, FOUR), ("diagonal", 1, EIGHT))
)  # fmt: skip
NUMBERS = (
    Recipe(name="absorbing", values="absorbing", channels=2, outputs=2, height=3, width=4),
    Recipe(name="spread", values="spread", channels=2, outputs=3, height=4, width=4, batch=2),
    Recipe(name="subnormal", values="subnormal", channels=2, outputs=2, height=3, width=3),
    Recipe(name="tiny", values="tiny", channels=1, outputs=2, height=3, width=4),
)
SHIFTED_INTEGERS = SHIFTED_SHAPES + FEW_WORDS + SHIFTED_WORDS + SHIFTS + EDGES
SHIFTED_FLOATS = SHIFTED_SHAPES + NUMBERS + SHIFTS


def look(case: Case, stages: Stages) -> Seen:
    """Every read of both gradients, every product, every requantised output."""
    attributes, tensors = case.attributes, case.tensors
    events: dict[str, list[Values]] = {"tap": [], "weight": [], "output": [], "product": []}
    macs, sizes = [], sizes_of(case)
    for end, prefix, image, zero in _convolved(case, stages):
        w = tensors[f"w{end}"]
        geometry = window_geometry(image, w, attributes)
        macs.append(macs_of(image, np.full(image.shape[1], zero), w, attributes))
        sizes |= window_sizes(image, w, attributes)
        events["tap"].append(_taps(geometry, image.shape))
        events["weight"].append({"gradient": stages[f"{prefix}dw"].astype(np.float64)})
    if case.arithmetic == "int8":
        events["output"] += _requantised(case, stages)
    if "directions" in attributes:
        prefix = "attention_" if case.operator == "xvolution_backward" else ""
        events["product"] += products_of(case, stages, prefix)
    return Seen(sizes, events, macs)


def _convolved(case: Case, stages: Stages) -> list[tuple[str, str, Any, int]]:
    """Suffix of the kernels, prefix of the stages, image and zero point of every convolution."""
    x, zeros = case.tensors["x"], case.attributes
    image = ("", "", x, zeros.get("x_zero", 0))
    if case.operator == "conv2d_backward":
        return [image]
    if case.operator == "pssa_backward":
        return [("", "", stages["product"], zeros.get("t_zero", 0))]
    product = stages["attention_product"]
    return [("_c", "conv_", *image[2:]), ("_a", "attention_", product, zeros.get("t_zero", 0))]


def _taps(geometry: ConvGeometry, shape: tuple[int, ...]) -> Values:
    """Where each tap reads the upstream gradient for each pixel of what was convolved."""
    rows, cols = (
        np.arange(size) + pad - np.arange(taps)[:, None] * apart
        for size, pad, taps, apart in zip(
            shape[2:], geometry.padding, geometry.kernel, geometry.dilation, strict=True
        )
    )
    row, col = rows[:, None, :, None], cols[None, :, None, :]
    down, right = geometry.stride
    everywhere = np.zeros(np.broadcast_shapes(row.shape, col.shape), bool)
    return {
        "row_hole": everywhere | ((row % down != 0) & (row >= 0)),
        "column_hole": everywhere | ((col % right != 0) & (col >= 0)),
        "above": everywhere | (row < 0),
        "below": everywhere | (row // down >= geometry.output[0]),
        "left": everywhere | (col < 0),
        "right": everywhere | (col // right >= geometry.output[1]),
    }


def _requantised(case: Case, stages: Stages) -> list[Values]:
    """Every element of dx from its accumulator on; of the branches' sum there is no accumulator."""
    names = [("", "")] if "dx_accumulator" in stages else []
    if case.operator == "xvolution_backward":
        names = [("conv_", "_c"), ("attention_", "_a")]
    blocks = []
    for prefix, end in names:
        sums = stages[f"{prefix}dx_accumulator"].astype(np.int64)
        own = f"dx_multiplier{end}", f"dx_shift{end}"
        factor = own if end else ("multiplier", "shift")
        multiplier, shift = (case.tensors[each].astype(np.int64)[:, None, None] for each in factor)
        blocks.append(
            {
                "accumulator": sums,
                "before_clip": stages[f"{prefix}dx_before_clip"].astype(np.int64),
                "zero": 0 if end else case.attributes["dx_zero"],
                **divided(sums, multiplier, shift),
            }
        )
    return blocks


def _entry(
    operator: str, arithmetic: str, model: Model, bugs: tuple[Bug, ...], points: tuple[Point, ...],
    recipes: tuple[Recipe, ...],
) -> Entry:  # fmt: skip
    name = f"{operator}.{arithmetic}"
    return Entry(
        operator=name,
        model=model,
        mutants=mutants_of(name, *bugs),
        points=points,
        recipes=recipes,
        cook=cook_gradient(operator, arithmetic),
        look=look,
    )


OUTPUTS = requantisation("output", "dx", "accumulator")
ENTRIES = (
    _entry("conv2d_backward", "int8", conv2d_backward_int8, INTEGER_GRADIENT,
           CONVOLVED + WIDE + OUTPUTS, SHAPES + WORDS),
    _entry("conv2d_backward", "fp32", conv2d_backward_fp32, FLOAT_GRADIENT, CONVOLVED,
           SHAPES + NUMBERS),
    _entry("pssa_backward", "int8", pssa_backward_int8, INTEGER_GRADIENT + INTEGER_SHARES,
           CONVOLVED + WIDE + INTEGER_SHIFTING, SHIFTED_INTEGERS),
    _entry("pssa_backward", "fp32", pssa_backward_fp32, FLOAT_GRADIENT + FLOAT_SHARES,
           CONVOLVED + FLOAT_SHIFTING, SHIFTED_FLOATS),
    _entry("xvolution_backward", "int8", xvolution_backward_int8,
           BRANCH_GRADIENT + INTEGER_SHARES + GAINS + INTEGER_GAINS,
           CONVOLVED + WIDE + INTEGER_SHIFTING, SHIFTED_INTEGERS),
    _entry("xvolution_backward", "fp32", xvolution_backward_fp32,
           FLOAT_GRADIENT + FLOAT_SHARES + GAINS + FLOAT_GAINS,
           CONVOLVED + FLOAT_SHIFTING, SHIFTED_FLOATS),
)  # fmt: skip
