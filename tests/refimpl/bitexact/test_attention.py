"""Attention in integers and floats against loops over pixels (``literal_attention.py``)."""

import numpy as np
import pytest

from refimpl.bitexact.formats import decode, default_cast, encode
from refimpl.bitexact.operators import PIPELINES
from refimpl.bitexact.softmax import exp_table
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.bitexact import literal_attention

both = pytest.mark.parametrize("local", [False, True], ids=["global", "local"])


def integer_call(seed, shape=(2, 3, 3, 4), widths=(4, 4)):
    rng = np.random.default_rng(seed)
    d, v = widths
    tensors = {"x": rng.integers(-128, 128, shape).astype(np.int8)}
    for which, outputs in (("q", d), ("k", d), ("v", v)):
        tensors |= {
            f"w_{which}": rng.integers(-127, 128, (outputs, shape[1], 1, 1)).astype(np.int8),
            f"b_{which}": rng.integers(-999, 999, outputs).astype(np.int32),
            f"multiplier_{which}": rng.integers(2**30, 2**31, outputs).astype(np.int32),
            f"shift_{which}": np.full(outputs, 38, np.int8),
        }
    tensors |= {
        "multiplier": rng.integers(2**30, 2**31, v).astype(np.int32),
        "shift": np.full(v, 38, np.int8),
        "weights_multiplier": np.array([3 * 2**29], np.int32),
        "weights_shift": np.array([39], np.int8),
        "softmax_multiplier": np.array([3 * 2**28], np.int32),
        "softmax_shift": np.array([34], np.int8),
        "exp_table": exp_table(0.03, 8, 65535),
    }
    attributes = {"x_zero": 3, "q_zero": 1, "k_zero": -2, "v_zero": 4, "y_zero": 5}
    return tensors, attributes | {"rounding": "half_up", "score_scale": 2.0**-11 * 1.1}


def exp(kind, **more):
    return {"softmax": {"exp": {"kind": kind, **more}}}


CHOICES = {
    "default": {},
    "over-256": {"probabilities": {"format": "uint8", "denominator": 256}},
    "int16": {"probabilities": {"format": "int16"}},
    "bf16": {"probabilities": {"format": "bf16"}, "output_factor": 0.3},
    "divided": {"softmax": {"normalise": "divide"}},
    "integer table": {"softmax": {"kind": "integer"}},
    "integer table over 256": {
        "softmax": {"kind": "integer", "denominator": 256, "reciprocal_bits": 24}
    },
    "integer table floored": {"softmax": {"kind": "integer", "rounding": "floor"}},
    "exp of a table": exp("table", index_bits=6),
    "exp in pieces": exp("piecewise", index_bits=3, low=-8, high=0),
    "exp by a shift": exp("pow2_shift"),
    "exp of a user's table": exp("user_table", index_bits=5, entries="mine"),
    "softmax in bf16": {"softmax": {"format": "bf16"}},
    "softmax in fp64": {"softmax": {"format": "fp64"}},
    "exp in bf16": exp("correct", format="bf16"),
    "exp in fp16 of a softmax in bf16": {"softmax": {"format": "bf16", "exp": {"format": "fp16"}}},
    "reciprocal in fp8": {"softmax": {"reciprocal": {"format": "fp8_e5m2"}}},
    "a truncated index": exp(
        "table", index_bits=5, interpolation="truncated", rounding="toward_zero"
    ),
    "lines of a bf16 table": exp("table", index_bits=3, interpolation="linear", format="bf16"),
    "pieces in fp16": exp("piecewise", index_bits=2, format="fp16", rounding="nearest_away"),
    "none": {"normalise": "none"},
    "strided": {"stride": [2, 1], "rounding": "tflite_double"},
}


@both
@pytest.mark.parametrize("choice", CHOICES)
def test_every_stage_of_integer_attention_is_what_loops_in_python_integers_say(choice, local):
    tensors, attributes = integer_call(sorted(CHOICES).index(choice))
    tensors["mine"] = np.linspace(0, 1, 33).astype(np.float32) ** 2
    attributes |= CHOICES[choice] | ({} if local else {"heads": 2})
    must_be_what_loops_say(tensors, attributes, "int8", local=local)


DECLARED = {
    "default": {},
    "integer table": {"softmax": {"kind": "integer"}},
    "none": {"normalise": "none"},
    "int32 that wraps": {
        each: {"bits": 32} for each in ("accumulator", "accumulator_scores", "accumulator_context")
    },
}


@both
@pytest.mark.parametrize("choice", DECLARED)
def test_seeded_attention_of_int16_is_what_loops_in_python_integers_of_48_bits_say(choice, local):
    operator = "local_attention" if local else "global_attention"
    sizes = Sizes(batch=1, channels=3, outputs=6, height=4, width=3)
    choices = Choices(arithmetics=("int16",), declared=DECLARED[choice])
    (case,) = random_cases([operator], sizes, choices)
    stages = must_be_what_loops_say(case.tensors, case.attributes, "int16", local=local)
    assert (np.abs(decode(stages["scores"])).max() >= 2**31) == (choice != "int32 that wraps")


def must_be_what_loops_say(tensors, attributes, arithmetic, *, local):
    operator = "local_attention" if local else "global_attention"
    stages = PIPELINES[operator, arithmetic](tensors, attributes)
    shown, context, output = literal_attention.attention_integer(tensors, attributes, local=local)
    judged = [*shown[0]]
    between = list(stages)[list(stages).index("scores") : list(stages).index("context")]
    assert judged == between
    for name in judged:
        got = decode(stages[name]).reshape(len(shown), -1)
        np.testing.assert_array_equal(got, [[float(each) for each in row[name]] for row in shown])
    np.testing.assert_array_equal(decode(stages["context"]), context.astype(float))
    np.testing.assert_array_equal(stages["output"], output.astype(np.int64))
    return stages


@both
@pytest.mark.parametrize("normalise", ["softmax", "none"])
@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_float_attention_is_what_exact_fractions_say(name, normalise, local):
    rng = np.random.default_rng(7)

    def draw(*shape):
        return encode(rng.standard_normal(shape), default_cast(name))

    tensors = {"x": draw(1, 3, 3, 3), "w_q": draw(4, 3, 1, 1), "w_k": draw(4, 3, 1, 1)}
    tensors["w_v"] = draw(2, 3, 1, 1)
    attributes = {"scale": 0.3, "normalise": normalise} | ({} if local else {"heads": 2})
    operator = "local_attention" if local else "global_attention"
    got = decode(PIPELINES[operator, name](tensors, attributes)["output"])
    expected = literal_attention.attention_float(tensors, attributes, name, local=local)
    np.testing.assert_array_equal(got, expected.astype(float))


@pytest.mark.small
def test_rows_that_are_all_equal_one_hot_or_far_apart_have_the_probabilities_one_expects():
    tensors, attributes = integer_call(0, (1, 1, 1, 4), (1, 1))
    for which in "qkv":
        tensors[f"w_{which}"] = np.array([[[[1]]]], np.int8)
        tensors[f"b_{which}"] = np.zeros(1, np.int32)
        tensors[f"multiplier_{which}"] = np.array([2**30], np.int32)
        tensors[f"shift_{which}"] = np.array([31], np.int8)
    attributes |= dict.fromkeys(("x_zero", "q_zero", "k_zero", "v_zero"), 0)

    def probabilities(x, **choices):
        stages = PIPELINES["global_attention", "int8"](
            {**tensors, "x": np.array([[[x]]], np.int8)}, attributes | choices
        )
        return stages["probabilities"][0, 0, -1].tolist()

    assert probabilities([0, 0, 0, 0]) == [64, 64, 64, 64]  # 255/4 = 63.75
    assert probabilities([0, 0, 0, 126], score_scale=1.0) == [0, 0, 0, 255]
    assert probabilities([0, 0, 0, 0], softmax={"kind": "integer"}) == [64, 64, 64, 64]
    assert probabilities(
        [0, 0, 0, 126], score_scale=1.0, probabilities={"format": "uint8", "denominator": 256}
    ) == [0, 0, 0, 255]  # 256 does not fit, and saturates


@pytest.mark.small
def test_heads_that_do_not_divide_and_tables_that_do_not_fit_are_refused_in_a_sentence():
    tensors, attributes = integer_call(0)
    with pytest.raises(ValueError, match="heads must divide the 4 channels of queries"):
        PIPELINES["global_attention", "int8"](tensors, attributes | {"heads": 3})
    declared = {"softmax": {"kind": "integer", "index_bits": 9}}
    with pytest.raises(ValueError, match="exp_table must hold 512 entries of 16 bits"):
        PIPELINES["global_attention", "int8"](tensors, attributes | declared)
    wide = {"softmax": {"kind": "integer", "reciprocal_bits": 60}}
    with pytest.raises(ValueError, match="reciprocal_bits must be from 8 to 38, not 60"):
        PIPELINES["global_attention", "int8"](tensors, attributes | wide)
