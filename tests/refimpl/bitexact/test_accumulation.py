"""The description of a sum: what it refuses, what it says, and the order it puts terms in."""

import json
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.bitexact.accumulation import Accumulation, accumulation_of, term_order


@pytest.mark.small
@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"order": "cuu"}, "order must name each loop once"),
        ({"order": "Cuv", "tiles": {"c": 1}}, "order must name each loop once"),
        ({"order": "Cuvc"}, "tiles must give the size of 'c'"),
        ({"order": "cCuv", "tiles": {"c": 2}}, "the tile loop 'C' must run outside 'c'"),
        ({"bias": "middle"}, "bias must come 'first' or 'last', not 'middle'"),
        ({"lanes": 0}, "lanes must be from 1 to 1024, not 0"),
        ({"lane_order": "heap"}, "order inside a lane group must be one of sequential, tree"),
        ({"format": "int8"}, "accumulator format must be one of fp8_e4m3"),
        ({"product": "int8"}, "product must be one of fused, "),
        ({"pass_terms": -1}, "pass_terms must be from 0 to"),
        ({"between": "never"}, "between passes sums must be one of carried, added"),
        ({"aligned_bits": 1}, "aligned_bits must be from 2 to 40, not 1"),
        ({"rounding": "up"}, "rounding must be one of nearest_even"),
        ({"overflow": "wrap"}, "overflow must be one of infinity"),
        ({"subnormals": "lost"}, "subnormals must be one of kept, flushed"),
        ({"format": "fp64"}, "an fp64 accumulator must take fp64 products"),
        ({"product": "fp64"}, "rounded to fp64 only for an fp64 accumulator"),
    ],
)
def test_what_no_array_does_is_refused_in_one_sentence(choice, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        Accumulation(**choice)
    assert "\n" not in str(refusal.value)


@pytest.mark.small
def test_the_formula_says_where_the_bias_enters_and_what_is_rounded():
    last, first = Accumulation(order="uvc").formula, Accumulation(bias="first").formula
    assert last.startswith("acc = 0 ; for uvc: acc = R_fp32(acc + R_fp32(w*x))")
    assert "y = R_fp32(acc + b)" in last
    assert first.startswith("acc = b ; for cuv: ")
    assert "y =" not in first
    assert (
        "w*x cut to 9 bits"
        in Accumulation(lane_order="aligned", lanes=4, product="fused", aligned_bits=9).formula
    )


@pytest.mark.small
def test_a_description_survives_json_and_short_forms_are_the_record():
    of = Accumulation(order="Cuvc", tiles={"c": 4}, lanes=4, lane_order="tree", format="bf16")
    assert accumulation_of({"accumulation": json.loads(json.dumps(of.as_json()))}) == of
    short = accumulation_of({"order": "uvc", "bias_at": "first"})
    assert short == Accumulation(order="uvc", bias="first")
    with pytest.raises(ValueError, match="must not have the fields speed"):
        accumulation_of({"accumulation": {"speed": 1}})
    with pytest.raises(ValueError, match=r"must run over the loops n, i, j, not 'cuv'"):
        accumulation_of({"dw": {"order": "cuv"}}, "dw", loops="nij")


@pytest.mark.small
@pytest.mark.parametrize("order", ["".join(each) for each in permutations("cuv")])
def test_terms_run_in_the_order_of_the_named_loops(order):
    sizes = {"c": 2, "u": 3, "v": 4}
    expected = []
    for at in product(*(range(sizes[letter]) for letter in order)):
        where = dict(zip(order, at, strict=True))
        expected.append((where["c"] * 3 + where["u"]) * 4 + where["v"])
    assert term_order(sizes, order, {}).tolist() == expected


@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 5))
def test_a_tiled_order_runs_all_taps_of_a_tile_before_the_next_and_each_term_once(c, u, tile):
    got = term_order({"c": c, "u": u, "v": 1}, "Cuvc", {"c": tile}).tolist()
    expected = [
        channel * u + row
        for first in range(0, c, tile)
        for row in range(u)
        for channel in range(first, min(first + tile, c))
    ]
    assert got == expected
    assert sorted(got) == list(range(c * u))
    assert np.array_equal(term_order({"c": c, "u": u, "v": 1}, "cuv", {}), np.arange(c * u))
