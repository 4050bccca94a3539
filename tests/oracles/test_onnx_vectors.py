"""Cases exported as ONNX backend tests, run by ONNX Runtime."""

import numpy as np
import pytest

from refimpl.bitexact.bounds import bound_output
from refimpl.vectors.onnx_case import onnx_files
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes
from tests.refimpl.vectors.onnx_cases import exported

runtime = pytest.importorskip("onnxruntime")
CASES = [
    case
    for stride, dilation in ((1, 1), (2, 1), (1, 2))
    for case in exported(
        Sizes(channels=5, outputs=6, height=9, width=8, stride=stride, dilation=dilation)
    )
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_onnx_runtime_gives_the_golden_output(case):
    golden = list(stages(case).values())[-1]
    model = dict(onnx_files(case, golden))["model.onnx"]
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": case.tensors["x"]})
    assert y.dtype == golden.dtype
    if case.arithmetic == "int8":
        np.testing.assert_array_equal(y, golden)
    else:
        of = bound_output(case.operator, case.tensors, case.attributes)
        assert (np.abs(y.astype(float) - of.reference) <= of.bound).all()
