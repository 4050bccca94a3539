"""Global and local attention in int8 and binary32: bugs, points and stimuli."""

from typing import Any

import numpy as np

from refimpl.bitexact.operators import Stages
from refimpl.bitexact.tokens import local_tokens
from refimpl.score.attention import attention_model
from refimpl.score.attention_stimuli import cook_attention
from refimpl.score.bugs.attending import FLOAT_ATTENTION, HEADS, INTEGER_ATTENTION, WINDOWS
from refimpl.score.entry import Entry
from refimpl.score.mutant import mutants_of
from refimpl.score.point import Point, point
from refimpl.score.points.requantisation import requantisation
from refimpl.score.recipe import Recipe
from refimpl.score.seen import Seen, divided
from refimpl.vectors.case import Case

ROWS: tuple[Point, ...] = (
    point("row.all-equal", "row", "equal and keys > 1", "all scores of a row are equal"),
    point("row.one-hot", "row", "positive == 1 and met > 1",
          "every probability of a row but one is 0"),
    point("row.zero-probability", "row", "positive < met", "a probability of 0"),
    point("row.tie-at-maximum", "row", "maxima > 1 and not equal", "two keys share the maximum"),
    point("row.maximum-first", "row", "first and maxima == 1 and keys > 1",
          "the first key has the maximum"),
    point("row.maximum-last", "row", "last and maxima == 1 and keys > 1",
          "the last key has the maximum"),
    point("row.negative", "row", "negative", "every score of a row is negative"),
    point("row.underflow", "row", "vanished > 0", "an exponential that is 0"),
    point("row.all-but-one-underflow", "row", "vanished == met - 1 and met > 2",
          "every exponential of a row but one is 0"),
    point("case.batch", "case", "batch > 1", "more than one image"),
    point("case.strided", "case", "queries < pixels", "fewer queries than pixels"),
    point("case.ragged-keys", "case", "keys > tile_pixels and keys % tile_pixels != 0",
          "a ragged last tile of keys"),
    point("case.ragged-depth", "case", "depth > tile_c_in and depth % tile_c_in != 0",
          "a ragged last tile of a head's channels"),
)  # fmt: skip
BYTES: tuple[Point, ...] = (
    point("row.certain", "row", "highest == 255", "one probability takes everything"),
    point("row.loses", "row", "total < 255", "probabilities that sum to less than 1"),
    point("row.gains", "row", "total > 255", "probabilities that sum to more than 1"),
    point("row.sum-17-bits", "row", "row_sum > 65535", "a sum of exponentials beyond 16 bits",
          "table"),
    point("row.sum-19-bits", "row", "row_sum > 262143", "a sum of exponentials beyond 18 bits",
          "table"),
    point("row.last-entry", "row", "end > 0", "a difference at the table's last entry", "table"),
    point("row.scores-17-bits", "row", "largest_score > 32767", "a score of 17 bits"),
    point("case.table", "case", "table", "exponentials from a table"),
    point("case.float-softmax", "case", "not table", "a softmax in floats"),
)  # fmt: skip
GLOBAL: tuple[Point, ...] = (
    point("case.heads", "case", "heads > 1", "more than one head"),
    point("case.one-key", "case", "keys == 1", "a single key"),
)
LOCAL: tuple[Point, ...] = (
    point("row.masked", "row", "met < keys", "keys outside the image"),
    point("row.three-sides", "row", "met < keys - 6", "a window outside the image on three sides"),
    point("case.dilated", "case", "dilation_h > 1 or dilation_w > 1", "a dilated window"),
    point("case.oblong-window", "case", "kernel_h != kernel_w", "a window that is not square"),
)
OUTPUTS = requantisation("output", "output", "context")
SHARED = (
    Recipe(name="drawn", channels=3, outputs=4, height=2, width=3),
    Recipe(name="drawn-batch", batch=2, channels=5, outputs=6, height=2, width=3, x_zero=11),
    Recipe(name="strided", channels=2, outputs=2, height=3, width=4, stride=(2, 2)),
    Recipe(name="edges", channels=2, outputs=16, height=1, width=1, bias="edges"),
    Recipe(name="edges-more", channels=3, outputs=16, height=1, width=1, bias="edges"),
    Recipe(name="bf16", plain=True, softmax="bf16", outputs=4, height=2, width=3, t_zero=90,
           x_zero=-120),
    Recipe(name="bf16-more", plain=True, softmax="bf16", outputs=6, height=3, width=3, t_zero=90,
           x_zero=-120),
    Recipe(name="output-rails", plain=True, outputs=12, height=1, width=1, bias="rails",
           x_zero=-9),
    Recipe(name="beyond", plain=True, outputs=1, height=1, width=1, bias="huge", x_zero=-9,
           t_scale="unit"),
    Recipe(name="table", plain=True, softmax="table", outputs=5, height=3, width=3),
    Recipe(name="table-batch", batch=2, plain=True, softmax="table", outputs=3, height=3,
           width=3, x_zero=11),
    Recipe(name="table-wide", plain=True, softmax="table", outputs=6, height=3, width=4,
           scale="fine", x_zero=-128, values="rails"),
    Recipe(name="equal", plain=True, softmax="table", values="large", outputs=3, height=2,
           width=3),
    Recipe(name="rails", plain=True, softmax="table", values="rails", outputs=9, height=2, width=3,
           x_zero=-128, t_zero=-128),
    Recipe(name="rails-127", plain=True, softmax="table", values="rails", outputs=4, height=3,
           width=3, x_zero=127, t_zero=127),
    Recipe(name="one-hot", plain=True, softmax="table", values="impulse", outputs=5, height=3,
           width=3, x_zero=0, t_zero=0),
    Recipe(name="one-hot-float", plain=True, values="impulse", outputs=5, height=3, width=3,
           x_zero=0, t_zero=0, scale="unit"),
    Recipe(name="sharp", plain=True, softmax="table", outputs=4, height=2, width=3, scale="unit"),
    Recipe(name="flat", plain=True, softmax="table", values="small", outputs=4, height=3, width=4,
           scale="exact"),
    Recipe(name="flat-float", plain=True, values="small", outputs=4, height=3, width=4,
           scale="unit"),
    Recipe(name="ties", plain=True, softmax="table", values="small", outputs=6, height=3, width=4,
           scale="exact", t_scale="exact"),
    Recipe(name="ties-many", plain=True, softmax="table", values="small", outputs=16, height=3,
           width=4, scale="exact", t_scale="exact"),
    Recipe(name="ties-more", plain=True, softmax="table", values="small", outputs=24, height=3,
           width=4, scale="exact", t_scale="exact", x_zero=0),
    Recipe(name="ties-float", plain=True, values="small", outputs=16, height=3, width=4,
           scale="exact", t_scale="exact"),
    Recipe(name="opposed", plain=True, softmax="table", values="opposed", outputs=4, height=2,
           width=3, scale="exact"),
    Recipe(name="opposed-float", plain=True, values="opposed", outputs=4, height=2, width=3,
           scale="exact"),
    Recipe(name="sweep", plain=True, softmax="table", values="sweep", outputs=256, height=1,
           width=1),
    Recipe(name="sweep-rails", plain=True, softmax="table", values="sweep", outputs=64, height=1,
           width=1, t_scale="unit"),
    Recipe(name="soft", plain=True, softmax="table", outputs=6, height=3, width=4, scale="fine"),
    Recipe(name="soft-float", plain=True, outputs=6, height=3, width=4, scale="fine"),
    Recipe(name="float-batch", batch=2, plain=True, outputs=3, height=3, width=3),
)  # fmt: skip
HEADED = (
    Recipe(name="heads", plain=True, softmax="table", outputs=6, height=2, width=3, heads=2),
    Recipe(name="heads-float", plain=True, outputs=6, height=2, width=3, heads=3),
    Recipe(name="many-keys", plain=True, softmax="table", values="small", outputs=2, height=4,
           width=6, scale="fine", stride=(2, 2)),
)  # fmt: skip
WINDOWED = (
    Recipe(name="dilated", plain=True, softmax="table", outputs=3, height=4, width=5,
           dilation=(2, 1)),
    Recipe(name="oblong", plain=True, outputs=2, height=3, width=5, kernel=(1, 3)),
    Recipe(name="wide-window", plain=True, softmax="table", values="small", outputs=2, height=4,
           width=5, kernel=(5, 5), scale="fine"),
)  # fmt: skip
FLOATS = (
    Recipe(name="plain", values="bell", channels=3, outputs=4, height=2, width=3),
    Recipe(name="batch", batch=2, values="bell", channels=5, outputs=5, height=2, width=3),
    Recipe(name="strided", values="bell", channels=2, outputs=2, height=3, width=4, stride=(2, 2)),
    Recipe(name="soft", values="bell", channels=6, outputs=6, height=3, width=3, scale="fine"),
    Recipe(name="sharp", values="bell", channels=4, outputs=4, height=3, width=4, scale="exact"),
    Recipe(name="equal", values="large", channels=4, outputs=3, height=2, width=3),
    Recipe(name="opposed", values="opposed", channels=3, outputs=3, height=2, width=3),
    Recipe(name="spread", values="spread", channels=6, outputs=6, height=3, width=3, scale="fine"),
    Recipe(name="cancelling", values="cancelling", channels=6, outputs=4, height=2, width=3),
    Recipe(name="subnormal", values="subnormal", channels=4, outputs=3, height=2, width=3),
    Recipe(name="pairs", values="pairs", channels=4, outputs=3, height=1, width=3),
    Recipe(name="tiny", values="tiny", channels=4, outputs=3, height=2, width=3),
)
FLOAT_HEADED = (
    Recipe(name="heads", values="bell", channels=3, outputs=6, height=2, width=3, heads=2),
    Recipe(name="one-key", values="bell", channels=3, outputs=2, height=1, width=1),
)
FLOAT_WINDOWED = (
    Recipe(name="dilated", values="bell", channels=2, outputs=3, height=4, width=5,
           dilation=(2, 1)),
    Recipe(name="oblong", values="bell", channels=2, outputs=2, height=3, width=5, kernel=(1, 3)),
)  # fmt: skip


def look(case: Case, stages: Stages) -> Seen:
    """Every row of the softmax, and every output; nothing where a case has no softmax."""
    attributes, integer = case.attributes, case.arithmetic == "int8"
    scores = stages["scores"]
    pixels = case.tensors["x"].shape[2] * case.tensors["x"].shape[3]
    heads = attributes.get("heads", 1)
    sizes: dict[str, Any] = {
        "batch": len(scores), "heads": heads, "keys": scores.shape[3], "pixels": pixels,
        "queries": scores[0, ..., 0].size // heads, "depth": stages["q"].shape[1] // heads,
        "table": attributes.get("softmax", {}).get("kind", "float") == "integer",
    }  # fmt: skip
    for name in ("kernel", "dilation"):
        sizes |= dict(zip((f"{name}_h", f"{name}_w"), attributes.get(name, (1, 1)), strict=True))
    events: dict[str, Any] = {"row": [], "output": []}
    if integer:
        events["output"].append(_outputs(case, stages))
    if attributes.get("normalise", "softmax") == "softmax":
        events["row"].append(_rows(case, stages))
    return Seen(sizes, events, [])


def _outputs(case: Case, stages: Stages) -> dict[str, Any]:
    context = stages["context"].astype(np.int64)
    factor = [
        case.tensors[name].astype(np.int64)[:, None, None] for name in ("multiplier", "shift")
    ]
    before = {"before_clip": stages["before_clip"].astype(np.int64)}
    return (
        {"context": context, "zero": case.attributes["y_zero"]}
        | before
        | divided(context, factor[0], factor[1])
    )


def _rows(case: Case, stages: Stages) -> dict[str, Any]:
    scores, probabilities = stages["scores"], stages["probabilities"]
    met = _met(case, stages)
    seen = np.where(met, scores.astype(np.float64), -np.inf)
    is_top = seen == seen.max(axis=3, keepdims=True)
    rows = {
        "equal": (is_top | ~met).all(axis=3),
        "maxima": is_top.sum(axis=3),
        "first": is_top[..., 0],
        "last": is_top[..., -1],
        "negative": (seen < 0).all(axis=3),
        "vanished": ((stages["exp_output"] == 0) & met).sum(axis=3),
        "positive": (probabilities != 0).sum(axis=3),
        "met": met.sum(axis=3),
    }
    if case.arithmetic == "int8":
        rows |= {
            "highest": probabilities.max(axis=3),
            "total": probabilities.astype(np.int64).sum(axis=3),
            "row_sum": stages["row_sum"][..., 0].astype(np.int64),
            "end": ((stages["exp_input"] == 255) & met).sum(axis=3),
            "largest_score": np.abs(scores.astype(np.int64)).max(axis=3),
        }
    return rows


def _met(case: Case, stages: Stages) -> Any:
    """Which keys are in the image, in the shape of scores: a window of ones shows it."""
    scores = stages["scores"]
    if case.operator == "global_attention":
        return np.ones(scores.shape, bool)
    ones = {which: np.ones_like(stages[which], np.int64) for which in "qkv"}
    tokens = local_tokens(ones["q"], ones["k"], ones["v"], case.attributes)
    return np.broadcast_to(tokens.inside, (len(tokens.inside), 1, scores.shape[3])).reshape(
        scores.shape
    )


def _entry(operator: str, arithmetic: str) -> Entry:
    integer, name = arithmetic == "int8", f"{operator}.{arithmetic}"
    meeting, own = (HEADS, GLOBAL) if operator == "global_attention" else (WINDOWS, LOCAL)
    more = {
        ("global_attention", True): HEADED, ("local_attention", True): WINDOWED,
        ("global_attention", False): FLOAT_HEADED, ("local_attention", False): FLOAT_WINDOWED,
    }[operator, integer]  # fmt: skip
    bugs = INTEGER_ATTENTION if integer else FLOAT_ATTENTION
    return Entry(
        operator=name,
        model=attention_model(operator, arithmetic),
        mutants=mutants_of(name, *bugs, *meeting),
        points=ROWS + own + (BYTES + OUTPUTS if integer else ()),
        recipes=(SHARED if integer else FLOATS) + more,
        cook=cook_attention(operator, arithmetic),
        look=look,
    )


ENTRIES = tuple(
    _entry(operator, arithmetic)
    for operator in ("global_attention", "local_attention")
    for arithmetic in ("int8", "fp32")
)
