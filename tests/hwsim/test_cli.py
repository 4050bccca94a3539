import csv
import json
import resource
import subprocess
import sys
from importlib.resources import files

import pytest

from hwsim import cli, estimate, network, preset, preset_names


@pytest.fixture
def hwsim(monkeypatch, capsys):
    def run(line, *more):
        monkeypatch.setattr(sys, "argv", ["hwsim", *line.split(), *map(str, more)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        printed = capsys.readouterr()
        return leaving.value.code or 0, printed.out, printed.err

    return run


def test_estimate_prints_layers_total_and_coverage(hwsim):
    status, out, _ = hwsim("estimate resnet34 --machine tpu-v1")
    expected = estimate(network("resnet34"), preset("tpu-v1"))
    assert status == 0
    assert all(layer.name in out for layer in expected.layers)
    assert f"{expected.cost.cycles:,}" in out
    assert out.endswith(expected.coverage.sentence + "\n")


def test_files_are_written_and_agree_with_what_is_printed(hwsim, tmp_path):
    written = {kind: tmp_path / f"cost.{kind}" for kind in ("csv", "json")}
    line = "estimate resnet50 -m gemmini-default --stage conv5_x --form attention --batch 2"
    status, _, _ = hwsim(line, "--csv", written["csv"], "--json", written["json"])
    assert status == 0
    for kind, path in written.items():
        _, out, err = hwsim(f"{line} --format {kind}")
        assert out == path.read_text()
        assert "not executable: 3 x softmax: gemmini-default does not execute softmax" in err
    total = json.loads(written["json"].read_text())["total"]
    rows = list(csv.DictReader(written["csv"].read_text().splitlines()))
    assert sum(int(row["cycles"]) for row in rows) == total["cycles"]


def test_one_layer_at_another_size_with_a_hypothetical_unit(hwsim):
    line = "estimate resnet34 -m scalesim-default --layer conv2_1.conv1 --vector-lanes 8"
    status, out, _ = hwsim(f"{line} --input 96x128 --batch 3")
    assert status == 0
    assert "3 x 96x128" in out
    assert "hypothetical vector unit of 8 lanes" in out
    assert "conv2_1.conv2" not in out


def test_forms_compares_every_form_of_a_stage(hwsim):
    status, out, _ = hwsim("forms resnet34 conv5_x -m tpu-v1")
    assert status == 0
    assert "xvolution-fused: costed 39 of 39 primitives" in out
    assert "attention: costed 33 of 39 primitives" in out


def test_machines_are_listed_with_their_sources(hwsim):
    status, out, _ = hwsim("machines")
    assert status == 0
    assert all(name in out for name in ("scalesim-default", "gemmini-default", "tpu-v1"))
    status, out, _ = hwsim("machines tpu-v1")
    assert status == 0
    assert "Jouppi et al." in out
    assert "ours" in out
    assert "What tpu-v1 executes" in out
    shown = json.loads(hwsim("machines tpu-v1 --format json")[1])
    assert [each["name"] for each in shown] == ["tpu-v1"]
    assert shown[0]["support"]["softmax"] == "not executable"
    assert len(json.loads(hwsim("machines --format json")[1])) == len(preset_names())


@pytest.mark.parametrize("line", ["", "--help", "estimate --help", "forms --help"])
def test_help_is_help(hwsim, line):
    status, out, _ = hwsim(line)
    assert status == 0
    assert out.startswith("Usage: hwsim")
    assert ("Examples:" in out) == (" " in line)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("estimate resnet50 -m tpu-v9", "machine must be one of "),
        (
            "estimate resnet51 -m tpu-v1",
            "network must be one of resnet34, resnet50, resnet50-fpn, alexnet, vgg16, not",
        ),
        ("estimate resnet50 -m tpu-v1 --layer conv9", "layer of resnet50 must be one of conv1,"),
        ("estimate resnet50 -m tpu-v1 --stage conv1", "stage must be one of conv2_x, "),
        ("estimate resnet50 -m tpu-v1 --form dense", "form must be one of convolution, "),
        ("estimate resnet50 -m tpu-v1 --batch 0", "batch must be an integer of at least 1, not 0"),
        ("estimate resnet50 -m tpu-v1 --input 224", "input must be height x width as in 224x224"),
        ("estimate resnet50 -m tpu-v1 --vector-lanes 0", "vector.lanes must be an integer of at"),
        ("estimate resnet50 -m none.toml", "machine file none.toml must be readable: No such"),
        ("estimate resnet50 -m tpu-v1 --csv none/x.csv", "directory of none/x.csv must exist"),
        ("forms resnet50 conv7_x -m tpu-v1", "stage must be one of "),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(hwsim, line, sentence):
    status, out, err = hwsim(line)
    assert (status, out) == (2, "")
    assert err.startswith(f"hwsim: {sentence}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("cols = 16", "colums = 16", "key array.colums must be one of rows, cols, double"),
        ("ifmap_bytes = 131_072", "ifmap_bytes = 64", "buffers of gemmini-default must hold 2 t"),
    ],
)
def test_a_misspelt_or_impossible_machine_file_gets_one_sentence(
    hwsim, tmp_path, old, new, sentence
):
    text = (files("hwsim") / "presets" / "gemmini-default.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    status, _, err = hwsim("estimate resnet34 -m", path)
    assert status == 2
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "line", ["estimate", "estimate resnet34", "estimate resnet34 -m tpu-v1 -x"]
)
def test_a_wrong_command_line_gets_usage_and_status_2(hwsim, line):
    status, _, err = hwsim(line)
    assert status == 2
    assert "Usage: hwsim estimate" in err
    assert "Error: " in err


def test_two_runs_print_the_same_bytes():
    """In processes of their own, with different hash seeds."""
    code = "import sys; sys.argv = ['hwsim', *sys.argv[1:]]; from hwsim.cli import main; main()"
    line = ["estimate", "resnet34", "-m", "gemmini-default", "--format", "json"]
    printed = [
        subprocess.run(
            [sys.executable, "-c", code, *line],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert len(printed[0]) > 10_000


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("estimate alexnet -m tpu-v1 --layer conv1", "alexnet (1 x 227x227) on tpu-v1"),
        ("estimate resnet50-fpn -m tpu-v1 --layer p6", "resnet50-fpn (1 x 800x1333) on tpu-v1"),
        (
            "estimate resnet50 -m tpu-v1 --version 1 --layer conv1 --input 64x96",
            "resnet50 v1 (1 x 64x96) on tpu-v1",
        ),
    ],
)
def test_a_network_is_costed_at_its_published_size_unless_told(hwsim, line, heading):
    status, out, _ = hwsim(line)
    assert status == 0
    assert out.splitlines()[0].startswith(f"{heading}; energy in pJ by horowitz-45nm (45 nm)")


def test_resnet50_from_the_shell_takes_less_than_a_second_of_the_processor():
    """Cold, in a process of its own; its time on the processor, as others may be using it too."""
    code = "import sys; sys.argv = ['hwsim', *sys.argv[1:]]; from hwsim.cli import main; main()"
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = ["estimate", "resnet50", "--machine", "tpu-v1"]
        subprocess.run([sys.executable, "-c", code, *line], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 1


def test_the_convention_is_an_option_and_is_named(hwsim):
    status, out, _ = hwsim("estimate alexnet -m scalesim-default --convention scalesim")
    assert status == 0
    assert "on scalesim-default, counted as scalesim does" in out
    status, _, err = hwsim("estimate alexnet -m davinci-310p --convention scalesim")
    assert status == 2
    assert err.startswith("hwsim: convention must be own, not scalesim")


def test_a_file_is_estimated_with_its_coverage_by_node(hwsim, tmp_path):
    path = tmp_path / "net.csv"
    path.write_text("Layer,M,N,K,\nfirst,8,8,8,\n")
    status, out, _ = hwsim("estimate", path, "-m", "tpu-v1", "--energy", "eyeriss-normalised")
    assert status == 0
    assert "eyeriss-normalised (65 nm, in units of one MAC)" in out
    assert "energy: without mac" in out
    assert out.endswith("costed 1 of 1 nodes, 100.0% of the MACs; not executable: nothing\n")


def test_sizes_are_names_and_numbers(hwsim):
    status, _, err = hwsim("estimate x.onnx -m tpu-v1 --size sequence")
    assert status == 2
    assert err.startswith("hwsim: size must be a name and a number as in sequence=128, not 'seq")
