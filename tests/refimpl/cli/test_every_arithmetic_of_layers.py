"""Layers of a network and a node of a model, written in every arithmetic through the command."""

import numpy as np
import pytest

from refimpl import io
from refimpl.bitexact.operators import ARITHMETICS

EVERY = " ".join(f"--arithmetic {each}" for each in ARITHMETICS)
KERNELS = {"int16": "int8"}


def must_have_the_formats(manifest):
    for case in manifest.cases:
        formats = {each.name: each.format for each in case.tensors}
        output = "product" if case.operator == "shift_product" else "output"
        assert (formats["x"], formats[output]) == (case.arithmetic["name"], case.arithmetic["name"])
        kernels = {form for name, form in formats.items() if name in ("w", "w_c", "w_a")}
        assert kernels <= {KERNELS.get(case.arithmetic["name"], case.arithmetic["name"])}
        assert case.stimulus["quantisation"]
        assert case.arithmetic["name"] in case.stimulus["quantisation"]


def test_layers_of_the_trained_network_in_every_arithmetic(refimpl, tmp_path):
    image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(1).integers(0, 256, (40, 44, 3)).astype(np.uint8)
    image.fromarray(noise).save(tmp_path / "noise.png")
    golden = tmp_path / "set"
    options = "--network trained --layer conv1 --layer conv2_1.conv2 --layer fc --crop 6"
    line = f"vectors {golden} {options} --image {tmp_path}/noise.png {EVERY} --files npy"
    status, out, err = refimpl(line)
    assert (status, err) == (0, "")
    manifest = io.read_manifest(golden)
    assert {case.arithmetic["name"] for case in manifest.cases} == set(ARITHMETICS)
    must_have_the_formats(manifest)
    for one in manifest.excluded:  # the one form that may not be is said, with the reason
        assert one.what in out
        assert one.what.startswith("conv2_1.conv2-xvolution-fused-int")
        assert "two branches has two scales" in one.reason
    assert len(manifest.cases) + len(manifest.excluded) == len(ARITHMETICS) * (1 + 4 + 1)
    assert refimpl(f"verify {golden} --recompute")[0] == 0
    assert refimpl(f"check {golden} {golden}")[0] == 0


def test_a_node_of_a_model_in_every_arithmetic(refimpl, tmp_path):
    onnx = pytest.importorskip("onnx")
    h, floats = onnx.helper, onnx.TensorProto.FLOAT
    w = np.random.default_rng(2).standard_normal((2, 3, 3, 3)).astype(np.float32)
    graph = h.make_graph(
        [h.make_node("Conv", ["x", "w"], ["y"], name="c")],
        "g",
        [h.make_tensor_value_info("x", floats, [1, 3, 5, 5])],
        [h.make_tensor_value_info("y", floats, [1, 2, 3, 3])],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    x = np.random.default_rng(3).standard_normal((1, 3, 5, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    golden = tmp_path / "set"
    options = f"--onnx {tmp_path}/m.onnx --node c --input {tmp_path}/x.npy {EVERY} --files npy"
    status, _, err = refimpl(f"vectors {golden} {options}")
    assert (status, err) == (0, "")
    manifest = io.read_manifest(golden)
    assert [case.arithmetic["name"] for case in manifest.cases] == list(ARITHMETICS)
    must_have_the_formats(manifest)
    assert refimpl(f"verify {golden} --recompute")[0] == 0
