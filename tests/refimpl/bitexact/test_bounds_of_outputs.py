"""Bounds of every float operator: references against definitions, devices of the class and others.

A device of a class is the pipeline under another declaration: any lanes, tree, passes, fusion.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.adders import BINARY32, Adders, adders_for, coarsest
from refimpl.bitexact.bounds import Bound, bound_output, bound_outputs, class_of, unbounded
from refimpl.bitexact.formats import FORMATS, decode, default_cast, encode
from refimpl.bitexact.operators import ALL_OPERATORS, FLOAT_ARITHMETICS, PIPELINES
from refimpl.bitexact.outputs import is_output
from refimpl.bitexact.records import SUMS
from refimpl.ops.batch_norm import BatchNorm, batch_norm
from refimpl.ops.conv2d import conv2d_backward
from refimpl.ops.global_attention import global_attention
from refimpl.ops.local_attention import local_attention
from refimpl.ops.pssa import pssa_backward
from refimpl.ops.xvolution import xvolution_backward
from refimpl.ops.xvolution_training import xvolution_training
from refimpl.vectors.case import Choices, pipeline
from refimpl.vectors.check import judge
from refimpl.vectors.formats import format_of
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.physical import Physical
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.bitexact import literal_backward
from tests.refimpl.bitexact.fractions_model import nearest

SIZES = Sizes(batch=2, channels=3, outputs=4, height=5, width=4)
CASES = [
    case
    for operator in ALL_OPERATORS
    for case in random_cases([operator], SIZES, Choices(arithmetics=FLOAT_ARITHMETICS))
    if (operator, case.arithmetic) in PIPELINES
]
by_id = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
SAME_CLASS = {
    "lanes in a tree": {"lanes": 4, "lane_order": "tree"},
    "exact groups": {"lanes": 8, "lane_order": "exact"},
    "passes that are added": {"pass_terms": 5, "between": "added"},
    "fused": {"product": "fused"},
}
CLASSES = {
    "fp16 sums": {"format": "fp16"},
    "bf16 products": {"product": "bf16"},
    "truncated": {"rounding": "toward_zero", "product": "fused"},
    "upward": {"rounding": "toward_positive"},
    "downward in a tree": {"rounding": "toward_negative", "lanes": 4, "lane_order": "tree"},
    "products upward": {"product_rounding": "toward_positive"},
    "flushed": {"subnormals": "flushed"},
    "aligned": {"lanes": 4, "lane_order": "aligned", "aligned_bits": 20, "product": "fused"},
    "bf16 truncated": {"format": "bf16", "rounding": "toward_zero"},
}


def declared(case, record):
    sums = {key: dict(record) for key in SUMS[case.operator]}
    softmax = {"softmax": {"sum": dict(record)}} if "attention" in case.operator else {}
    return replace(case, attributes={**case.attributes, **sums, **softmax})


def outputs(case):
    return {
        name: decode(array)
        for name, array in pipeline(case).items()
        if is_output(case.operator, name, case.attributes)
    }


def inside(got, of):
    with np.errstate(invalid="ignore"):
        return (np.abs(got - of.reference) <= of.bound) | np.isinf(of.bound)


@by_id
def test_every_float_operator_has_a_bound_of_every_output(case):
    assert class_of(case.operator, case.attributes) == BINARY32
    found = bound_outputs(case.operator, case.tensors, case.attributes)
    golden = outputs(case)
    assert set(found) == set(golden)
    for name, of in found.items():
        assert of.reference.shape == of.bound.shape == golden[name].shape
        assert np.isfinite(of.bound).all()
        assert inside(golden[name], of).all()
    last = list(golden)[-1]
    np.testing.assert_array_equal(
        bound_output(case.operator, case.tensors, case.attributes).bound, found[last].bound
    )


@by_id
@pytest.mark.parametrize("order", SAME_CLASS)
def test_any_other_order_of_the_class_stays_within_the_bound(case, order):
    found = bound_outputs(case.operator, case.tensors, case.attributes)
    for name, got in outputs(declared(case, SAME_CLASS[order])).items():
        assert inside(got, found[name]).all(), name


@by_id
@pytest.mark.parametrize("name", CLASSES)
def test_the_golden_output_of_any_declared_sum_is_within_the_bound_of_its_own_class(case, name):
    coarse = declared(case, CLASSES[name])
    adders = class_of(coarse.operator, coarse.attributes)
    assert isinstance(adders, Adders)
    if not SUMS[case.operator]:
        return
    assert adders != BINARY32
    found = bound_outputs(coarse.operator, coarse.tensors, coarse.attributes, adders)
    for output, got in outputs(coarse).items():
        assert inside(got, found[output]).all(), output


@by_id
def test_a_device_that_leaves_out_a_channel_goes_outside(case):
    found = bound_outputs(case.operator, case.tensors, case.attributes)
    x = case.tensors["x"].copy()
    x[:, 0] = 0
    wrong = outputs(replace(case, tensors={**case.tensors, "x": x}))
    assert any(not inside(wrong[name], of).all() for name, of in found.items())


def shifts(attributes):
    directions = [tuple(each) for each in attributes["directions"]]
    return {"directions": directions, "length": 1, "boundary": attributes["boundary"]}


def qkv(tensors):
    return (tensors[f"w_{which}"][:, :, 0, 0] for which in "qkv")


def scale(attributes):
    return np.float64(np.float32(attributes["scale"]))


def named(grads, names):
    return dict(zip(names.split(), (grads.x, grads.w, grads.b), strict=True))


def through_both(t, a):
    """The gains s are normalisations with mean 0 and variance 1, so that ε is 0."""
    one, none = np.ones(len(t["w_c"])), np.zeros(len(t["w_c"]))
    norms = [BatchNorm(gamma=t[f"s_{of}"], beta=none, mean=none, var=one) for of in "ca"]
    got = xvolution_backward(
        t["dy"], t["x"], t["w_c"], t["w_a"], *norms, none, none, eps=0.0, **shifts(a)
    )
    found = {"dx": got.x}
    for name, of in (("conv", "c"), ("attention", "a")):
        norm = getattr(got, f"bn_{of}")
        parts = {"dw": f"w_{of}", "db": f"b_{of}"}
        found |= {f"{name}_{key}": getattr(got, field) for key, field in parts.items()}
        found |= {f"{name}_ds": norm.gamma, f"{name}_dt": norm.beta}
    return found


DEFINED = {
    "batch_norm": lambda t, a: {"output": batch_norm(**t, eps=a["eps"])},
    "xvolution_training": lambda t, a: {
        "output": xvolution_training(**t, **shifts(a), eps=a["eps"]).y
    },
    "global_attention": lambda t, a: {
        "output": global_attention(t["x"], *qkv(t), heads=a["heads"], scale=scale(a))
    },
    "local_attention": lambda t, a: {
        "output": local_attention(t["x"], *qkv(t), scale=scale(a), normalise="softmax")
    },
    "conv2d_backward": lambda t, a: named(
        conv2d_backward(t["dy"], t["x"], t["w"], padding=tuple(a["padding"])), "dx dw db"
    ),
    "pssa_backward": lambda t, a: named(
        pssa_backward(t["dy"], t["x"], t["w"], **shifts(a)), "dx dw db"
    ),
    "xvolution_backward": through_both,
}


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.arithmetic == "fp32" and case.operator in DEFINED],
    ids=lambda case: case.id,
)
def test_the_reference_is_the_definition_in_binary64(case):
    """Within what 2⁹ times as many roundings of binary64 may do: 2⁻²⁰ of the bound in binary32."""
    wide = {name: decode(array) for name, array in case.tensors.items()}
    right = DEFINED[case.operator](wide, case.attributes)
    found = bound_outputs(case.operator, case.tensors, case.attributes)
    assert set(right) == set(found)
    for name, of in found.items():
        assert (np.abs(of.reference - right[name]) <= of.bound * 2.0**-20).all(), name


def adverse(terms):
    """All positive products first, the largest before the rest, then all negative ones."""
    return sorted(terms, key=lambda pair: (pair[0] * pair[1] < 0, -abs(pair[0] * pair[1])))


@pytest.mark.parametrize("arithmetic", FLOAT_ARITHMETICS)
def test_gradients_summed_in_the_most_adverse_order_stay_within_the_bound(arithmetic):
    """Judged in exact fractions: every product and sum rounded to binary32, then the cast."""
    small = Sizes(batch=2, channels=2, outputs=2, height=3, width=3)
    (case,) = random_cases(["conv2d_backward"], small, Choices(arithmetics=(arithmetic,)))
    exact = {name: literal_backward.exact(case.tensors[name]) for name in ("dy", "x", "w")}
    terms = literal_backward.conv2d_backward(
        exact["dy"], exact["x"], exact["w"], case.attributes,
        lambda total, a, b: [*(total or []), (a, b)], None,
    )  # fmt: skip
    found = bound_outputs("conv2d_backward", case.tensors, case.attributes)
    for name, lists in zip(("dx", "dw", "db"), terms, strict=True):
        form = FORMATS[arithmetic if name == "dx" else "fp32"]
        for at in np.ndindex(lists.shape):
            total = Fraction(0)
            for a, b in adverse(lists[at] or []):
                total = literal_backward.r(total + literal_backward.r(a * b))
            got = nearest(total, form)
            limit, reference = found[name].bound[at], found[name].reference[at]
            assert abs(got - Fraction(float(reference))) <= Fraction(float(limit))


@pytest.mark.small
def test_truncation_reaches_nearly_all_of_its_bound():
    """After 1, each 2⁻²³ − 2⁻⁴⁷ is lost altogether: 63 roundings down of almost one unit each."""
    x = np.full((1, 64, 1, 1), np.nextafter(np.float32(2.0**-23), np.float32(0)))
    x[0, 0] = 1
    tensors = {"x": x, "w": np.ones((1, 64, 1, 1), np.float32)}
    attributes = {"accumulation": {"rounding": "toward_zero"}, "padding": [0, 0]}
    adders = class_of("conv2d", attributes)
    of = bound_output("conv2d", tensors, attributes, adders)
    got = PIPELINES["conv2d", "fp32"](tensors, attributes)["output"].astype(float)
    assert got.item() == 1
    share = abs(got.item() - of.reference.item()) / of.bound.item()
    assert 0.97 < share <= 1


@by_id
def test_the_farthest_number_within_the_bound_passes_and_the_next_one_does_not(case):
    golden = pipeline(case)
    for name, of in bound_outputs(case.operator, case.tensors, case.attributes).items():
        form = format_of(golden[name])
        layout = layout_for("nchw", rank=golden[name].ndim, kernel=False, element_bits=form.bits)
        laid = Physical(form=form, shape=golden[name].shape, layout=layout)
        edge, beyond = golden[name].copy(), golden[name].copy()
        at = (0,) * edge.ndim
        high = of.reference[at] + of.bound[at]
        candidate = encode(np.array([high]), default_cast(form.name))
        if decode(candidate)[0] - of.reference[at] > of.bound[at]:
            candidate = neighbour(candidate, up=False)
        edge[at], beyond[at] = candidate[0], neighbour(candidate, up=True)[0]
        limits = Bound(of.reference, of.bound)
        names = (case.id, name, "f")
        assert judge(golden[name], edge, of=laid, names=names, bound=limits).passed
        verdict = judge(golden[name], beyond, of=laid, names=names, bound=limits)
        assert (verdict.outcome, verdict.wrong, verdict.first.index) == ("wrong", 1, at)


def neighbour(one, *, up):
    """The next number of a format of one-element arrays."""
    words = one.view(f"u{one.itemsize}").astype(np.int64)
    sign = np.int64(1) << (8 * one.itemsize - 1)
    place = np.where(words >= sign, sign - words, words) + (1 if up else -1)
    back = np.where(place < 0, sign - place, place)
    return back.astype(f"u{one.itemsize}").view(one.dtype)


def test_where_a_function_is_a_table_no_bound_holds_and_it_is_said_why():
    table = {"kind": "table"}
    assert unbounded("batch_norm", {"rsqrt": table}) == "its rsqrt is a table, which may jump"
    assert unbounded("xvolution_training", {"rsqrt": table}).startswith("its rsqrt is a table")
    for name in ("exp", "reciprocal"):
        attributes = {"softmax": {name: {"kind": "pow2_shift"}}}
        assert unbounded("local_attention", attributes).startswith(f"its {name} is a pow2_shift")
        assert unbounded("local_attention", {**attributes, "normalise": "none"}) == ""
    (case,) = random_cases(["batch_norm"], SIZES, Choices(arithmetics=("fp32",)))
    with pytest.raises(ValueError, match="a call must have a bound: its rsqrt is a table"):
        bound_outputs("batch_norm", case.tensors, {**case.attributes, "rsqrt": table})


def test_attention_without_softmax_has_a_bound_too():
    for operator in ("global_attention", "local_attention"):
        (case,) = random_cases([operator], SIZES, Choices(arithmetics=("bf16",)))
        plain = replace(case, attributes={**case.attributes, "normalise": "none"})
        found = bound_outputs(operator, plain.tensors, plain.attributes)
        assert inside(outputs(plain)["output"], found["output"]).all()
        other = outputs(declared(plain, SAME_CLASS["exact groups"]))["output"]
        assert inside(other, found["output"]).all()


def test_probabilities_in_words_are_within_their_bound():
    (case,) = random_cases(["global_attention"], SIZES, Choices(arithmetics=("fp32",)))
    words = replace(case, attributes={**case.attributes, "probabilities": {"format": "uint8"}})
    found = bound_outputs(words.operator, words.tensors, words.attributes)
    assert inside(outputs(words)["output"], found["output"]).all()


@pytest.mark.small
def test_an_exponent_that_is_not_known_leaves_no_bound():
    (case,) = random_cases(["global_attention"], SIZES, Choices(arithmetics=("fp32",)))
    steep = {**case.attributes, "scale": 2.0**24}
    assert np.isinf(bound_output("global_attention", case.tensors, steep).bound).any()


@pytest.mark.small
def test_a_variance_that_its_own_error_hides_leaves_no_bound():
    (case,) = random_cases(["batch_norm"], SIZES, Choices(arithmetics=("fp32",)))
    flat = {**case.tensors, "x": np.full_like(case.tensors["x"], 1000)}
    attributes = {**case.attributes, "statistics": "batch", "eps": 1e-9}
    assert np.isinf(bound_output("batch_norm", flat, attributes).bound).all()


@pytest.mark.small
def test_classes_of_declared_sums():
    assert adders_for(Accumulation()) == BINARY32
    assert adders_for(Accumulation(product="bf16")).precision == 8
    assert adders_for(Accumulation(format="fp8_e4m3")).largest_exponent == 7
    assert "binary64" in adders_for(Accumulation(format="fp64", product="fp64"))
    aligned = Accumulation(lanes=4, lane_order="aligned", pass_terms=6)
    assert "aligned adders" in adders_for(aligned)
    both = coarsest([BINARY32, adders_for(Accumulation(format="fp16", rounding="toward_zero"))])
    assert (both.precision, both.truncates, both.smallest_exponent) == (11, True, -14)
    cut = adders_for(Accumulation(lanes=4, lane_order="aligned", aligned_bits=12))
    assert (cut.width_bits, cut.products_per_step) == (11, 4)
    assert coarsest([cut, BINARY32]) == "its sums are of aligned and of other adders"
    assert coarsest(["no class", BINARY32]) == "no class"


@pytest.mark.small
def test_an_aligned_step_cuts_wherever_a_product_stands():
    """One product in each of four steps of four: four cuts, not one."""
    adders = Adders(kind="aligned-truncate", width_bits=10, products_per_step=4)
    assert adders.additions(np.array([4, 16, 2]), 16).tolist() == [4, 4, 2]
    assert BINARY32.additions(np.array([4, 16, 0]), 16).tolist() == [3, 15, 0]
