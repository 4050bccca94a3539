"""docs/fusing.md as a reader follows it: its code, its mapping and its commands, word by word."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from refimpl import cli

torch = pytest.importorskip("torch", reason="make test-oracles installs PyTorch")
ort = pytest.importorskip("onnxruntime", reason="make test-oracles installs ONNX Runtime")
from safetensors.torch import load_file  # noqa: E402 - it needs PyTorch

PAGE = (Path(__file__).parents[2] / "docs/fusing.md").read_text()


def blocks(language):
    """Fenced blocks of a language, in order; "" are commands."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for name, text in fences if name == language]


def test_the_walkthrough_gives_the_module_it_began_with(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    torch.manual_seed(0)
    for block in blocks("python"):
        exec(block, names)  # noqa: S102 - our own page
        if "net = " in block:
            names["net"].train()(torch.randn(4, 3, 9, 8))
            names["net"].eval()
    Path("keys.toml").write_text(blocks("toml")[0])
    commands = [line for line in blocks("")[0].splitlines() if line]
    assert len(commands) == 2
    for command in commands:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        assert not leaving.value.code, capsys.readouterr().err
    arrays = load_file("fused.safetensors")
    assert set(arrays) == {"0.weight", "0.bias", "mix2.w", "mix2.b"}
    x = torch.randn(2, 8, 56, 56)
    with torch.no_grad():
        expected = names["net"][2](x)
        fused = names["FusedMix"](arrays["mix2.w"], arrays["mix2.b"])(x)
        (y,) = ort.InferenceSession("mix.onnx").run(None, {"x": x.numpy()})
    for answer in (fused, torch.tensor(y)):
        assert (answer - expected).abs().max() < 1e-5 * expected.abs().max()
