"""Cases exported as TOSA tests, validated and run by TOSA's own tools, where they are there."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refimpl.bitexact.bounds import bound_output
from refimpl.bitexact.operators import OPERATORS
from refimpl.bitexact.requantise import factor_of, requantise
from refimpl.io import UnusableError
from refimpl.io.tosa import description, must_be_tosa, tosa_files, written
from refimpl.io.tosa_graph import MODES, rescaled
from refimpl.vectors.case import Choices
from refimpl.vectors.files.numpy_file import to_npy
from refimpl.vectors.formats import format_of
from refimpl.vectors.stimuli import Sizes, random_cases

BIN = Path(sys.executable).parent
needs_tools = pytest.mark.skipif(
    not (BIN / "tosa_reference_model").exists(), reason="TOSA's tools: make test-tosa has them"
)
SIZES = (
    Sizes(),
    Sizes(stride=2, height=9),
    Sizes(dilation=2, kernel=3),
    Sizes(kernel=5, stride=3, height=11, width=10, dilation=2),
    Sizes(kernel=1),
)
BOTH = Choices(arithmetics=("int8", "fp32"))
CASES = [case for sizes in SIZES for case in random_cases(["conv2d"], sizes, BOTH)]
CASES += [case for sizes in SIZES[:2] for case in random_cases(OPERATORS[1:], sizes, BOTH)]
CASES += [
    replace(case, id=f"{case.id}-{name}", attributes={**case.attributes, **other})
    for name, other in {
        "zero-boundary": {"boundary": "zero", "length": 2, "directions": [[1, 0], [-1, -1]]},
        "far": {"boundary": "zero", "length": 9, "directions": [[0, 1], [1, 0], [0, -1], [-1, 1]]},
        "two-around": {"length": 2},
    }.items()
    for case in random_cases(["shift_product", "pssa"], Sizes(), BOTH)
    if name != "zero-boundary" or case.operator == "shift_product"
]
CASES += random_cases(OPERATORS, Sizes(), Choices(arithmetics=("int8",), rounding="tosa_double"))


def ran(folder, files):
    """TOSA's validator and reference model on the files of a test; what the model gives."""
    for name, content in files:
        (folder / name).write_bytes(content)
    for tool, argument in (
        ("tosa_schemavalidation", str(folder)),
        ("tosa_reference_model", "--test_desc=desc.json"),
    ):
        done = subprocess.run(
            [BIN / tool, argument], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return np.load(folder / "ref-result-0.npy")


@needs_tools
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}-{rule(case)}")
def test_tosas_reference_model_gives_the_golden_output(case, tmp_path):
    got = ran(tmp_path, tosa_files(case))
    expected = np.load(tmp_path / "expected-result-0.npy")
    assert got.shape == expected.shape
    if case.arithmetic == "int8":
        np.testing.assert_array_equal(got, expected)
    else:
        of = bound_output(case.operator, case.tensors, case.attributes)
        y = got.astype(float).transpose(0, 3, 1, 2)
        assert (np.abs(y - of.reference) <= of.bound).all()


def rule(case):
    return case.attributes.get("rounding", "")


def scaled(values, factor, rounding, folder):
    """What TOSA's RESCALE makes of int32 values (n, h, w, c), saturated to int16."""

    def make(tools, x):
        return rescaled(tools, x, factor, (0, 0), "int16", rounding, last=True)

    flatbuffer, name = written(values, make)
    desc = description(name, integer=True, double=rounding == "tosa_double", wide=True)
    files = {"test.tosa": flatbuffer, "desc.json": desc, "input-0.npy": as_npy(values)}
    return ran(folder, files.items())


def as_npy(values):
    return to_npy(values, format_of(values))


@needs_tools
@pytest.mark.parametrize("rounding", sorted(MODES))
@pytest.mark.parametrize("per_channel", [True, False])
def test_each_rounding_of_tosas_rescale_is_ours(rounding, per_channel, tmp_path):
    """Ties of both signs, both ends of int32, and values at random, for every shift there is."""
    rng = np.random.default_rng(7)
    shifts = np.arange(31, 63)
    multiplier = rng.integers(2**30, 2**31, len(shifts))
    multiplier[::2] = 2**30  # powers of two: where ties are
    if not per_channel:
        shifts, multiplier = shifts[5:6], multiplier[5:6]
    half = np.int64(1) << np.clip(shifts - 31, 0, 30)
    odd = rng.integers(-(2**15), 2**15, (64, 1)) * 2 + 1
    top = np.full(len(half), 2**31 - 1)
    rows = np.concatenate([odd * half, rng.integers(-(2**31), 2**31, (64, len(half))),
                           [top, -top - 1, 0 * top, top * 0 + 1, top * 0 - 1]])  # fmt: skip
    end = np.int64(1) << np.minimum(shifts - 1, 31)  # TOSA's model refuses larger ones
    values = np.clip(rows, -end, end - 1).astype(np.int32).reshape(1, 1, -1, len(half))
    factor = (multiplier.astype(np.int32), shifts.astype(np.int8))
    got = scaled(values, factor, rounding, tmp_path)
    tensors = {"multiplier": factor[0], "shift": factor[1]}
    nchw = values.transpose(0, 3, 1, 2).astype(np.int64)
    exact = {
        each: requantise(nchw, factor_of(tensors), rounding=each).transpose(0, 2, 3, 1)
        for each in (*MODES, "half_even", "floor")
    }
    saturated = {each: np.clip(array, -(2**15), 2**15 - 1) for each, array in exact.items()}
    np.testing.assert_array_equal(got, saturated[rounding])
    for other in set(exact) - {rounding}:  # the values tell the rules apart
        assert (got != saturated[other]).any() or not per_channel


def test_an_accumulator_that_tosa_may_not_scale_is_refused():
    (case,) = random_cases(["conv2d"], Sizes(), Choices(arithmetics=("int8",)))
    large = {"b": np.full_like(case.tensors["b"], 2**30), "shift": case.tensors["shift"] * 0 + 31}
    with pytest.raises(UnusableError, match=r"biased .* must be smaller than 2\^\(shift - 1\)"):
        list(tosa_files(replace(case, tensors={**case.tensors, **large})))


def test_without_the_tools_it_is_said_where_they_are_from():
    if (BIN / "tosa_reference_model").exists():
        pytest.skip("the tools are there")
    with pytest.raises(UnusableError, match=r"TOSA cases need TOSA's own tools: pip install tosa"):
        list(tosa_files(CASES[0]))


@pytest.mark.parametrize(
    ("operator", "arithmetic", "other", "sentence"),
    [
        ("global_attention", "int8", {}, "must be a conv2d, shift_product, pssa, .* in int8 or"),
        ("conv2d", "bf16", {}, "in int8 or fp32 to be a TOSA case, not conv2d in bf16"),
        ("pssa", "int8", {"rounding": "floor"}, "must round half_up or tosa_double, TOSA's single"),
        ("pssa", "int8", {"product": "wide"}, "must have an int32 accumulator, an int8 product"),
        ("conv2d", "int8", {"accumulator": {"bits": 24}}, "must have an int32 accumulator"),
        ("conv2d", "int8", {"clip": [0, 9]}, "no clip of its own to be a TOSA case"),
    ],
)
def test_what_tosa_cannot_say_is_refused(operator, arithmetic, other, sentence):
    (case,) = random_cases([operator], Sizes(), Choices(arithmetics=(arithmetic,)))
    with pytest.raises(UnusableError, match=sentence):
        must_be_tosa(replace(case, attributes={**case.attributes, **other}))
