"""Every claim comes out as its status says, and every claim can be seen to fail."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import refimpl
from proofs import catalogue, pool
from proofs.catalogue import CLAIMS, collect, find, select
from proofs.claim import Claim
from proofs.claims import (
    attention,
    branches,
    contract,
    degree,
    dynamic_kernel,
    folding,
    gradients,
    hardware,
    merging,
    pixel_shift,
    rounding,
    sharing,
    single_convolution,
    stacking,
)
from proofs.hypotheses import HYPOTHESES
from proofs.pool import check_all
from proofs.verdict import check
from refimpl.fuse import Folded, MergeError

Function = Callable[..., Any]


class Break(NamedTuple):
    """One function as a claim sees it, and how to make it wrong."""

    what: str
    module: Any
    name: str
    wrong: Callable[[Function], Function]


def forget_beta(right):
    return lambda w, b, bn, **options: right(w, b, bn._replace(beta=bn.beta * 0), **options)


def subtract_the_mean_after_scaling(right):
    """The classic mistake: b·s − μ + β instead of (b − μ)·s + β."""

    def wrong(w, b, bn, *, eps):
        folded = right(w, b, bn, eps=eps)
        scale = bn.gamma / np.sqrt(bn.var + eps)
        return Folded(folded.w, folded.b + bn.mean * scale - bn.mean)

    return wrong


def put_off_centre(right):
    return lambda w, kernel: np.roll(right(w, kernel), 1, axis=3)


def drop_the_attention_bias(right):
    return lambda conv, attention: right(conv, replace(attention, b=None))


def never_refuse(right):
    def wrong(conv, attention):
        try:
            return right(conv, attention)
        except MergeError:
            return None

    return wrong


def refuse_always(_):
    def wrong(*_):
        raise MergeError("equal stride", "no merging today")

    return wrong


def always(**options):
    """Call the right function with some options overruled."""
    return lambda right: lambda *args, **given: right(*args, **given | options)


def opposite(right):
    """Look the other way."""

    def wrong(*args, directions=refimpl.FOUR_DIRECTIONS, **options):
        back = tuple((-down, -right_) for down, right_ in directions)
        return right(*args, directions=back, **options)

    return wrong


def add_a_linear_term(right):
    return lambda x, *args, **options: right(x + 1, *args, **options)


def forget_the_products(_):
    def wrong(x, w, b=None, *, stride=1, dilation=1, **_):
        return refimpl.conv2d(x, w[:, : x.shape[1]], b, stride=stride, dilation=dilation)

    return wrong


def positive_weights(right):
    return lambda x, w, **options: right(x, abs(w), **options)


def shift_backwards(right):
    return lambda x, *, offset, **options: right(x, offset=(-offset[0], -offset[1]), **options)


def forget_to_displace(right):
    return lambda w, _, margin: right(w, (0, 0), margin)


def widen(right):
    return lambda *args, **options: right(*args, **options).astype(np.float64)


def look_right_only(right):
    def wrong(x, w, **options):
        return right(x, w[:, : x.shape[1]], **options | {"directions": ((0, 1),)})

    return wrong


def double_the_gradient_of_x(right):
    def wrong(*args, **options):
        grads = right(*args, **options)
        return grads._replace(x=grads.x + grads.x)

    return wrong


def drop_the_gradient_of_b(right):
    def wrong(*args, **options):
        grads = right(*args, **options)
        return grads._replace(b=grads.b * 0)

    return wrong


def forget_the_key(right):
    """The product rule with one of its two terms."""

    def wrong(dy, q, k=None, **options):
        both = right(dy, q, q if k is None else k, **options)
        return both._replace(q=both.q, k=None) if k is None else both

    return wrong


def one_more_operator(right):
    return lambda: right() | {"unheard_of"}


def off_by_one(right):
    return lambda *args: right(*args)._replace(total=right(*args).total + 1)


def forget_the_drain(right):
    def wrong(gemm, array, flow):
        cycles = right(gemm, array, flow)
        return cycles._replace(total=cycles.total - min(getattr(gemm, flow.rows), array.rows))

    return wrong


def wrong_product(right):
    def wrong(a, b, array, dataflow):
        simulated = right(a, b, array, dataflow)
        return simulated._replace(product=simulated.product + 1)

    return wrong


def one_cycle_more(right):
    return lambda *args: right(*args) + 1


def filter_read_once_more(right):
    def wrong(*args):
        moved = right(*args)
        return moved._replace(filter_bytes=moved.filter_bytes + 1)

    return wrong


def lower_as(form, instead):
    """Lower one form as if it were another."""
    return lambda right: (
        lambda asked, site, **options: right(instead if asked == form else asked, site, **options)
    )


def no_extra_operators(right):
    def wrong(form, site, **options):
        lowered = right(form, site, **options)
        return tuple(each for each in lowered if isinstance(each, hardware.Convolution))

    return wrong


FUSED_IS_PLAIN = lower_as("xvolution-fused", "convolution")
FUSED_IS_TRAINING = lower_as("xvolution-fused", "xvolution-training")

BREAKS: dict[str, tuple[Break, ...]] = {
    "batch-norm-folds-into-the-convolution": (
        Break("β forgotten", folding, "fold_batch_norm", forget_beta),
        Break("μ unscaled", folding, "fold_batch_norm", subtract_the_mean_after_scaling),
    ),
    "batch-norm-folds-into-the-convolution-after-it": (
        Break("β forgotten", folding, "fold_batch_norm", forget_beta),
    ),
    "a-small-kernel-is-a-large-one-with-zeros": (
        Break("off centre", folding, "embed", put_off_centre),
    ),
    "parallel-branches-merge": (
        Break("off centre", folding, "embed", put_off_centre),
        Break("relu is linear", branches, "relu", lambda _: lambda y: y),
    ),
    "training-form-equals-the-fused-feature-form": (
        Break("bias dropped", merging, "merge", drop_the_attention_bias),
        Break("other way", merging, "xvolution_fused", opposite),
        Break("always wraps", merging, "xvolution_fused", always(boundary="circular")),
    ),
    "merge-refuses-exactly-what-it-must": (
        Break("never refuses", merging, "merge", never_refuse),
        Break("always refuses", merging, "merge", refuse_always),
    ),
    "float32-forms-differ-by-rounding-only": (
        Break("bias dropped", rounding, "merge", drop_the_attention_bias),
    ),
    "pssa-is-the-steps-of-the-article": (
        Break("always wraps", pixel_shift, "pssa", always(boundary="circular")),
        Break("length ignored", pixel_shift, "pssa", always(length=1)),
        Break("other way", pixel_shift, "pssa", opposite),
    ),
    "pssa-is-one-convolution-on-shift-products": (
        Break("always wraps", pixel_shift, "shift_product", always(boundary="circular")),
        Break("stride ignored", pixel_shift, "conv2d", always(stride=1)),
    ),
    "pssa-is-even-and-homogeneous-of-degree-two": (
        Break("linear term", degree, "pssa", add_a_linear_term),
    ),
    "local-attention-is-odd-and-homogeneous-of-degree-three": (
        Break("linear term", degree, "local_attention", add_a_linear_term),
        Break("softmax", degree, "local_attention", always(normalise="softmax")),
    ),
    "x-volution-is-a-convolution-of-its-input": (
        Break("no products", single_convolution, "xvolution_fused", forget_the_products),
    ),
    "only-zero-attention-weights-give-a-convolution": (
        Break("nothing cancels", single_convolution, "pssa", positive_weights),
    ),
    "opposite-directions-are-redundant": (Break("backwards", sharing, "shift", shift_backwards),),
    "an-opposite-direction-folds-into-a-larger-kernel": (
        Break("not displaced", sharing, "displaced", forget_to_displace),
        Break("always wraps", sharing, "shift_product", always(boundary="circular")),
        Break("never wraps", sharing, "shift_product", always(boundary="zero")),
    ),
    "x-volution-is-a-static-plus-a-dynamic-kernel": (
        Break("other way", dynamic_kernel, "xvolution_fused", opposite),
        Break("always wraps", dynamic_kernel, "xvolution_fused", always(boundary="circular")),
    ),
    "x-volution-keeps-the-contract-of-a-convolution": (
        Break("float64", contract, "xvolution_fused", widen),
        Break("stride ignored", contract, "xvolution_fused", always(stride=1)),
    ),
    "stacking-reaches-the-whole-image": (
        Break("one direction", stacking, "pssa", look_right_only),
        Break("length ignored", stacking, "pssa", always(length=1)),
    ),
    "convolution-is-attention-with-one-hot-positions": (
        Break("backwards", attention, "shift", shift_backwards),
    ),
    "unnormalised-global-attention-is-a-convolution-per-image": (
        Break("scaled", attention, "global_attention", always(scale=Fraction(1, 2))),
    ),
    "every-backward-is-the-adjoint-of-the-derivative": (
        Break("dx doubled", refimpl, "pssa_backward", double_the_gradient_of_x),
        Break("db dropped", refimpl, "conv2d_backward", drop_the_gradient_of_b),
        Break("half the product rule", refimpl, "shift_product_backward", forget_the_key),
        Break("γ not scaled", refimpl, "batch_norm_training_backward", double_the_gradient_of_x),
        Break("no case", gradients, "operators", one_more_operator),
    ),
    "central-differences-of-quadratic-operators-are-exact": (
        Break("dx doubled", refimpl, "xvolution_fused_backward", double_the_gradient_of_x),
        Break("db dropped", refimpl, "linear_backward", drop_the_gradient_of_b),
    ),
    "output-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("no drain", hardware, "array_cycles", forget_the_drain),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "weight-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "input-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "dram-traffic-is-what-walking-the-tiles-moves": (
        Break("one byte more", hardware, "traffic", filter_read_once_more),
    ),
    "scheduled-cycles-are-what-time-stepping-takes": (
        Break("off by one", hardware, "total_cycles", one_cycle_more),
    ),
    "fused-x-volution-adds-no-computation": (
        Break("fused is plain", hardware, "lower", FUSED_IS_PLAIN),
    ),
    "fused-x-volution-takes-one-plus-d-times-the-macs": (
        Break("fused is plain", hardware, "lower", FUSED_IS_PLAIN),
        Break("fused is training", hardware, "lower", FUSED_IS_TRAINING),
        Break("D = 8", hardware, "DIRECTIONS", lambda _: 8),
    ),
    "merging-saves-no-multiplications-on-the-array": (
        Break("fused is plain", hardware, "lower", FUSED_IS_PLAIN),
        Break("fused is training", hardware, "lower", FUSED_IS_TRAINING),
    ),
    "fused-x-volution-needs-only-convolution": (
        Break("no multiplication", hardware, "lower", no_extra_operators),
    ),
}

each_claim = pytest.mark.parametrize("each", CLAIMS.values(), ids=lambda each: each.id)


@each_claim
def test_a_claim_comes_out_as_its_status_says(each: Claim, verdict_of):
    verdict = verdict_of(each.id)
    assert verdict.surprise is None
    assert verdict.cases >= (1 if each.status == "false" else 8)


def test_every_claim_has_a_break():
    assert set(BREAKS) == set(CLAIMS)
    assert all(BREAKS.values())


@pytest.mark.parametrize(
    ("id_", "broken"),
    [
        pytest.param(id_, broken, id=f"{id_}: {broken.what}")
        for id_, breaks in BREAKS.items()
        for broken in breaks
    ],
)
def test_a_broken_model_is_seen_to_fail(id_, broken, monkeypatch):
    monkeypatch.setattr(
        broken.module, broken.name, broken.wrong(getattr(broken.module, broken.name))
    )
    verdict = check(CLAIMS[id_])
    assert verdict.surprise is not None
    errors = [verdict.error, *(search.error for search in verdict.dropped)]
    assert not any(errors), "a break must be refuted, not merely crash"


@each_claim
def test_a_hypothesis_is_missed_because_of_numbers_not_of_shapes(each: Claim, monkeypatch):
    """Dropping it leaves two arrays of one shape; what differs is what is in them."""

    def compare(left, right):
        assert left.shape == right.shape
        return bool((left == right).all())

    for module in catalogue.MODULES:
        if hasattr(module, "same"):
            monkeypatch.setattr(module, "same", compare)
    for hypothesis in each.hypotheses:
        assert not all(each.holds(**case) for case in hypothesis.without)


@pytest.mark.parametrize("flow", ["output", "weight", "input"])
def test_cycle_counts_are_held_against_five_hundred_simulations_and_sides_that_do_not_divide(flow):
    cases = list(CLAIMS[f"{flow}-stationary-cycles-are-what-the-array-takes"].over)
    assert len(cases) >= 500
    assert any(case["m"] % case["rows"] and case["n"] % case["cols"] for case in cases)


def test_a_claim_is_found_by_its_id():
    assert find("parallel-branches-merge") is folding.parallel_branches_merge


def test_an_unknown_id_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="not 'paralel-branch-merge'; the nearest is parallel-br"):
        find("paralel-branch-merge")


def test_patterns_select_by_id_and_by_article_in_the_order_of_the_catalogue():
    assert select(()) == tuple(CLAIMS.values())
    assert [each.id for each in select(["parallel-branches-merge"])] == ["parallel-branches-merge"]
    assert {each.source.id.partition(".")[0] for each in select(["A4"])} == {"A4"}
    assert {each.source.id for each in select(["A4.2"])} == {"A4.2"}
    both = select(["*cycles*", "A8"])
    assert [each for each in CLAIMS.values() if each in both] == list(both)
    assert len(both) == 5


def test_a_pattern_that_matches_nothing_is_an_error_even_beside_one_that_does():
    with pytest.raises(ValueError, match=r"not 'A44\.1'; the nearest is A4\.1"):
        select(["A4", "A44.1"])


def test_checking_all_checks_each_and_says_which_is_next(monkeypatch):
    few = {each.id: each for each in select(["A7"])}
    monkeypatch.setattr(pool, "CLAIMS", few)
    announced: list[Claim] = []
    verdicts = check_all(announced.append)
    assert [verdict.claim for verdict in verdicts] == announced == list(few.values())
    assert all(verdict.as_expected for verdict in verdicts)


def test_every_claim_of_a_module_is_in_the_catalogue_under_an_id_of_its_own():
    claims = [
        value
        for module in catalogue.MODULES
        for value in vars(module).values()
        if isinstance(value, Claim)
    ]
    assert list(CLAIMS.values()) == claims


def module_with(**claims):
    return SimpleNamespace(**claims)


def test_an_unknown_hypothesis_does_not_load():
    known = folding.parallel_branches_merge
    strange = replace(known.hypotheses[0], text="the moon is full")
    with pytest.raises(
        ValueError, match=r"must be one of proofs\.hypotheses, not 'the moon is full'"
    ):
        collect([module_with(one=replace(known, hypotheses=(strange,)))])


def test_two_claims_of_one_id_do_not_load():
    known = folding.parallel_branches_merge
    with pytest.raises(ValueError, match="must have an id of its own"):
        collect([module_with(one=known), module_with(other=known)])


def test_every_known_hypothesis_is_one_of_a_claim():
    used = {hypothesis.text for each in CLAIMS.values() for hypothesis in each.hypotheses}
    assert used == set(HYPOTHESES)
