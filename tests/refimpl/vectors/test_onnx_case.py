"""ONNX backend tests of cases in ONNX's evaluator: integers to the bit, floats within the bound."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.bitexact.bounds import bound_output
from refimpl.bitexact.operators import OPERATORS
from refimpl.bitexact.requantise import ROUNDINGS
from refimpl.vectors.case import Choices
from refimpl.vectors.onnx_case import BUILDERS, must_be_onnx, onnx_files
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from tests.refimpl.vectors.onnx_cases import below_31, exported

onnx = pytest.importorskip("onnx")
CASES = exported(Sizes(batch=2, channels=2, outputs=4, height=5, width=4))
CASES += below_31(CASES)
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
    assert (y.dtype, y.shape) == (golden.dtype, golden.shape)
    if case.arithmetic == "int8":
        np.testing.assert_array_equal(y, golden)
    else:
        of = bound_output(case.operator, case.tensors, case.attributes)
        assert (np.abs(y.astype(float) - of.reference) <= of.bound).all()


def test_every_operator_that_has_a_graph_is_tried_in_every_rounding():
    tried = {(case.operator, case.arithmetic) for case in CASES}
    assert tried == set(BUILDERS)
    assert set(OPERATORS) <= {operator for operator, _ in tried}
    for operator, arithmetic in tried:
        rules = {case.attributes.get("rounding") for case in CASES if case.operator == operator}
        assert arithmetic == "fp32" or set(ROUNDINGS) <= rules


def test_the_same_case_is_the_same_bytes():
    case = CASES[0]
    golden = list(stages(case).values())[-1]
    assert dict(onnx_files(case, golden)) == dict(onnx_files(case, golden))


@pytest.mark.parametrize(
    ("operator", "arithmetic", "other", "sentence"),
    [
        ("conv2d", "bf16", {}, r"must be in fp32 \(conv2d, .*\) to have an ONNX graph, not conv2d"),
        ("global_attention", "int8", {}, r"int8 \(conv2d, .*, batch_norm\) to have an ONNX graph"),
        ("pssa_backward", "fp32", {}, "to have an ONNX graph, not pssa_backward in fp32"),
        ("pssa", "int8", {"product": "wide"}, "must be without product to have an ONNX graph"),
        ("conv2d", "int8", {"clip": [0, 1], "w_zero": 1}, "must be without clip, w_zero to have"),
        ("conv2d", "int8", {"accumulator": {"bits": 24}}, "must be of an int32 accumulator that"),
        ("conv2d", "fp32", {"accumulation": {"format": "fp16"}}, "must be without accumulation to"),
        ("batch_norm", "fp32", {"statistics": "batch"}, "must be given its statistics to have"),
    ],
)
def test_what_has_no_graph_is_refused(operator, arithmetic, other, sentence):
    (case,) = random_cases([operator], Sizes(), Choices(arithmetics=(arithmetic,)))
    with pytest.raises(ValueError, match=sentence):
        must_be_onnx(replace(case, attributes={**case.attributes, **other}))
