"""SCALE-Sim's convention as an estimate: its package's recorded runs, layer by layer."""

import csv
from dataclasses import replace
from importlib.resources import files

import pytest

from hwsim import Array, Layer, estimate, network, preset
from hwsim.evaluate import cost_layers
from hwsim.evidence import evidence_of
from hwsim.importers.scalesim import topology
from hwsim.io.judged import judged

SHORT = {"os": "output-stationary", "ws": "weight-stationary", "is": "input-stationary"}
RUNS = list(
    csv.DictReader(
        (files("hwsim") / "published" / "scalesim_3_0_0.csv").read_text("utf-8").splitlines()
    )
)


def machine_of(run):
    unit = preset("scalesim-default")
    array = Array(rows=int(run["rows"]), cols=int(run["cols"]))
    flow = SHORT[run["dataflow"]]
    return replace(unit, convention="scalesim", array=array, dataflow=flow, sources={})


def read(run):
    header = "name, M, N, K" if run["kind"] == "gemm" else "name, IFMAP Height"
    return topology(f"{header}\nlayer, {', '.join(run['sizes'].split())},\n", "recorded")


@pytest.mark.parametrize("kind", ["conv", "gemm"])
def test_a_topology_in_the_convention_costs_what_its_package_reported(kind):
    runs = [run for run in RUNS if run["kind"] == kind]
    assert len(runs) > 10
    for run in runs:
        cost = estimate(read(run), machine_of(run)).cost
        assert cost.cycles == int(run["total_cycles"])
        assert cost.sram_ifmap_bytes == int(run["ifmap_reads"])
        assert cost.sram_filter_bytes == int(run["filter_reads"])
        assert cost.sram_ofmap_bytes == int(run["ofmap_writes"])


def test_the_convention_is_named_in_every_title_and_is_for_systolic_arrays_only():
    unit = replace(preset("tpu-v1"), convention="scalesim")
    assert unit.title == "tpu-v1, counted as scalesim does"
    with pytest.raises(ValueError, match=r"^convention must be own, not scalesim, which counts sy"):
        replace(preset("davinci-310p"), convention="scalesim")


def test_images_and_groups_come_one_after_another():
    unit = replace(preset("scalesim-default"), convention="scalesim")
    (one,) = network("resnet34").only("conv2_1.conv1").layers
    (two,) = network("resnet34", batch=2).only("conv2_1.conv1").layers
    single, double = (
        cost_layers([Layer(name="x", form="x", primitives=each.primitives[:1])], unit)[0].cost
        for each in (one, two)
    )
    assert double.cycles == 2 * single.cycles


def test_the_evidence_says_how_many_recorded_runs_are_equal():
    layer = network("resnet34").layers[0]
    unit = replace(preset("scalesim-default"), convention="scalesim")
    evidence = evidence_of(layer.primitives[:1], unit, judged())
    own = [run for run in RUNS if run["dataflow"] == "os"]
    assert evidence.cycles == (
        f"in scalesim's convention, equal to its package in {len(own)} of {len(own)} recorded runs"
    )
    assert "compulsory bytes only" in evidence.dram
