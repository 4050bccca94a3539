"""Global and local attention of the bit-exact model: coverage points of its softmax, row by row.

Measured on any set that has such cases, in int8 and binary32, whatever softmax they declare: the
stages are the same. Bugs are those of ``attention.py``, whose model is opened up.
"""

from typing import Any

import numpy as np

from refimpl.bitexact.operators import PIPELINES, Attributes, Stages, Tensors
from refimpl.score.entry import Entry, Model
from refimpl.score.point import Point, point
from refimpl.score.seen import Seen
from refimpl.score.site import Probe
from refimpl.vectors.case import Case

OPERATORS = ("global_attention", "local_attention")
ROWS: tuple[Point, ...] = (
    point("row.all-equal", "row", "equal and keys > 1", "all scores of a row are equal"),
    point("row.one-hot", "row", "positive == 1 and keys > 1",
          "every probability of a row but one is 0"),
    point("row.underflow", "row", "vanished > 0", "an exponential that is 0"),
    point("row.all-but-one-underflow", "row", "vanished == keys - 1 and keys > 2",
          "every exponential of a row but one is 0"),
    point("row.zero-probability", "row", "positive < keys", "a probability of 0"),
    point("row.tie-at-maximum", "row", "maxima > 1 and not equal", "two keys share the maximum"),
    point("row.maximum-first", "row", "first and maxima == 1 and keys > 1",
          "the first key has the maximum"),
    point("row.maximum-last", "row", "last and maxima == 1 and keys > 1",
          "the last key has the maximum"),
    point("row.negative", "row", "negative", "every score of a row is negative"),
    point("case.heads", "case", "heads > 1", "more than one head"),
    point("case.batch", "case", "batch > 1", "more than one image"),
    point("case.strided", "case", "queries < keys", "fewer queries than keys"),
    point("case.ragged-keys", "case", "keys > 4 and keys % 4 != 0", "a ragged last tile of keys"),
)  # fmt: skip
INTEGER_OUTPUTS: tuple[Point, ...] = (
    point("output.high", "output", "before_clip > 127", "the upper rail saturates"),
    point("output.low", "output", "before_clip < -128", "the lower rail saturates"),
)


def look(case: Case, stages: Stages) -> Seen:
    """Every row of the softmax, and every output; nothing where a case has no softmax."""
    attributes = case.attributes
    scores = stages["scores"]
    batch, heads, queries, keys = scores.shape
    sizes = {"batch": batch, "heads": heads, "queries": queries, "keys": keys}
    events: dict[str, Any] = {"row": [], "output": []}
    if "before_clip" in stages:
        events["output"].append({"before_clip": stages["before_clip"].astype(np.int64)})
    if attributes.get("normalise", "softmax") == "softmax":
        is_top = scores == scores.max(axis=3, keepdims=True)
        row = {
            "equal": is_top.all(axis=3),
            "maxima": is_top.sum(axis=3),
            "first": is_top[..., 0],
            "last": is_top[..., -1],
            "negative": (scores < 0).all(axis=3),
            "vanished": (stages["exp_output"] == 0).sum(axis=3),
            "positive": (stages["probabilities"] != 0).sum(axis=3),
        }
        events["row"].append(row)
    return Seen(sizes, events, [])


def _model(operator: str, arithmetic: str) -> Model:
    def model(tensors: Tensors, attributes: Attributes, _: Probe) -> Stages:
        return PIPELINES[operator, arithmetic](tensors, attributes)

    return model


ENTRIES = tuple(
    Entry(
        operator=f"{operator}.{arithmetic}",
        model=_model(operator, arithmetic),
        mutants=(),
        points=ROWS + (INTEGER_OUTPUTS if arithmetic == "int8" else ()),
        recipes=(),
        look=look,
    )
    for operator in OPERATORS
    for arithmetic in ("int8", "fp32")
)
