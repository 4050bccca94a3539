"""Cases of what shifts and multiplies: shift products, pixel-shift attention, X-volution."""

from fractions import Fraction

import numpy as np

import refimpl as ref
from proofs.cases.inputs import HALF, QUARTER, drawn, one_hot_rows, square_bn
from proofs.cases.table import OperatorCase

NOT_SQUARE = {"directions": ((0, 1), (-1, 2)), "boundary": "zero", "length": 2}

PIXEL_SHIFT: tuple[OperatorCase, ...] = (
    OperatorCase(
        name="shift",
        inputs={"x": drawn(1, 2, 4, 5)},
        backward_needs=(),
        options={"offset": (-1, 2)},
    ),
    OperatorCase(
        name="shift",
        inputs={"x": drawn(1, 2, 3, 2)},
        backward_needs=(),
        options={"offset": (1, -3), "boundary": "zero"},
    ),
    OperatorCase(
        name="shift_product", inputs={"q": drawn(2, 2, 3, 4)}, backward_needs=("q",), options={}
    ),
    OperatorCase(
        name="shift_product",
        inputs={"q": drawn(1, 2, 3, 4), "k": drawn(1, 2, 3, 4, seed=1)},
        backward_needs=("q", "k"),
        options=NOT_SQUARE,
    ),
    OperatorCase(
        name="pssa",
        inputs={"x": drawn(1, 2, 4, 3), "w": drawn(3, 8, 3, 3), "b": drawn(3)},
        backward_needs=("x", "w"),
        options={"stride": 2},
    ),
    OperatorCase(
        name="pssa",
        inputs={
            "x": drawn(1, 2, 3, 4),
            "w": drawn(2, 6, 1, 3),
            "w_q": drawn(3, 2),
            "w_k": drawn(3, 2, seed=1),
        },
        backward_needs=("x", "w", "w_q", "w_k"),
        options=NOT_SQUARE,
    ),
    OperatorCase(
        name="pssa",
        inputs={"x": drawn(1, 1, 3, 3), "w": drawn(2, 8, 3, 3)},
        backward_needs=("x", "w"),
        options={"directions": ref.EIGHT_DIRECTIONS, "dilation": (1, 2)},
    ),
    OperatorCase(
        name="pssa",  # depthwise: one kernel for every product map
        inputs={"x": drawn(2, 2, 2, 3), "w": drawn(6, 1, 3, 3), "b": drawn(6)},
        backward_needs=("x", "w"),
        options={"directions": ((0, -1), (1, 1), (2, 0)), "groups": 6},
    ),
    OperatorCase(
        name="pssa_stack",
        inputs={
            "x": drawn(1, 2, 3, 2),
            "w": drawn(2, 4, 1, 1),
            "b": drawn(2),
            "levels": (
                ref.Level(drawn(2, 4, 1, 3), square_bn(2, 1)),
                ref.Level(drawn(2, 4, 1, 1, seed=1), square_bn(2, 4)),
            ),
        },
        backward_needs=("x", "w", "levels"),
        options={
            "lengths": (1, 2, 1),
            "directions": ((0, 1), (1, 0)),
            "boundary": "zero",
            "stride": 2,
            **QUARTER,
        },
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="pssa_stack",
        inputs={"x": drawn(1, 2, 2, 3), "w": drawn(1, 8, 3, 3)},
        backward_needs=("x", "w"),
        options={"lengths": (1, 2)},
    ),
    OperatorCase(
        name="xvolution",
        inputs={
            "x": drawn(1, 2, 4, 3),
            "w_c": drawn(2, 2, 3, 3),
            "w_a": drawn(2, 8, 1, 1),
            "bn_c": square_bn(2, 1),
            "bn_a": square_bn(2, 4),
            "b_c": drawn(2),
            "b_a": drawn(2, seed=1),
        },
        backward_needs=("x", "w_c", "w_a", "bn_c", "bn_a", "b_c", "b_a"),
        options={"stride": 2, **QUARTER},
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="xvolution_training",
        # ±1/2 everywhere: x has variance 1/4; its products with itself ±1/4, whose variance depends
        # on the draw, so the branch kernels below copy channels and the products are balanced too.
        inputs={
            "x": np.asarray(
                np.array([[1, 1, -1, -1], [1, 1, -1, -1]]).reshape(1, 2, 1, 4) * HALF, object
            ),
            "w_c": one_hot_rows(2, 2, Fraction(1)),
            "w_a": one_hot_rows(2, 4, Fraction(2)),
            "gamma_c": drawn(2),
            "beta_c": drawn(2, seed=1),
            "gamma_a": drawn(2, seed=2),
            "beta_a": drawn(2, seed=3),
            "b_c": drawn(2, seed=4),
            "b_a": drawn(2, seed=5),
        },
        backward_needs=("x", "w_c", "w_a", "gamma_c", "gamma_a", "b_c", "b_a"),
        options={"directions": ((0, 1), (0, -1)), "eps": 2},
        inexact=("sqrt",),
        mixes_images=True,
    ),
    OperatorCase(
        name="xvolution_fused",
        inputs={"x": drawn(1, 2, 3, 4), "w": drawn(3, 10, 3, 3), "b": drawn(3)},
        backward_needs=("x", "w"),
        options={"boundary": "zero"},
    ),
)
