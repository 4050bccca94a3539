"""Cases exported as TOSA tests, validated and run by TOSA's own tools, where they are there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refimpl.bitexact.bounds import bound_output
from refimpl.io import UnusableError
from refimpl.io.tosa import must_be_tosa, tosa_files
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases

BIN = Path(sys.executable).parent
needs_tools = pytest.mark.skipif(
    not (BIN / "tosa_reference_model").exists(), reason="TOSA's tools: make test-tosa has them"
)
CASES = [
    case
    for sizes in (
        Sizes(),
        Sizes(stride=2, height=9),
        Sizes(dilation=2, kernel=3),
        Sizes(kernel=5, stride=3, height=11, width=10, dilation=2),
        Sizes(kernel=1),
    )
    for case in random_cases(["conv2d"], sizes, Choices(arithmetics=("int8", "fp32")))
]


@needs_tools
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_tosas_reference_model_gives_the_golden_output(case, tmp_path):
    for name, content in tosa_files(case):
        (tmp_path / name).write_bytes(content)
    for tool, argument in (
        ("tosa_schemavalidation", str(tmp_path)),
        ("tosa_reference_model", "--test_desc=desc.json"),
    ):
        done = subprocess.run(
            [BIN / tool, argument], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    got = np.load(tmp_path / "ref-result-0.npy")
    expected = np.load(tmp_path / "expected-result-0.npy")
    if case.arithmetic == "int8":
        np.testing.assert_array_equal(got, expected)
    else:
        of = bound_output(case.operator, case.tensors, case.attributes)
        y = got.astype(float).transpose(0, 3, 1, 2)
        assert (np.abs(y - of.reference) <= of.bound).all()


def test_without_the_tools_it_is_said_where_they_are_from():
    if (BIN / "tosa_reference_model").exists():
        pytest.skip("the tools are there")
    with pytest.raises(UnusableError, match=r"TOSA cases need TOSA's own tools: pip install tosa"):
        list(tosa_files(CASES[0]))


@pytest.mark.parametrize(
    ("operator", "rounding", "sentence"),
    [
        ("pssa", "half_up", "must be a conv2d in int8 or fp32 to be a TOSA case"),
        ("conv2d", "floor", "must round half_up, TOSA's single rounding, not floor"),
    ],
)
def test_what_tosa_cannot_say_is_refused(operator, rounding, sentence):
    choices = Choices(arithmetics=("int8",), rounding=rounding)
    (case,) = random_cases([operator], Sizes(), choices)
    with pytest.raises(UnusableError, match=sentence):
        must_be_tosa(case)
