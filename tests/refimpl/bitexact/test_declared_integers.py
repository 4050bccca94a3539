"""Integer pipelines away from the defaults, against Python integers: widths, orders, products."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.formats import FORMATS, integers_of, to_integers
from refimpl.bitexact.integer_sum import IntegerAccumulator, integer_accumulator, sum_integers
from refimpl.bitexact.operators import PIPELINES
from tests.refimpl.bitexact import literal


def judged_sum(row, column, of):
    half = 1 << (of.bits - 1)
    total = 0
    for weight, value in zip(row, column, strict=True):
        total += weight * value
        if of.overflow == "saturate":
            total = max(-half, min(half - 1, total))
    return (total + half) % (2 * half) - half


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_a_sum_of_any_width_wraps_or_saturates_as_python_integers_say(data):
    of = IntegerAccumulator(
        bits=data.draw(st.integers(8, 48)),
        overflow=data.draw(st.sampled_from(["wrap", "saturate"])),
        pass_terms=data.draw(st.integers(0, 3)),
    )
    word = st.integers(-(2**15), 2**15 - 1)
    terms = data.draw(st.integers(1, 7))
    row, column = (data.draw(st.lists(word, min_size=terms, max_size=terms)) for _ in range(2))
    got = sum_integers(np.array([row]), np.array(column)[None, :, None], of)
    assert got.total.item() == judged_sum(row, column, of)
    size = of.pass_terms or terms
    ends = [min(end, terms) for end in range(size, terms + size, size)]
    assert got.passes[0, :, 0, 0].tolist() == [
        judged_sum(row[:end], column[:end], of) for end in ends
    ]


@pytest.mark.small
def test_where_sums_saturate_the_order_of_the_terms_changes_the_result():
    row, column = np.array([[1, 1, -1]]), np.array([[[127], [127], [127]]])
    of = IntegerAccumulator(bits=8, overflow="saturate")
    assert sum_integers(row, column, of).total.item() == 0
    assert sum_integers(row[:, ::-1], column, of).total.item() == 127
    assert sum_integers(row, column, IntegerAccumulator(bits=8)).total.item() == 127


def small_call(arithmetic, seed=0, weights=None):
    rng = np.random.default_rng(seed)

    def draw(shape, to):
        low, high = FORMATS[to].limits
        return to_integers(rng.integers(low, high + 1, shape), to)

    tensors = {
        "x": draw((1, 2, 4, 3), arithmetic),
        "w": draw((2, 4, 3, 3), weights or arithmetic),
        "b": rng.integers(-999, 999, 2).astype(np.int32),
        "multiplier": rng.integers(2**13, 2**14, 2).astype(np.int32),
        "shift": np.full(2, 24, np.int8),
        "t_multiplier": np.array([3 * 2**12], np.int32),
        "t_shift": np.array([18], np.int8),
    }
    attributes = {"x_zero": -3, "t_zero": 2, "y_zero": 1, "rounding": "half_up"}
    attributes |= {"directions": [[0, 1], [-1, 0]], "length": 1, "boundary": "zero"}
    return tensors, attributes | {"padding": [1, 1]}


def judged_pssa(tensors, attributes, arithmetic, bits):
    """PSSA in Python integers, its product kept wide or requantised."""
    x = integers_of(tensors["x"]) - attributes["x_zero"]
    low, high = FORMATS[arithmetic].limits
    half = 1 << (bits - 1)
    n, c, height, width = x.shape
    product_of = np.zeros((n, 2 * c, height, width), object)
    for d, (down, right) in enumerate(attributes["directions"]):
        for at in np.ndindex(x.shape):
            row, col = at[2] + down, at[3] + right
            inside = 0 <= row < height and 0 <= col < width
            there = int(x[at[0], at[1], row, col]) if inside else 0
            wide = int(x[at]) * there
            if attributes.get("product") != "wide":
                m, s = int(tensors["t_multiplier"][0]), int(tensors["t_shift"][0])
                rounded = literal.RULES["half_up"](wide, m, s) + attributes["t_zero"]
                wide = literal.clip(rounded, low, high) - attributes["t_zero"]
            product_of[at[0], d * c + at[1], at[2], at[3]] = wide
    w = integers_of(tensors["w"])
    output = np.zeros((n, len(w), height, width), object)
    for at in np.ndindex(output.shape):
        total = 0
        for channel, u, v in product(range(2 * c), range(3), range(3)):
            row, col = at[2] + u - 1, at[3] + v - 1
            if 0 <= row < height and 0 <= col < width:
                total += int(w[at[1], channel, u, v]) * product_of[at[0], channel, row, col]
        total = (total + int(tensors["b"][at[1]]) + half) % (2 * half) - half
        m, s = int(tensors["multiplier"][at[1]]), int(tensors["shift"][at[1]])
        rounded = literal.RULES["half_up"](total, m, s) + attributes["y_zero"]
        output[at] = literal.clip(rounded, *attributes.get("clip", (low, high)))
    return output


@pytest.mark.parametrize(
    ("arithmetic", "weights", "bits"),
    [("int8", "int8", 32), ("int4", "int4", 16), ("int16", "int8", 48), ("int8", "int4", 20)],
)
@pytest.mark.parametrize("kept", ["wide", "requantised"])
@pytest.mark.parametrize("clip", [None, [0, 5]])
def test_pssa_in_any_width_is_what_python_integers_say(arithmetic, weights, bits, kept, clip):
    tensors, attributes = small_call(arithmetic, weights=weights)
    attributes |= {"accumulator": {"bits": bits}, "product": kept}
    if clip is not None:
        attributes["clip"] = clip
    got = PIPELINES["pssa", arithmetic](tensors, attributes)
    expected = judged_pssa(tensors, attributes, arithmetic, bits)
    np.testing.assert_array_equal(integers_of(got["output"]), expected.astype(np.int64))
    assert ("product" in got) == (kept == "requantised")


def test_passes_of_the_accumulator_are_stages_and_the_last_is_the_accumulator():
    tensors, attributes = small_call("int8")
    tensors["w"] = tensors["w"][:, :2]
    stages = PIPELINES["conv2d", "int8"](
        tensors, attributes | {"accumulator": {"pass_terms": 5, "order": "uvc"}}
    )
    passes = [stages[f"partial_{at}"] for at in range(4)]
    np.testing.assert_array_equal(passes[-1], stages["accumulator"])
    assert not np.array_equal(passes[0], passes[1])


@pytest.mark.small
def test_a_weight_zero_point_and_a_float_scale_are_their_formulas():
    tensors = {
        "x": np.array([[[[7]]]], np.int8),
        "w": np.array([[[[3]]]], np.int8),
        "multiplier": np.array([0.5], np.float32),
    }
    attributes = {"x_zero": 2, "w_zero": 4, "y_zero": 0, "rounding": "float_even"}
    stages = PIPELINES["conv2d", "int8"](tensors, attributes)
    assert stages["accumulator"].item() == -5
    assert stages["output"].item() == -2  # −2.5, the tie, to even


@pytest.mark.small
@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"bits": 7}, "must have 8 to 48 bits, not 7"),
        ({"overflow": "trap"}, "must wrap or saturate, not 'trap'"),
        ({"pass_terms": -1}, "pass_terms must be 0"),
        ({"speed": 1}, "must not have the fields speed"),
    ],
)
def test_an_accumulator_there_is_not_is_refused_in_one_sentence(declared, sentence):
    with pytest.raises(ValueError, match=sentence):
        integer_accumulator(declared)


@pytest.mark.small
def test_factors_that_do_not_fit_a_rule_are_refused_in_one_sentence():
    tensors, attributes = small_call("int8")
    tensors["w"] = tensors["w"][:, :2]
    with pytest.raises(ValueError, match="float_even must have binary32 scales"):
        PIPELINES["conv2d", "int8"](tensors, attributes | {"rounding": "float_even"})
    wide = attributes | {"accumulator": {"bits": 48}}
    tensors["multiplier"] = np.full(2, 2**15, np.int32)
    with pytest.raises(ValueError, match=r"must be below 2\^15 for a 48-bit accumulator"):
        PIPELINES["conv2d", "int8"](tensors, wide)
