"""Claims about integers: merging before requantisation, saturation, and the two halves of [x; T].

A product p stands for accumulator × multiplier; a rule rounds p/2^s. Statements with an unbounded
domain are decided by a solver (``proofs.smt``), for all integers at once.
"""

from itertools import product
from typing import Any

import numpy as np

from proofs.article import ours
from proofs.claim import Hypothesis, claim
from proofs.domain import Grid, grid
from proofs.rings import Array
from refimpl import conv2d
from refimpl.bitexact.quantise import lost_bits, quantise_weights
from refimpl.bitexact.requantise import RULES

SHIFT = 31  # the least that requantise allows; the rules depend on p/2^s only


@claim(
    source=ours(),
    status="identity",
    evidence="exhaustive search",
    why="They are the same formulas; this compares them on ties, their neighbours and both signs.",
    over=grid(
        rule=tuple(RULES),
        shift=(31, 32, 35),
        halves=tuple(range(-9, 10)),
        beside=(-1, 0, 1, 2**29, -(2**29)),
    ),
)
def the_solver_reasons_about_the_shipped_rounding(
    rule: str, shift: int, halves: int, beside: int
) -> bool:
    """The rounding rules given to the solver are those of `refimpl.bitexact.requantise`."""
    from proofs import smt  # noqa: PLC0415 - an extra

    number = halves * 2 ** (shift - 1) + beside
    shipped = RULES[rule](np.array([number], np.int64), np.array([shift], np.int64))
    return int(shipped[0]) == smt.RULES[rule](number, shift)


def _difference_grid(rule: str, branches: tuple[int, ...]) -> Grid:
    return grid(rule=(rule,), branches=branches, saturate=(False,))


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="SMT solver",
    why="Each rounding errs by at most half a step: B halves against one.",
    proof="With errors e_i and e in [−½, ½], Σ round(p_i) − round(Σ p_i) = Σ e_i − e is an integer "
    "of at most (B + 1)/2; for odd B equality would need all B + 1 to be ties in one direction, "
    "which ties upwards exclude and ties to even do not.",
    over=_difference_grid("half_up", (1, 2, 3, 4)),
    hypotheses=(
        Hypothesis(
            text="rounding is to the nearest integer, ties upwards",
            without=grid(rule=("half_even", "floor"), branches=(3,), saturate=(False,)),
        ),
        Hypothesis(
            text="no branch saturates",
            without=grid(rule=("half_up",), branches=(2,), saturate=(True,)),
        ),
    ),
)
def merging_before_requantisation_differs_by_half_the_branches(
    rule: str, branches: int, saturate: bool
) -> bool:
    """Requantising B branches of one scale and adding differs from merging first by ≤ ⌊B/2⌋.

    For all integers, before the last saturation. With ties to even the bound is ⌈B/2⌉, one more for
    an odd number of branches from three on; for truncation (floor) it is B − 1.
    """
    import z3  # noqa: PLC0415 - an extra

    from proofs import smt  # noqa: PLC0415 - an extra

    parts = z3.Ints([f"p{number}" for number in range(branches)])
    rounding = smt.RULES[rule]
    last: Any = smt.clip if saturate else lambda value: value
    apart = z3.Sum([last(rounding(each, SHIFT)) for each in parts])
    difference = apart - rounding(z3.Sum(parts), SHIFT)
    bound = branches // 2
    return smt.decide(z3.And(difference <= bound, difference >= -bound)).holds


BOUNDS = {
    "half_up": lambda b: b // 2,
    "half_even": lambda b: (b + 1) // 2,
    "floor": lambda b: b - 1,
}
"""The largest difference with B ≥ 2 branches, rule by rule."""


@claim(
    source=ours("A4"),
    status="bounded",
    evidence="SMT solver",
    why="The bound is reached where all branches are ties, or just short of the next integer.",
    over=grid(rule=tuple(BOUNDS), branches=(2, 3, 4)),
)
def the_bounds_of_merging_before_requantisation_are_reached(rule: str, branches: int) -> bool:
    """Largest difference of B branches: ⌊B/2⌋ (ties up), ⌈B/2⌉ (even, odd B), B − 1 (floor).

    No integers differ by more, and some differ by as much.
    """
    import z3  # noqa: PLC0415 - an extra

    from proofs import smt  # noqa: PLC0415 - an extra

    parts = z3.Ints([f"p{number}" for number in range(branches)])
    rounding, bound = smt.RULES[rule], BOUNDS[rule](branches)
    if rule == "half_even" and branches % 2 == 0:
        bound = branches // 2
    apart = z3.Sum([rounding(each, SHIFT) for each in parts]) - rounding(z3.Sum(parts), SHIFT)
    within = smt.decide(z3.And(apart <= bound, apart >= -bound))
    reached = smt.decide(z3.And(apart < bound, apart > -bound))
    return within.holds and not reached.holds


@claim(
    source=ours("A4"),
    status="bounded",
    evidence="SMT solver",
    why="Two branches that saturate in opposite directions lose what they would have cancelled.",
    over=grid(most=(128,)),
)
def saturating_branches_err_by_up_to_128(most: int) -> bool:
    """Two int8 branches saturated before they are added err by up to 128 of 255 steps.

    That is after the last saturation; before it the difference has no bound at all.
    """
    import z3  # noqa: PLC0415 - an extra

    from proofs import smt  # noqa: PLC0415 - an extra

    a, b, bound = z3.Ints("a b bound")
    apart = smt.clip(a) + smt.clip(b)
    after = smt.clip(apart) - smt.clip(a + b)
    within = smt.decide(z3.And(after <= most, after >= -most))
    reached = smt.decide(z3.And(after < most, after > -most))
    bounded = smt.decide(z3.Exists([bound], z3.ForAll([a, b], apart - (a + b) <= bound)))
    return within.holds and not reached.holds and not bounded.holds


def merged_weight(w_c: Any, w_a: Any) -> Any:
    """The weight of one kernel that stands for two on the same input."""
    return w_c + w_a


def saturated(weight: int) -> int:
    """A weight as int8 holds it."""
    return min(max(weight, -128), 127)


@claim(
    source=ours("A4"),
    status="conditional",
    evidence="SMT solver",
    why="Addition and multiplication modulo 2³² are a ring, whatever overflows on the way.",
    over=grid(taps=(1, 2, 3), accumulator=("wraps",)),
    hypotheses=(
        Hypothesis(
            text="the accumulator wraps or is wide enough, and does not saturate",
            without=grid(taps=(1,), accumulator=("saturates",)),
        ),
    ),
)
def merged_weights_sum_like_branches_in_a_wrapping_accumulator(taps: int, accumulator: str) -> bool:
    """Σ (w_c + w_a)·x = Σ w_c·x + Σ w_a·x for all int32, the accumulator wrapping modulo 2³².

    The weights are merged in full width. (Saturation is shown on 8-bit sums of 4-bit weights.)
    """
    import z3  # noqa: PLC0415 - an extra

    from proofs import smt  # noqa: PLC0415 - an extra

    if accumulator == "saturates":
        c, a, x = z3.Ints("c a x")
        small = z3.And(*(each >= -8 for each in (c, a)), *(each <= 7 for each in (c, a)))
        small = z3.And(small, x >= -128, x <= 127)
        merged, apart = (
            smt.clip(merged_weight(c, a) * x),
            smt.clip(smt.clip(c * x) + smt.clip(a * x)),
        )
        return smt.decide(z3.Implies(small, merged == apart)).holds
    x, c, a = (z3.BitVecs([f"{name}{tap}" for tap in range(taps)], 32) for name in "xca")
    merged = sum(
        (merged_weight(p, q) * v for p, q, v in zip(c, a, x, strict=True)),
        start=z3.BitVecVal(0, 32),
    )
    first = sum((p * v for p, v in zip(c, x, strict=True)), start=z3.BitVecVal(0, 32))
    second = sum((q * v for q, v in zip(a, x, strict=True)), start=z3.BitVecVal(0, 32))
    return smt.decide(merged == first + second).holds


def _explain_saturated(total: int, w_c: int, x: int) -> str:
    return (
        f"w_c = {w_c} and w_a = {total - w_c} on x = {x} give {total * x}; the merged weight "
        f"{total} does not fit in int8, and saturated to 127 gives {127 * x}"
    )


@claim(
    source=ours("A4"),
    status="false",
    evidence="exhaustive search",
    why="The sum of two int8 weights needs nine bits.",
    over=grid(total=range(1, 255), w_c=(127, 1), x=(1,)),
    order="the sum of both weights upwards from 1",
    explain=_explain_saturated,
)
def saturated_merged_weights_compute_the_same(total: int, w_c: int, x: int) -> bool:
    """Two int8 kernels on one input can be merged into one int8 kernel, saturated where needed."""
    w_a = total - w_c
    if not -128 <= w_a <= 127:
        return True
    return saturated(merged_weight(w_c, w_a)) * x == w_c * x + w_a * x


def _halves(seed: int, ratio: int) -> Array:
    """Kernels (o, 2, 3, 3) of one channel of x and one of T, T's larger by about ``ratio``."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((3, 2, 3, 3)) * np.array([1, ratio]).reshape(1, 2, 1, 1)


@claim(
    source=ours("A2"),
    status="bounded",
    evidence="exhaustive search",
    why="Weights share one scale per output, so the half whose weights are smaller by 2^b uses "
    "127/2^b steps.",
    over=grid(seed=range(12), ratio=(1, 3, 20, 300)),
)
def absorbing_two_scales_costs_the_logarithm_of_their_ratio(seed: int, ratio: int) -> bool:
    """Absorbing s_T/s_x into the weights leaves the weaker half between 127/2^(b+1) and 127/2^b.

    Of the 127 steps of int8, b = `lost_bits`: the whole bits that one scale for both halves of
    [x; T(x)] costs the half with the smaller weights, at the output where it costs most.
    """
    w = _halves(seed, ratio)
    bits = lost_bits(w, 1)
    steps = np.abs(quantise_weights(w).w.astype(int)).reshape(3, 2, -1).max(axis=2)
    weakest = int(steps.min())
    return 127 / 2 ** (bits + 1) - 1 <= weakest <= 127 / 2**bits + 1


def _zero_grid(side: int, padding: int) -> Grid:
    return grid(zeros=tuple(product((-3, 0, 5), repeat=2)), side=(side,), padding=(padding,))


@claim(
    source=ours("A2"),
    status="conditional",
    evidence="exhaustive search",
    why="Inside the image a zero point adds z·Σw to every output, which a bias can take back; at "
    "the border the padding holds another number.",
    over=_zero_grid(3, 0),
    hypotheses=(
        Hypothesis(text="the convolution does not pad with zeros", without=_zero_grid(3, 1)),
    ),
)
def the_zero_point_of_the_products_folds_into_the_bias(
    zeros: tuple[int, int], side: int, padding: int
) -> bool:
    """An engine with one zero point can take [x; T(x)] with two, the other one in the bias.

    It subtracts z_x from all channels and pads with z_x; what it misses is (z_T − z_x)·Σ w_T.
    """
    rng = np.random.default_rng(1)
    x, t = (rng.integers(-20, 20, (1, 1, 4, 4)).astype(object) for _ in range(2))
    w = rng.integers(-9, 9, (1, 2, side, side)).astype(object)
    right = conv2d(np.concatenate([x - zeros[0], t - zeros[1]], 1), w, padding=padding)
    bias = np.array([(zeros[0] - zeros[1]) * w[:, 1].sum()], object)
    one_zero = conv2d(np.concatenate([x, t], 1) - zeros[0], w, bias, padding=padding)
    return bool(np.all(right == one_zero))
