"""The contract of merged int8 kernels: the accumulators of both, to the last bit."""

from collections.abc import Callable

import numpy as np

from proofs.conformance.contract import Arguments, Array, Contract, Property, Stages, Suspect
from proofs.strategies import int8_arguments
from refimpl import conv2d

Merge = Callable[[Array, Array], Array]


def _accumulated(merge: Merge, last: Callable[[Array], Array]) -> Callable[[Arguments], Stages]:
    def run(arguments: Arguments) -> Stages:
        x, w_c, w_a = (arguments[name].astype(np.int64) for name in ("x", "w_c", "w_a"))
        weights = merge(w_c, w_a)
        y = conv2d(x, weights, padding=w_c.shape[2] // 2)
        return {"weights": weights, "y": last(y)}

    return run


def _add(w_c: Array, w_a: Array) -> Array:
    return w_c + w_a


def _as_is(y: Array) -> Array:
    return y


def _clipped(bits: int) -> Callable[[Array], Array]:
    most = 2 ** (bits - 1)
    return lambda array: np.clip(array, -most, most - 1)


def _wrapped(array: Array) -> Array:
    return array.astype(np.int8).astype(np.int64)


def _exchanges(run: Callable[[Arguments], Array], arguments: Arguments) -> bool:
    """Both kernels see the same image, so which one is which makes no difference."""
    swapped = {**arguments, "w_c": arguments["w_a"], "w_a": arguments["w_c"]}
    return bool(np.array_equal(run(arguments), run(swapped)))


def _is_linear(run: Callable[[Arguments], Array], arguments: Arguments) -> bool:
    """Without the second kernel, and without the first, the accumulators add up."""
    zero = arguments["w_c"] * 0
    parts = run({**arguments, "w_a": zero}) + run({**arguments, "w_c": zero})
    return bool(np.array_equal(run(arguments), parts))


MERGED_INT8 = Contract(
    name="merged-int8",
    takes="(x, w_c, w_a), all int8; the int32 accumulators of both kernels on x",
    claims=(
        "merged-weights-sum-like-branches-in-a-wrapping-accumulator",
        "saturated-merged-weights-compute-the-same",
    ),
    draw=int8_arguments,
    reference=_accumulated(_add, _as_is),
    options={"side": 3},
    suspects=(
        Suspect(
            "merged weights are saturated to int8",
            _accumulated(lambda w_c, w_a: _clipped(8)(w_c + w_a), _as_is),
        ),
        Suspect(
            "merged weights wrap around int8",
            _accumulated(lambda w_c, w_a: _wrapped(w_c + w_a), _as_is),
        ),
        Suspect("accumulators are saturated to 16 bits", _accumulated(_add, _clipped(16))),
        Suspect("the second kernel is left out", _accumulated(lambda w_c, _: w_c, _as_is)),
    ),
    properties=(
        Property(
            "both kernels may be exchanged",
            "merged-weights-sum-like-branches-in-a-wrapping-accumulator",
            _exchanges,
        ),
        Property(
            "accumulators of both kernels add up",
            "merged-weights-sum-like-branches-in-a-wrapping-accumulator",
            _is_linear,
        ),
    ),
)
