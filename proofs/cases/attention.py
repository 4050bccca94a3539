"""Cases of attention by scores: global, local, augmented, and X-volution with either branch."""

from fractions import Fraction

from proofs.cases.inputs import HALF, QUARTER, drawn, square_bn
from proofs.cases.table import OperatorCase

ATTENTION: tuple[OperatorCase, ...] = (
    OperatorCase(
        name="global_attention",
        inputs={
            "x": drawn(2, 2, 2, 3),
            "w_q": drawn(3, 2),
            "w_k": drawn(3, 2, seed=1),
            "w_v": drawn(2, 2),
        },
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"scale": Fraction(2, 3), "stride": (1, 2)},
        inexact=("exp",),
    ),
    OperatorCase(
        name="global_attention",
        inputs={
            "x": drawn(1, 2, 3, 3),
            "w_q": drawn(3, 2),
            "w_k": drawn(3, 2, seed=1),
            "w_v": drawn(2, 2),
        },
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"normalise": "none"},
    ),
    OperatorCase(
        name="global_attention",
        inputs={
            "x": drawn(1, 2, 2, 3),
            "w_q": drawn(4, 2),
            "w_k": drawn(4, 2, seed=1),
            "w_v": drawn(2, 2),
            "w_o": drawn(3, 2),
        },
        backward_needs=("x", "w_q", "w_k", "w_v", "w_o"),
        options={"normalise": "none", "order": "context", "heads": 2},
    ),
    OperatorCase(
        name="local_attention",
        inputs={
            "x": drawn(2, 2, 3, 4),
            "w_q": drawn(3, 2),
            "w_k": drawn(3, 2, seed=1),
            "w_v": drawn(2, 2),
        },
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"stride": (2, 1), "dilation": (1, 2)},
    ),
    OperatorCase(
        name="local_attention",
        inputs={
            "x": drawn(1, 2, 3, 2),
            "w_q": drawn(2, 2),
            "w_k": drawn(2, 2, seed=1),
            "w_v": drawn(3, 2),
        },
        backward_needs=("x", "w_q", "w_k", "w_v"),
        options={"normalise": "softmax", "scale": Fraction(1, 2), "kernel": (3, 1)},
        inexact=("exp",),
    ),
    OperatorCase(
        name="aa_conv2d",
        inputs={
            "x": drawn(2, 2, 2, 3),
            "w_c": drawn(2, 2, 3, 3),
            "w_q": drawn(4, 2),
            "w_k": drawn(4, 2, seed=1),
            "w_v": drawn(2, 2),
            "w_o": drawn(2, 2, seed=2),
            "b_c": drawn(2),
            "rel_h": drawn(3, 2),
            "rel_w": drawn(5, 2),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "w_o", "rel_h", "rel_w"),
        options={"heads": 2, "scale": HALF, "stride": (1, 2)},
        inexact=("exp",),
    ),
    OperatorCase(
        name="aa_conv2d",
        inputs={
            "x": drawn(1, 2, 3, 2),
            "w_c": drawn(1, 2, 1, 1),
            "w_q": drawn(2, 2),
            "w_k": drawn(2, 2, seed=1),
            "w_v": drawn(3, 2),
            "w_o": drawn(3, 3),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "w_o"),
        options={"scale": HALF},
        inexact=("exp",),
    ),
    OperatorCase(
        name="xvolution_local",
        inputs={
            "x": drawn(1, 2, 3, 2),
            "w_c": drawn(2, 2, 3, 3),
            "w_q": drawn(3, 2),
            "w_k": drawn(3, 2, seed=1),
            "w_v": drawn(2, 2),
            "bn_c": square_bn(2, 1),
            "bn_a": square_bn(2, 4),
            "b_c": drawn(2),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "bn_c", "bn_a", "b_c"),
        options={"normalise": "softmax", "scale": HALF, **QUARTER},
        inexact=("exp", "sqrt"),
    ),
    OperatorCase(
        name="xvolution_global",
        inputs={
            "x": drawn(1, 2, 3, 2),
            "w_c": drawn(2, 2, 3, 3),
            "w_q": drawn(3, 2),
            "w_k": drawn(3, 2, seed=1),
            "w_v": drawn(2, 2),
            "bn_c": square_bn(2, 1),
            "bn_a": square_bn(2, 4),
            "b_c": drawn(2),
        },
        backward_needs=("x", "w_c", "w_q", "w_k", "w_v", "bn_c", "bn_a", "b_c"),
        options={"normalise": "none", "stride": 2, **QUARTER},
        inexact=("sqrt",),
    ),
)
