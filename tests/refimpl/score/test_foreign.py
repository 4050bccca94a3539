"""Others' cases: as words of ours they give the results that their files hold."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from refimpl import io
from refimpl.io.foreign import onnx_subjects, tosa_subjects
from refimpl.ops.conv2d import conv2d
from refimpl.score.kill import score
from refimpl.score.models import run

GENERATOR = np.random.default_rng(5)


def words(shape, kind):
    info = np.iinfo(kind)
    return GENERATOR.integers(info.min, info.max + 1, shape).astype(kind)


def save_case(place, node, operands, output):
    """A test case as ONNX lays it out: model, inputs, outputs."""
    data = place / "test_data_set_0"
    data.mkdir(parents=True)
    kinds = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in operands.items()}
    graph = helper.make_graph(
        [node],
        "case",
        [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in operands.items()],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
    )
    onnx.save(helper.make_model(graph), place / "model.onnx")
    for at, (name, array) in enumerate(operands.items()):
        (data / f"input_{at}.pb").write_bytes(
            numpy_helper.from_array(array, name).SerializeToString()
        )
    (data / "output_0.pb").write_bytes(numpy_helper.from_array(output, "y").SerializeToString())


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 1, 2, 0)])
def test_conv_integer_gives_the_sums_of_the_definition(tmp_path, kind, pads):
    x, w = words((2, 3, 5, 4), kind), words((4, 3, 3, 2), kind)
    x_zero, w_zero = words((), kind), words((4,), kind)
    wide = np.pad(
        x.astype(int) - int(x_zero), ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3]))
    )
    expected = conv2d(wide, w.astype(int) - w_zero.astype(int)[:, None, None, None], stride=(2, 1))
    node = helper.make_node(
        "ConvInteger", ["x", "w", "xz", "wz"], ["y"], pads=list(pads), strides=[2, 1]
    )
    operands = {"x": x, "w": w, "xz": x_zero, "wz": w_zero}
    save_case(tmp_path / "case", node, operands, expected.astype(np.int32))
    (subject,) = onnx_subjects(tmp_path / "case")
    assert subject.stage == "biased"
    assert (run(subject.case)["biased"] == expected).all()


def test_a_quantised_convolution_gives_the_output_of_onnx(tmp_path):
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - slow to import

    operands = {
        "x": words((1, 2, 6, 5), np.uint8), "xs": np.float32(0.02), "xz": np.uint8(120),
        "w": words((3, 2, 3, 3), np.uint8), "ws": np.float32(0.013), "wz": np.uint8(131),
        "ys": np.float32(0.3), "yz": np.uint8(119),
    }  # fmt: skip
    operands = {name: np.asarray(value) for name, value in operands.items()}
    node = helper.make_node("QLinearConv", list(operands), ["y"], pads=[1, 1, 1, 1])
    kinds = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in operands.items()}
    graph = helper.make_graph(
        [node],
        "case",
        [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in operands.items()],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
    )
    expected = ReferenceEvaluator(helper.make_model(graph)).run(None, operands)[0]
    save_case(tmp_path / "case", node, operands, expected)
    (subject,) = onnx_subjects(tmp_path / "case")
    assert subject.stage is None
    assert (run(subject.case)["output"].astype(int) + 128 == expected).all()


def test_whole_floats_are_taken_as_they_are_and_others_are_quantised(tmp_path):
    x = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    w = np.ones((1, 1, 3, 3), np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 2])
    expected = conv2d(x, w, padding=1, stride=2)
    save_case(tmp_path / "whole", node, {"x": x, "w": w}, expected)
    single, integer = onnx_subjects(tmp_path / "whole")
    assert (run(single.case)["output"] == expected).all()
    assert "order-cuv" not in {each.id for each in score([single]).survivors}  # what is declared
    assert (run(integer.case)["biased"] == expected).all()
    save_case(tmp_path / "half", node, {"x": x / 2, "w": w}, expected)
    _, quantised = onnx_subjects(tmp_path / "half")
    assert quantised.case.tensors["x"].max() == 127


@pytest.mark.parametrize("as_json", [False, True])
def test_a_tosa_case_gives_the_sums_of_the_definition(tmp_path, as_json):
    x, w, b = words((1, 5, 4, 3), np.int8), words((2, 3, 2, 3), np.int8), words((2,), np.int32)
    place = tmp_path / "conv"
    place.mkdir()
    tensors = [
        {"name": "x", "shape": list(x.shape), "type": "INT8", "data": []},
        {"name": "w", "shape": list(w.shape), "type": "INT8", "data": list(w.tobytes())},
        {"name": "b", "shape": [2], "type": "INT32", "data": list(b.tobytes())},
        {"name": "xz", "shape": [1], "type": "INT8", "data": [200, 0, 0, 0]},
        {"name": "wz", "shape": [1], "type": "INT8", "data": [7]},
    ]
    operator = {
        "op": "CONV2D",
        "inputs": ["x", "w", "b", "xz", "wz"],
        "attribute": {"pad": [1, 0, 2, 1], "stride": [1, 2], "dilation": [1, 1]},
    }
    block = {"operators": [operator], "tensors": tensors}
    (place / "test.json").write_text(json.dumps({"regions": [{"blocks": [block]}]}))
    description = {
        "tosa_file": "test.json", "ifm_name": ["x"], "ifm_file": ["x.npy"],
        "expected_failure": False,
    }  # fmt: skip
    (place / "desc.json").write_text(json.dumps(description))
    if as_json:
        (place / "x.json").write_text(json.dumps({"type": "int8", "data": x.tolist()}))
    else:
        np.save(place / "x.npy", x)
    (subject,) = tosa_subjects(place, "conv")
    centred = x.astype(int).transpose(0, 3, 1, 2) - (200 - 256)
    padded = np.pad(centred, ((0, 0), (0, 0), (1, 0), (2, 1)))
    expected = conv2d(padded, w.astype(int).transpose(0, 3, 1, 2) - 7, stride=(1, 2))
    wrapped = (expected + b[:, None, None]).astype(np.int32)
    assert (run(subject.case)["biased"] == wrapped).all()
    description["expected_failure"] = True
    (place / "desc.json").write_text(json.dumps(description))
    assert list(tosa_subjects(place, "conv")) == []


def test_the_data_that_onnx_ships_is_found_and_scored():
    from importlib.util import find_spec  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    root = Path(find_spec("onnx").origin).parent / "backend/test/data/pytorch-converted"
    some = root / "test_Conv2d_strided"
    count, subjects = io.read_subjects(some)
    assert count == 1
    result = score(subjects)
    assert result.cases == 2
    assert 0 < result.killed("design") < len(result.counted("design"))


def test_a_graph_in_binary_and_an_empty_directory_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(io.UnusableError, match=r"must hold a manifest.json, or model.onnx"):
        io.read_subjects(tmp_path)
    with pytest.raises(io.UnusableError, match="must be a directory"):
        io.read_subjects(tmp_path / "absent")
    (tmp_path / "test.tosa").write_bytes(b"\x80\x00TOSA")
    said = {"tosa_file": "test.tosa", "ifm_name": [], "ifm_file": []}
    (tmp_path / "desc.json").write_text(json.dumps(said))
    with pytest.raises(io.UnusableError, match="generate with --output-type json"):
        list(tosa_subjects(tmp_path, "x"))
    (tmp_path / "model.onnx").write_bytes(b"\xff\xff\xff")
    with pytest.raises(io.UnusableError, match="must be an ONNX model"):
        list(onnx_subjects(tmp_path))
