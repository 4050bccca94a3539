"""ONNX backend tests of cases in ONNX's evaluator: integers to the bit, floats within the bound."""

import numpy as np
import pytest

from refimpl.bitexact.bounds import bound_output
from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import Choices
from refimpl.vectors.onnx_case import BUILDERS, must_be_onnx, onnx_files
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

onnx = pytest.importorskip("onnx")
CASES = [
    case
    for stride, rounding in ((1, "half_up"), (2, "floor"))
    for case in random_cases(
        OPERATORS,
        Sizes(batch=1, channels=2, outputs=3, height=5, width=4, stride=stride),
        Choices(rounding=rounding),
        seed=rounding.replace("_", "-"),
    )
    if (case.operator, case.arithmetic) in BUILDERS
]
CASES += random_cases(["conv2d"], Sizes(batch=1, channels=4, outputs=6, groups=2), Choices())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_model_gives_the_golden_output(case):
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    golden = list(stages(case).values())[-1]
    files = dict(onnx_files(case, golden))
    model = onnx.load_model_from_string(files["model.onnx"])
    x, expected = (
        onnx.numpy_helper.to_array(onnx.TensorProto.FromString(files[f"test_data_set_0/{name}.pb"]))
        for name in ("input_0", "output_0")
    )
    np.testing.assert_array_equal(expected, golden)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    assert y.dtype == golden.dtype
    if case.arithmetic == "int8":
        np.testing.assert_array_equal(y, golden)
    else:
        of = bound_output(case.operator, case.tensors, case.attributes)
        assert (np.abs(y.astype(float) - of.reference) <= of.bound).all()


def test_the_same_case_is_the_same_bytes():
    case = CASES[0]
    golden = list(stages(case).values())[-1]
    assert dict(onnx_files(case, golden)) == dict(onnx_files(case, golden))


def test_a_rounding_without_a_graph_is_refused():
    (case,) = random_cases(
        ["conv2d"], Sizes(), Choices(arithmetics=("int8",), rounding="half_even")
    )
    with pytest.raises(ValueError, match="must round half_up or floor to have an ONNX graph"):
        must_be_onnx(case)
