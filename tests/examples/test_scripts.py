"""The example scripts run, and say what the library says."""

import subprocess
import sys
from pathlib import Path

import pytest

import hwsim

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_layers_of_a_network_draws_two_pictures_and_names_a_layer(tmp_path):
    said = run("layers_of_a_network", tmp_path)
    assert "stalled" in said
    assert "conv" in said
    for name in ("budget.png", "roofline.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_forms_of_a_stage_is_relative_to_the_plain_convolution():
    said = run("forms_of_a_stage")
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines()[2:] if line.split()}
    assert rows["convolution"] == ["1.00"] * 3
    assert rows["xvolution-fused"][1] == "5.00"


def test_best_of_a_sweep_names_an_array_for_every_peak(tmp_path):
    said = run("best_of_a_sweep", tmp_path).splitlines()
    assert len(said) == 9
    assert said[0].startswith("   256 MACs per cycle: 16 x 16,")
    cycles = [int(line.split(", ")[1].split()[0].replace(",", "")) for line in said]
    assert cycles[0] > cycles[-1]


@pytest.mark.parametrize("frame", [hwsim.to_pandas, hwsim.to_polars])
def test_a_frame_has_a_row_for_every_layer_and_its_numbers(frame):
    asked = hwsim.network("resnet34", height=64, width=64)
    result = hwsim.estimate(asked, hwsim.preset("tpu-v1"))
    found = frame(result)
    assert list(found["name"]) == [layer.name for layer in result.layers]
    assert list(found["cycles"]) == [layer.cost.cycles for layer in result.layers]
    assert set(found["machine"]) == {"tpu-v1"}


@pytest.mark.parametrize("what", ["budget", "traffic", "roofline", "utilisation"])
def test_every_picture_is_one_call(what):
    result = hwsim.estimate(hwsim.network("alexnet"), hwsim.preset("tpu-v1"))
    assert hwsim.plot(result, what).axes


def test_a_picture_of_another_name_is_refused():
    result = hwsim.estimate(hwsim.network("alexnet"), hwsim.preset("tpu-v1"))
    with pytest.raises(ValueError, match="what must be one of budget, traffic"):
        hwsim.plot(result, "pie")
