"""A sweep's page: sums over Parquet, the front and the grid are those of the points."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from hwsim.cli import app
from hwsim.io import sweeps
from hwsim.io.runners import locally
from hwsim.io.swept import read_machines, read_points, varied_keys
from hwsim.report import sweep

GRID = """
[machine]
base = ["scalesim-default", "tpu-v1"]
[machine.vary]
"array.rows" = [8, 32, 64]
"array.cols" = [8, 64]
"dram.bytes_per_cycle" = ["10", "20/3"]
[workload]
network = ["resnet34"]
input = ["64x64"]
form = ["convolution", "xvolution-fused"]
stage = "conv4_x"
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A sweep of 24 machines in parts that cut through a machine's layers."""
    at = tmp_path_factory.mktemp("swept")
    (at / "grid.toml").write_text(GRID, encoding="utf-8")
    asked = sweeps.read_declaration(at / "grid.toml")
    parts = sweeps.start(at / "out", asked, resume=False, part_points=500)
    for number, content in locally(parts, range(parts.count), 1):
        sweeps.write_part(parts, number, content)
    return at / "out"


@pytest.fixture(scope="module")
def data(directory):
    machines = read_machines(directory, sweep.SUMMED, sweep.EACH)
    best = sweep.fastest(machines, "out")
    layers = read_points(directory, sweep.OF_LAYERS, machine=best)
    return sweep.swept(varied_keys(directory), machines, layers, "out")


def frame(directory):
    keys = ["machine", "array.rows", "array.cols", "dram.bytes_per_cycle"]
    every = pl.read_parquet(directory / "part-*.parquet").sort("point")
    sums = [pl.col(name).sum() for name in sweep.SUMMED]
    return every.group_by(keys, maintain_order=True).agg(*sums, pl.col(sweep.EACH).first())


def test_machines_are_summed_as_polars_sums_them(directory):
    found, judge = read_machines(directory, sweep.SUMMED, sweep.EACH), frame(directory)
    assert len(found["fits"]) == len(judge) == 24
    for name in (*sweep.SUMMED, *sweep.EACH, "array.rows", "dram.bytes_per_cycle"):
        assert found[name].tolist() == judge[name].to_list()


def test_what_none_beats_is_found_by_comparing_all_with_all(directory, data):
    judge = frame(directory).select("peak_macs_per_cycle", "cycles").rows()
    unbeaten = [
        n
        for n, (peak, cycles) in enumerate(judge)
        if not any(
            (p <= peak and c <= cycles and (p, c) != (peak, cycles))
            or ((p, c) == (peak, cycles) and m < n)
            for m, (p, c) in enumerate(judge)
        )
    ]
    assert sorted(data["front"]) == unbeaten
    cycles = [c for _, c in judge]
    assert cycles[data["fastest"]] == min(cycles)


def test_the_grid_has_the_fewest_cycles_of_every_pair(directory, data):
    judge = frame(directory).group_by("array.rows", "array.cols").agg(pl.col("cycles").min())
    grid = data["grid"]
    assert (grid["first"], grid["second"]) == ("array.rows", "array.cols")
    seen = {
        (down, across): grid["cells"][i][j]
        for i, down in enumerate(grid["down"])
        for j, across in enumerate(grid["across"])
    }
    assert seen == {(r, c): cycles for r, c, cycles in judge.rows()}


def test_layers_are_those_of_the_fastest_machine(data):
    best = next(row for row in data["listed"] if row["number"] == data["fastest"])
    assert sum(layer["cycles"] for layer in data["layers"]) == best["cycles"]
    assert {"convolution", "xvolution-fused"} <= {layer["form"] for layer in data["layers"]}


def test_a_page_of_a_sweep_holds_its_data_and_is_the_same_twice(directory, data, tmp_path):
    for name in ("a", "b"):
        words = ["report", str(directory), "--out", str(tmp_path / name)]
        assert CliRunner().invoke(app, words).exit_code == 0
    text = (tmp_path / "a").read_text(encoding="utf-8")
    assert text == (tmp_path / "b").read_text(encoding="utf-8")
    held = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(held) == json.loads(json.dumps(data))
    assert not re.search(r"""(src|href)=["']http""", text.replace("xlink:href", ""))


def test_long_sweeps_are_thinned_and_say_so(data, monkeypatch):
    many = 5000
    machines = {
        "machine": np.array(["m"] * many),
        "array.rows": np.arange(1, many + 1),
        "fits": np.ones(many, bool),
        **{name: np.arange(many, 0, -1).astype(float) for name in (*sweep.SUMMED, *sweep.EACH)},
    }
    machines["peak_macs_per_cycle"] = np.arange(1, many + 1)
    machines["cycles"] = np.where(np.arange(many) % 2, 9e9, machines["cycles"])
    layers = {name: np.array([data["layers"][0][name]]) for name in data["layers"][0]}
    monkeypatch.setattr(sweep, "MOST_POINTS", 100)
    found = sweep.swept(["machine", "array.rows"], machines, layers, "long")
    assert found["points"]["step"] == 50
    assert found["grid"] is None
    assert len(found["front"]) == 2500
    page = sweep.sweep_page(found)
    assert "every 50th is drawn" in page
    assert "all are in the Parquet files" in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda at: [p.unlink() for p in at.glob("part-*")], "must hold parts of a sweep"),
        (lambda at: next(at.glob("part-*")).write_bytes(b"no"), "must hold parts that can be read"),
        (lambda at: (at / "sweep.json").write_text("{}"), "must be JSON that hwsim sweep wrote"),
        (
            lambda at: (at / "sweep.json").write_text('{"part_points": 1, "varied": []}'),
            "must be of this version's hwsim sweep, with layers",
        ),
    ],
)
def test_a_directory_that_is_no_sweep_gets_one_sentence(directory, tmp_path, change, sentence):
    at = tmp_path / "copy"
    at.mkdir()
    for each in Path(directory).iterdir():
        if each.is_file():
            (at / each.name).write_bytes(each.read_bytes())
    change(at)
    result = CliRunner().invoke(app, ["report", str(at), "--out", str(tmp_path / "x.html")])
    assert sentence in str(result.exception)
    assert not (tmp_path / "x.html").exists()


def test_a_sweep_is_not_compared_with_an_estimate(directory, tmp_path):
    result = CliRunner().invoke(app, ["report", str(directory), str(directory)])
    assert "only two estimates can be compared" in str(result.exception)


def test_no_machine_that_runs_every_layer_is_a_sentence(data):
    machines = {"fits": np.zeros(2, bool)}
    with pytest.raises(ValueError, match="must hold a machine that runs every layer"):
        sweep.fastest(machines, "out")
