"""``refimpl fuse`` as a user runs it: a table, a file that runs, one sentence, exit codes."""

import json
import shlex
import sys

import numpy as np
import pytest

import refimpl as ref
from refimpl import cli, io
from refimpl.cli import fuse_network
from refimpl.forms import run_trained
from refimpl.nets.graph import initialise
from refimpl.nets.resnet import resnet
from refimpl.nets.small import small
from refimpl.train.flat import flatten, unflatten
from tests.refimpl.checkpoint.states import C, attending, shifted

pytest.importorskip("onnx", reason="graphs need the onnx extra")
from onnx import load as load_onnx
from onnx.reference import ReferenceEvaluator

STATE = {k: a.astype(np.float32) if a.dtype.kind == "f" else a for k, a in shifted().items()}
WIDE = {key: array.astype(float) for key, array in STATE.items()}
TWO = {**STATE, **shifted("other.", seed=2), "fc.weight": np.ones((2, 4))}


@pytest.fixture
def refimpl(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", **STATE)
    np.savez("two.npz", **TWO)
    np.savez("attention.npz", **attending())

    def run(line):
        monkeypatch.setattr(sys, "argv", ["refimpl", *shlex.split(line)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        printed = capsys.readouterr()
        return leaving.value.code or 0, printed.out, printed.err

    return run


def assert_refused(answer, *parts):
    status, out, err = answer
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def trained(x, **options):
    """X-volution of the stored weights, in float64."""
    norms = (
        ref.BatchNorm(*(WIDE[f"block.mix.{bn}.{each}"] for each in members))
        for bn in ("bn_c", "bn_a")
        for members in [("weight", "bias", "running_mean", "running_var")]
    )
    kernels = (WIDE[f"block.mix.conv_{of}.weight"] for of in "ca")
    return ref.xvolution(x, *kernels, *norms, **options)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_the_file_holds_the_fused_arrays_and_the_table_says_what_was_done(refimpl, tmp_path, kind):
    status, out, err = refimpl(f"fuse one.npz --out fused.{kind} --set stride=2")
    assert (status, err) == (0, "")
    for said in ("block.mix", "pssa", "feature", "12 keys: 10 fused"):
        assert said in out
    assert f"{28 * 28 * 4 * 15 * 9:,}" in out
    assert "assumed of block.mix: directions=" in out
    assert out.endswith(f"written: fused.{kind}\n")
    arrays = io.read_checkpoint(tmp_path / f"fused.{kind}")
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    x = np.random.default_rng(1).standard_normal((2, C, 5, 6))
    y = ref.xvolution_fused(x, arrays["block.mix.w"], arrays["block.mix.b"], stride=2)
    np.testing.assert_allclose(y, trained(x, stride=2), rtol=0, atol=1e-4)


def test_json_says_all_that_the_table_says_and_how_near_the_bound(refimpl):
    status, out, _ = refimpl("fuse two.npz --out fused.npz --form square --input 10x20 --json")
    report = json.loads(out)
    assert status == 0
    assert [row["site"] for row in report["sites"]] == ["block.mix", "other"]
    row = report["sites"][0]
    assert row["form"] == "square"
    assert (row["macs_before"], row["macs_after"]) == (200 * 4 * 15 * 9, 200 * 4 * 27 * 9)
    assert 0 < row["difference"] < row["rounded_difference"] < 1e-4
    assert 0 < row["of_bound"] < 1
    assert row["attributes"]["length"] == 1
    assert "length" in row["assumed"]
    assert (report["passed"], report["written"], report["input"]) == (True, "fused.npz", [10, 20])


@pytest.mark.parametrize("form", ["feature", "two-pass", "square", "shared"])
def test_an_onnx_file_is_the_trained_operator(refimpl, tmp_path, form):
    line = f"fuse one.npz --out one.onnx --form {form} --dtype float64 --set boundary=zero"
    assert refimpl(line)[0] == 0
    model = load_onnx(tmp_path / "one.onnx")
    x = np.random.default_rng(1).standard_normal((2, C, 5, 6))
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(y, trained(x, boundary="zero"), rtol=0, atol=1e-12)
    said = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert (said["form"], said["attributes"]["boundary"]) == (form, "zero")


def test_of_several_x_volutions_one_must_be_named_for_a_graph(refimpl, tmp_path):
    assert_refused(
        refimpl("fuse two.npz --out t.onnx"), "--site must name the one", "block.mix, other"
    )
    assert_refused(refimpl("fuse two.npz --out t.onnx --site mix"), "--site must be one of 'block")
    assert not (tmp_path / "t.onnx").exists()
    assert refimpl("fuse two.npz --out t.onnx --site other")[0] == 0


def test_attention_is_said_by_operator_and_settings(refimpl, tmp_path):
    assert_refused(refimpl("fuse attention.npz --out a.npz"), "xvolution_local or xvolution_global")
    line = "fuse attention.npz --operator xvolution_local --set normalise=softmax --set window=5"
    status, out, _ = refimpl(f"{line} --out a.npz")
    assert status == 0
    assert "local_attention" in out
    assert set(io.read_checkpoint(tmp_path / "a.npz")) == {
        f"block.mix.{name}" for name in ("w_c", "w_q", "w_k", "w_v", "b")
    }


def test_a_map_file_names_the_user_s_own_keys(refimpl, tmp_path):
    np.savez(tmp_path / "own.npz", **{k.replace("conv_", "kernel_"): a for k, a in STATE.items()})
    document = {
        "keys": {f"block.mix.kernel_{of}.weight": f"block.mix/w_{of}" for of in "ca"},
        "attributes": {"length": 2},
    }
    (tmp_path / "map.json").write_text(json.dumps(document))
    assert_refused(refimpl("fuse own.npz --out a.npz"), "must hold an X-volution")
    assert refimpl("fuse own.npz --out a.npz --map map.json")[0] == 0
    assert refimpl("fuse one.npz --out b.npz --set length=2")[0] == 0
    for key, array in io.read_checkpoint(tmp_path / "b.npz").items():
        np.testing.assert_array_equal(array, io.read_checkpoint(tmp_path / "a.npz")[key])


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("one.npz --out one.npz", "one.npz must not exist yet: remove it, or name another file"),
        ("one.npz --out a.txt", "a.txt must end in one of .npz, .safetensors, .onnx"),
        ("nobody.npz --out a.npz", "nobody.npz must be a readable checkpoint"),
        ("one.npz --out a.npz --form best", "form must be one of feature, two-pass, tied, square"),
        ("one.npz --out a.npz --form sa", "site 'block.mix': form of the attention: pssa must be"),
        ("one.npz --out a.npz --form tied", "site 'block.mix': tied kernels: the attention kernel"),
        ("one.npz --out a.npz --dtype int8", "dtype must be one of float16, bfloat16, float32"),
        ("one.npz --out a.npz --set stride", "--set must be NAME=VALUE, as in stride=2, not 'str"),
        ("one.npz --out a.npz --set strid=2", "an attribute must be one of operator, directions"),
        ("one.npz --out a.npz --set groups=[2,1]", "w_a must have shape (4, 24, 3, 3)"),
        ("one.npz --out a.npz --input 10", "input must be height x width as in 224x224, not '10'"),
        ("one.npz --out a.npz --input 0x4", "input must be at least 1x1, not 0x4"),
        ("one.npz --out a.npz --map one.npz", "one.npz must end in .toml or .json"),
        ("one.npz --out a.npz --operator pssa", "operator must be one of xvolution, xvolution_l"),
        ("one.npz --out a.onnx --form kernel", "in one of the forms feature, two-pass, tied"),
        ("one.npz --out a.onnx --dtype bfloat16", "must be in one of float16, float32, float64"),
        ("one.npz --out a.npz --dtype bfloat16", "numbers that .npz knows, not bfloat16"),
        ("one.npz --out a.npz --network vgg16", "network must be one of resnet34, resnet50, small"),
        ("one.npz --out a.npz --network resnet50 --form tied", "--form must be left out with --n"),
        ("one.npz --out a.npz --network resnet50", "every key must be one of ResNet-50 with X-vol"),
        ("one.npz --out a.npz --network small", "must be a file of weights that `refimpl train`"),
    ],
)
def test_bad_input_is_one_sentence_exit_2_and_leaves_nothing(refimpl, tmp_path, line, sentence):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert_refused(refimpl(f"fuse {line}"), sentence)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_fused_form_that_is_not_the_trained_one_is_exit_1_and_not_written(
    refimpl, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "refimpl.checkpoint.check.run_trained", lambda one, x: run_trained(one, x) * (1 + 1e-9)
    )
    status, out, err = refimpl("fuse one.npz --out a.npz")
    assert (status, err) == (1, "")
    assert out.endswith(
        "WRONG the fused form is not the trained one beyond rounding: nothing written\n"
    )
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("operator", ["xvolution", "xvolution_local", "xvolution_global"])
def test_a_whole_network_is_fused_and_its_graph_answers_alike(refimpl, tmp_path, operator):
    network = small(operator, classes=3)
    parameters = initialise(network)
    wide = unflatten(network, {k: a.astype(float) for k, a in flatten(parameters).items()})
    about = {"operator": operator, "classes": ["a", "b", "c"], "kernel": 3, "window": 3}
    io.write_weights(tmp_path / "net.npz", parameters, about)
    line = "fuse net.npz --network small --dtype float64 --input 12x10"
    status, out, err = refimpl(f"{line} --out net.onnx")
    assert (status, err) == (0, "")
    assert "conv2_1.conv1" in out
    assert "whole network" in out
    x = np.random.default_rng(1).standard_normal((2, 1, 12, 10))
    (y,) = ReferenceEvaluator(load_onnx(tmp_path / "net.onnx")).run(None, {"image": x})
    expected = ref.nets.run.run(network, wide, x, arithmetic=ref.nets.run.DEFINITIONS)["fc"]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    assert refimpl(f"{line} --out fused.safetensors --json")[0] == 0
    assert "conv1/b" in io.read_checkpoint(tmp_path / "fused.safetensors")


def test_a_resnet_of_torchvision_s_keys_is_read_by_them(refimpl, tmp_path, monkeypatch):
    monkeypatch.setattr(fuse_network, "SIDE", 32)
    network = resnet(34, stage=None)
    state = flatten(initialise(network))
    for ours, theirs in (("conv1/w", "conv1.weight"), ("fc/b", "fc.bias")):
        state[theirs] = state.pop(ours)
    np.savez(tmp_path / "r.npz", **state)
    status, out, _ = refimpl("fuse r.npz --network resnet34 --stage none --out f.npz --json")
    assert status == 0
    assert json.loads(out)["network"] == "ResNet-34"
    assert io.read_checkpoint(tmp_path / "f.npz")["conv1/w"].dtype == np.float32
