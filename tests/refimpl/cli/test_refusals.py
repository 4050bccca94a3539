"""What would be ignored, miscounted or crash: refused, in one sentence."""

import json
import shutil

import numpy as np
import pytest

from refimpl import io
from refimpl.bitexact.adders import adders_of
from refimpl.bitexact.quantise import affine
from refimpl.vectors.manifest import seal
from refimpl.vectors.stimuli import Sizes

SIZES = "--batch 1 --channels 2 --outputs 2 --height 3 --width 3"


def refused(refimpl, line, sentence):
    status, _, err = refimpl(line)
    assert (status, err.count("\n")) == (2, 1)
    assert sentence in err


@pytest.mark.parametrize("lanes", [0, -1, 1025])
def test_lanes_that_no_word_has(refimpl, tmp_path, lanes):
    line = f"vectors {tmp_path}/set {SIZES} --lanes {lanes}"
    refused(refimpl, line, f"a word must have 1 to 1024 lanes, not {lanes}")


def test_a_word_too_wide_for_a_kind_of_file_names_tensor_and_kind(refimpl, tmp_path):
    line = f"vectors {tmp_path}/set {SIZES} --operator conv2d --files npy,h --lanes 4"
    refused(refimpl, line, "_b cannot be written as .h: ")
    assert not (tmp_path / "set").exists()


def test_a_limit_is_of_the_operator_that_was_asked_for():
    wide = Sizes(channels=16, batch=8, height=320, width=320)  # 117,964,800 numbers in its columns
    wide.must_fit("conv2d")
    for operator, numbers in (("pssa", "471,859,200"), ("xvolution_fused", "589,824,000")):
        with pytest.raises(ValueError, match=f"case of {operator} must gather .* not {numbers}:"):
            wide.must_fit(operator)
    with pytest.raises(ValueError, match="case of conv2d must gather at most"):
        Sizes(channels=32, batch=8, height=320, width=320)


def test_adders_of_a_format_that_is_none():
    with pytest.raises(ValueError, match=r"accumulator of adders must be one of .*, not 'fp99'"):
        adders_of({"accumulator": "fp99"})
    assert "which has no class of adders" in adders_of({"accumulator": "fp8_e4m3"})


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_no_scale_holds(number):
    with pytest.raises(ValueError, match="numbers must be finite to be quantised"):
        affine(np.array([1.0, number]))


def test_a_layer_whose_input_overflows_says_so(refimpl, tmp_path):
    line = f"vectors {tmp_path}/set --layer conv3_2.conv2 --side 3"
    status, _, err = refimpl(line)
    assert (status, err.count("\n")) == (2, 1)
    assert "must be finite" in err
    assert "cannot convert" not in err


@pytest.mark.parametrize("version", [2.0, "2", True, [2]])
def test_a_version_that_is_no_whole_number(refimpl, tmp_path, version):
    golden = tmp_path / "set"
    assert refimpl(f"vectors {golden} {SIZES} --operator conv2d --arithmetic int8")[0] == 0
    document = json.loads((golden / "manifest.json").read_text())
    document["schema_version"] = version
    document["digest"] = seal(document)
    (golden / "manifest.json").write_text(json.dumps(document))
    refused(refimpl, f"verify {golden}", f"must be the whole number 2, not {version!r}")


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 3, 8, 8), (3, 8, 8)])
def test_an_input_of_another_shape_than_the_model_declares(tmp_path, shape):
    onnx = pytest.importorskip("onnx")
    sides = {"x": [1, 3, 8, 8], "free": ["batch", 3, 8, 8]}
    np.save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    for name, declared in sides.items():
        entering = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, declared)
        graph = onnx.helper.make_graph([], "g", [entering], [])
        model = onnx.helper.make_model(graph)
        if name == "free" and shape[1:] == (3, 8, 8):
            assert io.read_feeds(model, [str(tmp_path / "x.npy")])[0]["free"].shape == shape
            continue
        with pytest.raises(io.UnusableError, match=r"must have the shape \(.*, 3, 8, 8\) that"):
            io.read_feeds(model, [str(tmp_path / "x.npy")])


@pytest.mark.parametrize(
    ("name", "near"),
    [("acumulator.npy", "accumulator"), ("accumulator.npz", "accumulator"), ("out.hex", "output")],
)
def test_a_file_that_looks_like_a_tensor_and_is_not_read_is_named(refimpl, tmp_path, name, near):
    golden, device = tmp_path / "set", tmp_path / "device"
    assert refimpl(f"vectors {golden} {SIZES} --operator conv2d --arithmetic int8")[0] == 0
    (entry,) = io.read_manifest(golden).cases
    (device / entry.id).mkdir(parents=True)
    shutil.copy(golden / entry.id / "output.npy", device / entry.id)
    (device / entry.id / "run.log").write_text("a log is the device's own business")
    assert refimpl(f"check {golden} {device}")[0] == 0
    assert refimpl(f"check {golden} {golden}")[0] == 0
    shutil.copy(golden / entry.id / "accumulator.npy", device / entry.id / name)
    status, out, err = refimpl(f"check {golden} {device}")
    assert status == 2
    assert f"{entry.id}/{name} must be called after a stage of its case" in err
    assert f"as {near}.npy is" in err
    assert f"ok    {entry.id} output" in out
