"""Where subnormals are flushed, every operand that is one is read as ±0: of every operator.

What an input's subnormal numbers give must be what zeros in their place give, bit for bit; what a
sum reads of the stages before it is judged in exact fractions.
"""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.formats import (
    FORMATS,
    decode,
    default_cast,
    encode,
    format_of,
    from_words,
    integers_of,
    words_of,
)
from refimpl.bitexact.operators import ALL_OPERATORS, FLOAT_ARITHMETICS, PIPELINES
from refimpl.bitexact.records import ATTENTION, SUMS
from refimpl.vectors.case import Choices
from refimpl.vectors.declare import declared_case
from refimpl.vectors.local import recompute, steps_of
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.terms import partial_sums, terms_of
from tests.refimpl.bitexact import fractions_model

SIZES = Sizes(batch=1, channels=2, outputs=2, height=3, width=4)
FLUSH = {"subnormals": "flushed"}
COPIES = {"shifted", "attention_shifted"}  # of the input, as it is stored


@cache
def case_of(operator, arithmetic):
    (case,) = random_cases([operator], SIZES, Choices(arithmetics=(arithmetic,)))
    if arithmetic not in FLOAT_ARITHMETICS:
        return case
    own = {
        name: encode(decode(each), default_cast(arithmetic)) for name, each in case.tensors.items()
    }
    return replace(case, tensors=own)  # biases and scales too


def flushing(operator):
    """Every record of an operator's sums, flushed; outputs in binary32, so that all is seen."""
    records = dict.fromkeys((*SUMS[operator], "accumulation", "accumulation_statistics"), FLUSH)
    return {**records, "softmax": {"sum": FLUSH}}


def wide(operator):
    names = ("dx", "dw") if operator.endswith("_backward") else ("output",)
    return {name: {"format": "fp32"} for name in names}


def with_subnormals(array, seed):
    """Half of the elements subnormal numbers of the format; and the same with zeros for them."""
    of, rng = format_of(array), np.random.default_rng(seed)
    words = words_of(array)
    signs = rng.integers(0, 2, words.shape) << (of.bits - 1)
    small = (rng.integers(1, 1 << of.fraction, words.shape) | signs).astype(of.word)
    here = rng.random(words.shape) < 0.5
    here.reshape(-1)[0] = True
    zeros = signs.astype(of.word)
    return tuple(from_words(np.where(here, each, words), of) for each in (small, zeros))


def same(found, expected):
    for name, array in found.items():
        if name not in COPIES:
            np.testing.assert_array_equal(words_of(array), words_of(expected[name]), err_msg=name)


def must_flush(case, name, attributes, flushed):
    subnormal, zeros = (
        {**case.tensors, name: each} for each in with_subnormals(case.tensors[name], len(name))
    )
    run = PIPELINES[case.operator, case.arithmetic]
    same(run(subnormal, {**attributes, **flushed}), run(zeros, {**attributes, **flushed}))
    with pytest.raises(AssertionError):  # kept, they are not zeros: the test can see them
        same(run(subnormal, attributes), run(zeros, attributes))


INPUTS = [
    (operator, name, statistics)
    for operator in ALL_OPERATORS
    for name, array in case_of(operator, "fp16").tensors.items()
    for statistics in (("given", "batch") if operator == "batch_norm" else ("",))
    if statistics != "batch" or name not in ("mean", "var")
]


@pytest.mark.parametrize("arithmetic", ["fp16", "fp8_e4m3", "fp8_e5m2"])
@pytest.mark.parametrize(("operator", "name", "statistics"), INPUTS)
def test_subnormal_inputs_are_zeros_in_every_operator(operator, name, statistics, arithmetic):
    """Of a narrow format: its subnormal numbers are no small ones for a binary32 accumulator."""
    case = case_of(operator, arithmetic)
    attributes = {**case.attributes, **wide(operator)}
    if statistics:
        attributes["statistics"] = statistics
    must_flush(case, name, attributes, flushing(operator))


@pytest.mark.parametrize("name", ["scale_c", "scale_a"])
def test_subnormal_inputs_of_training_on_integers_are_zeros(name):
    case = case_of("xvolution_training", "int8")
    must_flush(case, name, case.attributes, {"accumulation_statistics": FLUSH})


def read(array):
    """Numbers as exact fractions, 0 for subnormal ones of the array's own format."""
    numbers, of = decode(array), format_of(array)
    least = 2.0 ** (1 - of.bias)
    return np.vectorize(lambda x: Fraction(x) if abs(x) >= least else Fraction(0), otypes=[object])(
        numbers
    )


def exact(array):
    return np.vectorize(Fraction, otypes=[object])(decode(array))


def judged_sum(left, right, of):
    total = fractions_model.accumulate(left, right, of, Fraction(0), FORMATS)
    return float(fractions_model.nearest(total, FORMATS[of.format], flush=True))


@pytest.mark.parametrize("flushed", [("scores",), ("context",), ("scores", "context")])
@pytest.mark.parametrize("operator", sorted(ATTENTION))
def test_each_sum_of_attention_flushes_what_it_reads_itself(operator, flushed):
    """q and k by the scores' record, probabilities and v by the context's."""
    case = case_of(operator, "fp16")
    small = {f"w_{each}": scaled(case.tensors[f"w_{each}"], 2.0**-14) for each in "qkv"}
    records = {f"accumulation_{each}": FLUSH for each in flushed}
    attributes = {**case.attributes, **records, "scale": 2.0**31, "heads": 1}
    found = PIPELINES[operator, "fp16"]({**case.tensors, **small}, attributes)
    subnormal = {name: has_subnormals(found[name]) for name in ("q", "k", "v", "probabilities")}
    assert all(subnormal.values()), subnormal
    if operator == "global_attention":
        for name, left, right in (("scores", "q", "k"), ("context", "probabilities", "v")):
            loops = {"scores": "d", "context": "t"}[name]
            of = accumulation_of(attributes, f"accumulation_{name}", loops=loops)
            view = read if name in flushed else exact
            np.testing.assert_array_equal(
                decode(found[name]).reshape(-1),
                global_sums(name, view(found[left]), view(found[right]), of),
            )
    again = replace(case, tensors={**case.tensors, **small}, attributes=attributes)
    arrays = {**again.tensors, **found}
    for name in ("scores", "context"):  # term by term, as the cone of a bad element shows it
        for index in ((0,) * found[name].ndim, tuple(size - 1 for size in found[name].shape)):
            sums = partial_sums(terms_of(again, arrays, name, index), arrays)
            assert sums[-1] == decode(found[name])[index]
    for stage in steps_of(again):  # and each is what is computed again of the stages before it
        if stage in found:
            redone = recompute(stage, found, again).array
            np.testing.assert_array_equal(words_of(redone), words_of(found[stage]), err_msg=stage)


def global_sums(name, left, right, of):
    """Scores of all queries and keys, or what each query gathers of the values: one head."""
    n, d = right.shape[:2]
    other = right.reshape(n, d, -1)
    if name == "scores":
        queries = left.reshape(n, d, -1)
        pairs = [
            (queries[b, :, p], other[b, :, t])
            for b in range(n)
            for p in range(queries.shape[2])
            for t in range(other.shape[2])
        ]
    else:
        rows = left.reshape(n, -1, other.shape[2])
        pairs = [
            (rows[b, p], other[b, v])
            for b in range(n)
            for v in range(d)
            for p in range(rows.shape[1])
        ]
    flush = of.subnormals == "flushed"
    totals = (fractions_model.accumulate(*pair, of, Fraction(0), FORMATS) for pair in pairs)
    into = FORMATS[of.format]
    return [float(fractions_model.nearest(each, into, flush=flush)) for each in totals]


def scaled(array, by):
    return encode(decode(array) * by, default_cast(format_of(array).name))


def has_subnormals(array):
    numbers = np.abs(decode(array))
    return bool(((numbers > 0) & (numbers < 2.0 ** (1 - format_of(array).bias))).any())


def test_a_row_sum_reads_flushed_exponentials_as_zeros():
    case = case_of("global_attention", "fp32")
    softmax = {"format": "fp16", "sum": FLUSH}
    attributes = {**case.attributes, "softmax": softmax, "scale": 6.0}
    found = PIPELINES["global_attention", "fp32"](case.tensors, attributes)
    assert has_subnormals(found["exp_output"])
    rows = read(found["exp_output"]).reshape(-1, found["exp_output"].shape[-1])
    of = accumulation_of(softmax, "sum", loops="t")
    ones = [Fraction(1)] * rows.shape[1]
    sums = [fractions_model.accumulate(row, ones, of, Fraction(0), FORMATS) for row in rows]
    expected = [float(fractions_model.nearest(each, FORMATS["fp16"])) for each in sums]
    assert decode(found["row_sum"]).reshape(-1).tolist() == expected


def test_integer_attention_reads_flushed_probabilities_as_zeros():
    """Σ p·(v − z_v) of the probabilities that are normal numbers, in exact fractions."""
    declared = {
        "score_scale": 0.01,
        "probabilities": {"format": "fp16"},
        "accumulation_context": FLUSH,
    }
    case = declared_case(case_of("global_attention", "int8"), Choices(declared=declared))
    attributes = {**case.attributes, "heads": 1}
    found = PIPELINES["global_attention", "int8"](case.tensors, attributes)
    assert has_subnormals(found["probabilities"])
    centred = integers_of(found["v"]) - attributes["v_zero"]
    of = accumulation_of(attributes, "accumulation_context", loops="t")
    values = np.vectorize(Fraction, otypes=[object])(centred)
    expected = global_sums("context", read(found["probabilities"]), values, of)
    assert decode(found["context"]).reshape(-1).tolist() == expected


def test_a_subnormal_factor_of_the_attributes_is_read_as_zero():
    """1e-40 is subnormal in binary32; what it multiplies is large."""
    case = case_of("global_attention", "fp32")
    large = {f"w_{each}": scaled(case.tensors[f"w_{each}"], 2.0**30) for each in "qk"}
    for records, seen in (({}, True), ({"accumulation_scores": FLUSH}, False)):
        attributes = {**case.attributes, **records, "scale": 1e-40}
        found = PIPELINES["global_attention", "fp32"]({**case.tensors, **large}, attributes)
        assert decode(found["scaled_scores"]).any() == seen
    case = case_of("xvolution_training", "int8")
    for records, seen in (({}, True), ({"accumulation_statistics": FLUSH}, False)):
        attributes = {**case.attributes, **records, "output_factor": 2.0**-127, "eps": 1e-12}
        gains = {f"gamma_{end}": scaled(case.tensors[f"gamma_{end}"], 2.0**40) for end in "ca"}
        found = PIPELINES["xvolution_training", "int8"]({**case.tensors, **gains}, attributes)
        assert decode(found["scaled_sum"]).any() == seen


def test_a_branch_that_was_normalised_is_read_by_the_sum_that_flushes():
    """Statistics keep what is subnormal in fp16; the sum of both branches reads it as zero."""
    case = case_of("xvolution_training", "fp16")
    small = {f"{name}_{end}": scaled(case.tensors[f"{name}_{end}"], 2.0**-14)
             for name in ("gamma", "beta") for end in "ca"}  # fmt: skip
    records = {
        "accumulation": {"format": "fp16", "product": "fused", **FLUSH},
        "accumulation_statistics": {"format": "fp16", "product": "fused"},
    }
    attributes = {**case.attributes, **records}
    found = PIPELINES["xvolution_training", "fp16"]({**case.tensors, **small}, attributes)
    names = [f"{branch}_norm_output" for branch in ("conv", "attention")]
    assert all(has_subnormals(found[name]) for name in names)
    conv, attention = (read(found[name]).reshape(-1) for name in names)
    expected = [
        float(fractions_model.nearest(a + b, FORMATS["fp16"], flush=True))
        for a, b in zip(conv, attention, strict=True)
    ]
    assert decode(found["output"]).reshape(-1).tolist() == expected


OWN = [
    ("xvolution", "conv_scaled", "output"),
    ("batch_norm", "factor", "scaled"),
    ("batch_norm", "scaled", "output"),
    ("pssa_backward", "dproduct", "dx"),
    ("xvolution_backward", "conv_dx", "dx"),
]


@pytest.mark.parametrize(("operator", "own", "stage"), OWN)
def test_what_a_device_left_is_read_like_any_operand(operator, own, stage):
    """A device's own subnormal numbers count as zeros for the stage after them."""
    case = case_of(operator, "fp16")
    narrow = {key: {**FLUSH, "format": "fp16", "product": "fused"} for key in SUMS[operator]}
    again = replace(case, attributes={**case.attributes, **narrow})
    found = PIPELINES[operator, "fp16"](again.tensors, again.attributes)
    assert format_of(found[own]).name == "fp16"
    subnormal, zeros = with_subnormals(found[own], 3)
    left, right = (
        recompute(stage, {**found, own: each}, again).array for each in (subnormal, zeros)
    )
    np.testing.assert_array_equal(words_of(left), words_of(right))


def test_the_gradient_of_a_scale_reads_a_flushed_output_as_zero():
    case = case_of("xvolution_backward", "fp16")
    small = {f"w_{end}": scaled(case.tensors[f"w_{end}"], 2.0**-15) for end in "ca"}
    attributes = {
        **case.attributes,
        "accumulation": {"format": "fp16", "product": "fused"},
        "accumulation_dw": FLUSH,
    }
    found = PIPELINES["xvolution_backward", "fp16"]({**case.tensors, **small}, attributes)
    of = accumulation_of(attributes, "accumulation_dw", loops="nij")
    for prefix in ("conv_", "attention_"):
        assert has_subnormals(found[f"{prefix}output"])
        seen, dy = read(found[f"{prefix}output"]), read(case.tensors["dy"])
        expected = [
            judged_sum(dy[:, o].reshape(-1), seen[:, o].reshape(-1), of)
            for o in range(seen.shape[1])
        ]
        assert decode(found[f"{prefix}ds"]).tolist() == expected
