"""Tables: which entry, how entries are rounded, what a NaN gives, in which format; and refusals."""

from fractions import Fraction

import numpy as np
import pytest

from refimpl.bitexact.bounds import unbounded
from refimpl.bitexact.describe import described
from refimpl.bitexact.formats import FORMATS, decode, default_cast, encode, format_of, words_of
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.rounding import MODES
from refimpl.bitexact.transcendental import Function, evaluate, function_of, table_of
from refimpl.vectors.case import Choices
from refimpl.vectors.formats import QUIET_NANS
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.bitexact.fractions_model import nearest
from tests.refimpl.bitexact.test_real_functions import exact

SIZES = Sizes(batch=1, channels=3, outputs=4, height=4, width=3)
DOMAINS = {"exp": (-16, 0), "reciprocal": (1, 2), "rsqrt": (1, 5)}


def case_of(operator, arithmetic, **declared):
    choices = Choices(arithmetics=(arithmetic,), declared=declared)
    (case,) = random_cases([operator], SIZES, choices)
    return case


@pytest.mark.parametrize("rounding", list(MODES))
@pytest.mark.parametrize("form", ["fp32", "bf16", "fp8_e4m3"])
@pytest.mark.parametrize("name", DOMAINS)
def test_entries_are_rounded_as_declared_and_the_index_is_cut(name, form, rounding):
    of = Function(
        name=name, kind="table", format=form, index_bits=5, interpolation="truncated",
        rounding=rounding,
    )  # fmt: skip
    low, high = DOMAINS[name]
    width = Fraction(high - low, 32)
    entries = [
        float(nearest(exact(name, float(low + k * width)), FORMATS[form], rounding))
        for k in range(33)
    ]
    assert table_of(of, {}).tolist() == entries
    top = {"exp": 0, "reciprocal": 2, "rsqrt": 4}[name]  # of significands, from 1 to below this
    x = np.random.default_rng(4).uniform(low, top, 200)
    x = decode(encode(x, default_cast(form)))
    x = np.minimum(x, np.nextafter(float(top), 0)) if form == "fp64" else x[x < max(top, 1e-9)]
    expected = [entries[int((Fraction(each) - low) / width)] for each in x.tolist()]
    assert evaluate(of, x, {}).tolist() == expected


@pytest.mark.small
def test_an_index_is_truncated_to_the_entry_below_and_the_end_has_its_own():
    entries = encode(np.array([1.0, 2.0, 4.0]), default_cast("fp32"))
    of = Function(
        name="exp", kind="user_table", index_bits=1, entries="mine", interpolation="truncated"
    )
    x = np.array([-16.0, -8.001, -8.0, -0.001, 0.0, 3.0, -20.0])
    assert evaluate(of, x, {"mine": entries}).tolist() == [1, 1, 2, 2, 4, 4, 1]


KINDS = {
    "correct": {},
    "table": {"kind": "table"},
    "truncated": {"kind": "table", "interpolation": "truncated"},
    "linear": {"kind": "table", "interpolation": "linear"},
    "piecewise": {"kind": "piecewise"},
    "pow2_shift": {"kind": "pow2_shift"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DOMAINS)
def test_a_nan_gives_a_nan_whatever_the_kind(name, kind):
    if kind == "pow2_shift" and name != "exp":
        return
    of = Function(name=name, **KINDS[kind])
    got = evaluate(of, np.array([np.nan, 1.0, -np.nan]), {})
    assert np.isnan(got).tolist() == [True, False, True]


@pytest.mark.parametrize("kind", ["table", "piecewise"])
def test_attention_with_infinite_scores_has_canonical_nans_where_its_table_is_asked(kind):
    softmax = {"format": "fp16", "exp": {"kind": kind}}
    case = case_of("global_attention", "fp32", scale=3e38, softmax=softmax)
    found = stages(case)
    assert np.isinf(decode(found["scaled_scores"])).any()
    asked = np.isnan(decode(found["exp_input"]))
    assert asked.any()
    assert set(words_of(found["exp_output"])[asked].tolist()) == {QUIET_NANS["fp16"]}


def test_a_nan_that_must_become_an_integer_is_refused_in_one_sentence():
    softmax = {"format": "fp16", "exp": {"kind": "table"}}
    case = case_of("global_attention", "int8", score_scale=1e5, softmax=softmax)
    with pytest.raises(ValueError, match="a NaN must not be cast to uint8, which has none: dec"):
        stages(case)


FORMATS_OF = {"exp": "bf16", "reciprocal": "fp8_e5m2"}


@pytest.mark.parametrize("operator", ["global_attention", "local_attention"])
@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_a_function_in_a_format_of_its_own_reads_and_leaves_that_format(operator, arithmetic):
    softmax = {name: {"format": form} for name, form in FORMATS_OF.items()}
    case = case_of(operator, arithmetic, softmax=softmax)
    found = PIPELINES[operator, arithmetic](case.tensors, case.attributes)
    formats = {name: format_of(found[name]).name for name in found}
    assert (formats["exp_input"], formats["exp_output"]) == ("bf16", "bf16")
    assert (formats["row_sum"], formats["reciprocal"]) == ("fp32", "fp8_e5m2")
    inputs, outputs = (decode(found[name]).reshape(-1).tolist() for name in
                       ("exp_input", "exp_output"))  # fmt: skip
    seen = [y == float(nearest(exact("exp", x), FORMATS["bf16"])) or y == 0.0
            for x, y in zip(inputs, outputs, strict=True)]  # fmt: skip
    assert all(seen)
    for x, y in zip(
        decode(found["row_sum"]).reshape(-1), decode(found["reciprocal"]).reshape(-1), strict=True
    ):
        own = nearest(Fraction(float(x)), FORMATS["fp8_e5m2"])
        assert y == float(nearest(1 / own, FORMATS["fp8_e5m2"]))
    for stage in steps_of(case):
        if stage in found:
            again = recompute(stage, found, case).array
            np.testing.assert_array_equal(words_of(again), words_of(found[stage]), err_msg=stage)
    text = described(operator, arithmetic, case.attributes)
    assert text["normalise"].startswith("t = R_bf16(z - max)")
    if arithmetic == "fp32":
        assert unbounded(operator, case.attributes) == (
            "its exp is in bf16, and the softmax around it in fp32"
        )


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("form", ["bf16", "fp16", "fp8_e4m3"])
def test_an_input_is_rounded_to_the_format_of_the_function_first(name, form):
    x = np.random.default_rng(1).uniform(0.1, 15, 500) * (-1 if name == "exp" else 1)
    own = decode(encode(x, default_cast(form)))
    assert (own != x).any()
    for kind in ({}, {"kind": "table", "interpolation": "linear"}, {"kind": "piecewise"}):
        of = Function(name=name, format=form, **kind)
        np.testing.assert_array_equal(evaluate(of, x, {}), evaluate(of, own, {}))


@pytest.mark.parametrize("operator", ["batch_norm", "xvolution_training"])
def test_a_reciprocal_root_in_a_format_of_its_own_leaves_that_format(operator):
    case = case_of(operator, "fp32", rsqrt={"format": "fp16"})
    found = PIPELINES[operator, "fp32"](case.tensors, case.attributes)
    p = "" if operator == "batch_norm" else "conv_norm_"
    assert format_of(found[f"{p}inverse"]).name == "fp16"
    raised, inverse = (decode(found[f"{p}{each}"]) for each in ("shifted_variance", "inverse"))
    for x, y in zip(raised.tolist(), inverse.tolist(), strict=True):
        own = float(nearest(Fraction(x), FORMATS["fp16"]))
        assert y == float(nearest(exact("rsqrt", own), FORMATS["fp16"]))
    for stage in steps_of(case):
        if stage in found:
            again = recompute(stage, found, case).array
            np.testing.assert_array_equal(words_of(again), words_of(found[stage]), err_msg=stage)
    assert unbounded(operator, case.attributes) == (
        "its rsqrt is in fp16, and the statistics in fp32"
    )
    assert described(operator, "fp32", case.attributes)["rsqrt"].startswith("rsqrt in fp16")


@pytest.mark.small
@pytest.mark.parametrize(
    ("name", "choice", "sentence"),
    [
        ("exp", {"low": 0, "high": -16}, r"low of a table must be below high, not \[0, -16\]"),
        ("exp", {"low": -8, "high": -8}, r"low of a table must be below high, not \[-8, -8\]"),
        ("exp", {"low": 4}, r"low of a table must be below high, not \[4, 0\]"),
        ("exp", {"low": float("nan")}, "must be finite numbers"),
        ("exp", {"high": float("inf")}, "must be finite numbers"),
        ("exp", {"low": False, "high": True}, "must be finite numbers"),
        ("rsqrt", {"low": 1, "high": 3}, "low and high must be given of exp alone, not of rsqrt"),
        ("exp", {"rounding": "toward_zero"}, "rounding must be that of the entries of a table"),
        ("exp", {"kind": "table", "rounding": "up"}, "rounding of entries must be one of"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_one_sentence(name, choice, sentence):
    with pytest.raises(ValueError, match=sentence):
        function_of(choice, name)


@pytest.mark.small
def test_an_end_that_is_not_given_is_the_usual_one():
    assert function_of({"kind": "table", "low": -8}, "exp").domain == (-8, 0)
    assert function_of({"kind": "table", "high": 16}, "exp").domain == (-16, 16)


@pytest.mark.parametrize("eps", [float("nan"), float("inf"), -1, -1e-9, "small", True])
@pytest.mark.parametrize("operator", ["batch_norm", "xvolution_training"])
def test_an_eps_that_is_no_finite_number_of_0_or_more_is_refused(operator, eps):
    with pytest.raises(ValueError, match="eps must be a finite number of 0 or more, not"):
        case_of(operator, "fp32", eps=eps)


def test_an_eps_of_0_is_one():
    case = case_of("batch_norm", "fp32", eps=0)
    found = PIPELINES["batch_norm", "fp32"](case.tensors, case.attributes)
    assert words_of(found["shifted_variance"]).tolist() == words_of(case.tensors["var"]).tolist()


def test_fp64_among_narrower_numbers_is_refused():
    for declared in ({"softmax": {"exp": {"format": "fp64"}}},
                     {"softmax": {"reciprocal": {"format": "fp64"}}}):  # fmt: skip
        with pytest.raises(ValueError, match=r"must be in fp32 .* or softmax.format in fp64 too"):
            case_of("global_attention", "int8", **declared)
    with pytest.raises(ValueError, match=r"accumulation_statistics.format in fp64 too"):
        case_of("batch_norm", "fp32", rsqrt={"format": "fp64"})
    case = case_of("global_attention", "fp32", probabilities={"format": "fp64"})
    with pytest.raises(ValueError, match="probabilities in fp64 must be summed in fp64"):
        PIPELINES["global_attention", "fp32"](case.tensors, case.attributes)
