"""Fused graphs in ONNX Runtime, and a PyTorch module before and after `refimpl fuse`.

ONNX Runtime computes in binary32, by the bound of ``refimpl.checkpoint.check`` with u = 2⁻²⁴: the
trained form in float64 is far nearer to the exact value than that. PyTorch computes in float64, by
the bound as it stands.
"""

import json
import sys

import numpy as np
import pytest

from refimpl import cli, io
from refimpl.checkpoint import KeyMap, fuse_site, fuse_state
from refimpl.checkpoint.check import UNIT, bound
from refimpl.checkpoint.keys import ARRAY_NAMES
from refimpl.forms import run_trained
from refimpl.nets.alexnet import alexnet
from refimpl.nets.fold import fuse_network
from refimpl.nets.graph import EPS
from refimpl.nets.run import DEFINITIONS, run
from refimpl.nets.shapes import node_shapes
from refimpl.nets.sites import OPERATORS
from refimpl.nets.small import small
from refimpl.onnx_graph import fused_model, network_model
from refimpl.train.flat import flatten, unflatten
from tests.refimpl.checkpoint.states import C, attending, shifted
from tests.refimpl.nets.blank import drawn_parameters

ort = pytest.importorskip("onnxruntime", reason="make test-oracles installs ONNX Runtime")
torch = pytest.importorskip("torch", reason="make test-oracles installs PyTorch")
from safetensors.torch import save_file  # noqa: E402 - it needs PyTorch

TO_BINARY32 = 1.001 * 2.0**-24 / UNIT  # 1.001: γ_k is not linear in u; k·u is below 1/1000


def session(model):
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def tied(prefix):
    state = shifted(prefix)
    kernel = state[f"{prefix}conv_c.weight"]
    state[f"{prefix}conv_a.weight"] = np.concatenate([kernel, -kernel, 2 * kernel, kernel], axis=1)
    for member in ("weight", "running_var"):
        state[f"{prefix}bn_a.{member}"] = state[f"{prefix}bn_c.{member}"]
    return state


FORMS = [
    *((shifted, {"boundary": boundary, "stride": stride, "length": 2}, form)
      for form in ("feature", "two-pass", "square", "shared")
      for boundary, stride in (("circular", 1), ("zero", 2))),
    (tied, {"boundary": "circular"}, "tied"),
    (attending, {"operator": "xvolution_local", "normalise": "softmax", "stride": 2}, "kernel"),
    (attending, {"operator": "xvolution_local", "normalise": "none", "window": 5}, "kernel"),
    (attending, {"operator": "xvolution_global", "normalise": "none"}, "sa"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "attributes", "form"), FORMS)
@pytest.mark.parametrize("size", [(7, 6), (1, 5), (14, 14)])
def test_onnx_runtime_gives_the_trained_operator(make, attributes, form, size):
    state = {k: a.astype(np.float32) if a.dtype.kind == "f" else a for k, a in make("").items()}
    fused = fuse_state(state, KeyMap(), attributes, form=form, tolerance=1e-6)
    x = np.random.default_rng(1).standard_normal((2, C, *size)).astype(np.float32)
    wide = x.astype(float)
    expected, limit = run_trained(fused.sites[0].trained, wide), bound(fused.sites[0], wide)
    for fixed in (None, size):
        (y,) = session(fused_model(fused.stored(0), size=fixed)).run(None, {"x": x})
        assert y.dtype == np.float32
        assert (np.abs(y - expected) <= TO_BINARY32 * limit).all()


def exported(network, parameters, size, channels):
    """The graph of the fused network, in float32."""
    fused, folded = fuse_network(network, parameters)
    flat = {key: array.astype(np.float32) for key, array in flatten(folded).items()}
    rows = {row.name: row.output for row in node_shapes(fused, *size, channels=channels)}
    return network_model(
        fused.nodes,
        unflatten(fused, flat),
        answers=[(name, rows[name]) for name in fused.answers],
        channels=channels,
        eps=EPS,
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_onnx_runtime_gives_a_whole_network_s_answers(operator):
    """Within 10⁻⁴ of the largest: binary32, some ten layers, each of up to a thousand terms."""
    network = small(operator, classes=4)
    parameters = drawn_parameters(network)
    x = np.random.default_rng(2).standard_normal((2, 1, 16, 16)).astype(np.float32)
    expected = run(network, parameters, x.astype(float), arithmetic=DEFINITIONS)["fc"]
    (y,) = session(exported(network, parameters, (16, 16), 1)).run(None, {"image": x})
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_onnx_runtime_gives_alexnet_s_answers_response_norms_and_groups_included():
    network = alexnet(height=67, width=70)
    parameters = drawn_parameters(network)
    x = np.random.default_rng(2).standard_normal((1, 3, 67, 70)).astype(np.float32)
    expected = run(network, parameters, x.astype(float), arithmetic=DEFINITIONS)
    (y,) = session(exported(network, parameters, (67, 70), 3)).run(None, {"image": x})
    answer = expected[network.answers[0]]
    np.testing.assert_allclose(y, answer, rtol=0, atol=1e-4 * np.abs(answer).max())


class Mix(torch.nn.Module):
    """A user's own X-volution: two convolutions, two normalisations, names of their own."""

    def __init__(self, channels, outputs, stride):
        super().__init__()
        self.static = torch.nn.Conv2d(channels, outputs, 3, stride, padding=1, bias=False)
        self.static_bn = torch.nn.BatchNorm2d(outputs)
        self.mixed = torch.nn.Conv2d(4 * channels, outputs, 1, stride)
        self.mixed_bn = torch.nn.BatchNorm2d(outputs)

    def forward(self, x):
        rolls = [(1, 3), (-1, 3), (1, 2), (-1, 2)]  # left, right, up, down, as torch.roll moves
        products = torch.cat([x * torch.roll(x, *each) for each in rolls], dim=1)
        return self.static_bn(self.static(x)) + self.mixed_bn(self.mixed(products))


class Net(torch.nn.Module):
    """Two of them between a stem and a head."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = torch.nn.ModuleList([Mix(4, 6, 1), Mix(6, 5, 2)])
        self.head = torch.nn.Linear(5, 3)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.head(x.mean(dim=(2, 3)))


MAP = """
[keys]
"blocks.{i}.static.weight" = "blocks.{i}/w_c"
"blocks.{i}.mixed.weight" = "blocks.{i}/w_a"
"blocks.{i}.mixed.bias" = "blocks.{i}/b_a"
"blocks.{i}.{branch}_bn.num_batches_tracked" = ""
"""
for branch, of in (("static", "c"), ("mixed", "a")):
    for theirs, ours in (
        ("weight", "gamma"), ("bias", "beta"), ("running_mean", "mean"), ("running_var", "var"),
    ):  # fmt: skip
        MAP += f'"blocks.{{i}}.{branch}_bn.{theirs}" = "blocks.{{i}}/bn_{of}.{ours}"\n'
MAP += '[sites."blocks.1"]\nstride = 2\n'


@pytest.fixture(scope="module")
def trained():
    """A network that has seen a few batches, so that its running statistics are its own."""
    torch.manual_seed(0)
    net = Net().double()
    steps = torch.optim.SGD(net.parameters(), lr=0.05)
    for _ in range(5):
        x, labels = torch.randn(8, 3, 8, 8, dtype=torch.float64), torch.randint(0, 3, (8,))
        steps.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        steps.step()
    return net.eval()


class FusedMix(torch.nn.Module):
    """What a user writes instead: one convolution of [x; T(x)]."""

    def __init__(self, arrays, site, stride):
        super().__init__()
        self.w, self.b = (torch.tensor(arrays[f"{site}.{name}"]) for name in "wb")
        self.stride = stride

    def forward(self, x):
        rolls = [(1, 3), (-1, 3), (1, 2), (-1, 2)]
        z = torch.cat([x, *(x * torch.roll(x, *each) for each in rolls)], dim=1)
        return torch.nn.functional.conv2d(z, self.w, self.b, self.stride, padding=1)


def fuse(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["refimpl", "fuse", *map(str, words)])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert not leaving.value.code


def test_a_pytorch_module_s_state_dict_is_fused_by_the_command_and_answers_alike(
    trained, tmp_path, monkeypatch, capsys
):
    save_file(trained.state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "map.toml").write_text(MAP)
    files = tmp_path / "net.safetensors", "--map", tmp_path / "map.toml"
    fuse(monkeypatch, *files, "--out", tmp_path / "fused.safetensors", "--json")
    report = json.loads(capsys.readouterr().out)
    assert [row["site"] for row in report["sites"]] == ["blocks.0", "blocks.1"]
    arrays = io.read_checkpoint(tmp_path / "fused.safetensors")
    assert set(arrays) == {
        "stem.weight", "stem.bias", "head.weight", "head.bias",
        "blocks.0.w", "blocks.0.b", "blocks.1.w", "blocks.1.b",
    }  # fmt: skip
    torch.manual_seed(1)
    x = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    with torch.no_grad():
        expected, inner = trained(x), trained.stem(x)
        for number, stride in ((0, 1), (1, 2)):
            fused = FusedMix(arrays, f"blocks.{number}", stride)
            before = trained.blocks[number](inner)
            limit = bound(site_of(trained, number, stride), inner.numpy())
            assert (np.abs(before.numpy() - fused(inner).numpy()) <= limit).all()
            inner = torch.relu(fused(inner))
        answer = trained.head(inner.mean(dim=(2, 3)))
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-12)


def site_of(net, number, stride):
    """The same X-volution by hand: what the bound is computed of."""
    mix = net.blocks[number]
    arrays = {"w_c": mix.static.weight, "w_a": mix.mixed.weight, "b_a": mix.mixed.bias}
    for of, bn in (("bn_c", mix.static_bn), ("bn_a", mix.mixed_bn)):
        values = bn.weight, bn.bias, bn.running_mean, bn.running_var
        arrays |= {
            f"{of}.{m}": v for m, v in zip(("gamma", "beta", "mean", "var"), values, strict=True)
        }
    assert set(arrays) < set(ARRAY_NAMES)
    plain = {name: tensor.detach().numpy() for name, tensor in arrays.items()}
    return fuse_site("", plain, {"stride": stride})


def test_the_graph_of_a_pytorch_block_runs_in_onnx_runtime(trained, tmp_path, monkeypatch):
    save_file(trained.state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "map.toml").write_text(MAP)
    files = tmp_path / "net.safetensors", "--map", tmp_path / "map.toml"
    options = "--site", "blocks.1", "--dtype", "float32", "--form", "two-pass"
    fuse(monkeypatch, *files, "--out", tmp_path / "block.onnx", *options)
    x = np.random.default_rng(1).standard_normal((2, 6, 9, 7)).astype(np.float32)
    runner = ort.InferenceSession(tmp_path / "block.onnx", providers=["CPUExecutionProvider"])
    (y,) = runner.run(None, {"x": x})
    with torch.no_grad():
        expected = trained.blocks[1](torch.tensor(x, dtype=torch.float64)).numpy()
    limit = TO_BINARY32 * bound(site_of(trained, 1, 2), x.astype(float))
    assert (np.abs(y - expected) <= limit).all()
