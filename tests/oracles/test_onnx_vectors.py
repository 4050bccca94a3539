"""Cases exported as ONNX backend tests, run by ONNX Runtime."""

import numpy as np
import pytest

from refimpl.bitexact.bounds import bound_output
from refimpl.vectors.case import Choices
from refimpl.vectors.onnx_case import BUILDERS, onnx_files
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

runtime = pytest.importorskip("onnxruntime")
OPERATORS = sorted({operator for operator, _ in BUILDERS})
CASES = [
    case
    for stride, dilation, rounding in ((1, 1, "half_up"), (2, 1, "floor"), (1, 2, "half_up"))
    for case in random_cases(
        OPERATORS,
        Sizes(channels=5, outputs=7, height=9, width=8, stride=stride, dilation=dilation),
        Choices(arithmetics=("int8", "fp32"), rounding=rounding),
        seed=f"{rounding.replace('_', '-')}{dilation}",
    )
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_onnx_runtime_gives_the_golden_output(case):
    golden = list(stages(case).values())[-1]
    model = dict(onnx_files(case, golden))["model.onnx"]
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": case.tensors["x"]})
    if case.arithmetic == "int8":
        np.testing.assert_array_equal(y, golden)
    else:
        of = bound_output(case.operator, case.tensors, case.attributes)
        assert (np.abs(y.astype(float) - of.reference) <= of.bound).all()
