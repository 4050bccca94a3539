"""Cases of the layers of every network: convolution, normalisation, pooling, classification."""

import numpy as np

from proofs.cases.inputs import QUARTER, balanced, distinct, drawn, square_bn
from proofs.cases.table import OperatorCase

LAYERS: tuple[OperatorCase, ...] = (
    OperatorCase(
        name="conv2d",
        inputs={"x": drawn(2, 4, 6, 5), "w": drawn(6, 2, 3, 2), "b": drawn(6)},
        backward_needs=("x", "w"),
        options={"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2},
    ),
    OperatorCase(
        name="conv2d",  # depthwise
        inputs={"x": drawn(2, 3, 3, 2), "w": drawn(6, 1, 3, 1)},
        backward_needs=("x", "w"),
        options={"padding": 1, "groups": 3},
    ),
    OperatorCase(
        name="batch_norm",
        inputs={"x": drawn(2, 3, 2, 3)} | square_bn(3, 1)._asdict(),
        backward_needs=("x", "gamma", "mean", "var"),
        options=QUARTER,
        inexact=("sqrt",),
    ),
    OperatorCase(
        name="batch_norm_training",
        inputs={"x": balanced(2, 3, 2, 3), "gamma": drawn(3), "beta": drawn(3, seed=1)},
        backward_needs=("x", "gamma"),
        options={"eps": 2},  # variance 1/4, so σ² + ε = (3/2)²
        inexact=("sqrt",),
        mixes_images=True,
    ),
    OperatorCase(
        name="relu",
        inputs={"x": distinct(2, 3, 4, 3)},
        backward_needs=("x",),
        piecewise=True,
    ),
    OperatorCase(
        name="max_pool2d",
        inputs={"x": distinct(2, 2, 5, 4)},
        backward_needs=("x",),
        options={"kernel": 3, "stride": 2, "padding": 1},
        piecewise=True,
    ),
    OperatorCase(name="global_avg_pool", inputs={"x": drawn(2, 3, 2, 3)}, backward_needs=("x",)),
    OperatorCase(
        name="linear",
        inputs={"x": drawn(2, 3), "w": drawn(4, 3), "b": drawn(4)},
        backward_needs=("x", "w"),
    ),
    OperatorCase(
        name="local_response_norm",
        inputs={"x": drawn(2, 5, 2, 3)},
        backward_needs=("x",),
        options={"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2},  # binary fractions: exact
        inexact=("exp", "log"),
    ),
    OperatorCase(
        name="upsample_nearest",
        inputs={"x": drawn(2, 2, 3, 2)},
        backward_needs=("x",),
        options={"size": (5, 4)},
    ),
    OperatorCase(
        name="softmax", inputs={"x": drawn(3, 4)}, backward_needs=("x",), inexact=("exp",)
    ),
    OperatorCase(
        name="softmax",
        inputs={"x": drawn(2, 3, 2)},
        backward_needs=("x",),
        options={"axis": 1},
        inexact=("exp",),
    ),
    OperatorCase(
        name="cross_entropy",
        inputs={"logits": drawn(3, 4)},
        constants={"labels": np.array([2, 0, 2])},
        backward_needs=("logits",),
        inexact=("exp", "log"),
        mixes_images=True,
    ),
)
