import csv
import io
import json

import pytest

from hwsim.cost import BUDGET
from hwsim.evaluate import estimate
from hwsim.io import preset
from hwsim.networks import network
from hwsim.report.export import layer_rows, to_csv, to_json


@pytest.fixture(scope="module", params=["scalesim-default", "tpu-v1"])
def result(request):
    return estimate(
        network("resnet34", stage="conv5_x", form="xvolution-fused"), preset(request.param)
    )


def test_csv_parses_back_to_the_rows_and_sums_to_the_total(result):
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert [row["name"] for row in rows] == [layer.name for layer in result.layers]
    assert rows == [
        {k: "" if v is None else str(v) for k, v in row.items()} for row in layer_rows(result)
    ]
    for name in ("cycles", "macs", "dram_read_bytes", "stall_cycles", "compulsory_bytes"):
        assert sum(int(row[name]) for row in rows) == getattr(result.cost, name)


def test_json_parses_back_and_agrees_with_the_estimate(result):
    read = json.loads(to_json(result))
    assert read["network"] == "resnet34"
    assert (read["stage"], read["form"]) == ("conv5_x", "xvolution-fused")
    assert read["machine"]["title"] == result.machine.title
    assert read["total"]["cycles"] == result.cost.cycles
    assert read["coverage"]["sentence"] == result.coverage.sentence
    for layer in read["layers"]:
        assert layer["cycles"] == sum(each["cycles"] for each in layer["primitives"])
        assert layer["cycles"] == sum(layer[f"{part}_cycles"] for part in BUDGET)
    reasons = [e["not_executable"] for layer in read["layers"] for e in layer["primitives"]]
    assert sum(reason is not None for reason in reasons) == (
        result.coverage.asked - result.coverage.costed
    )


PROMISED = ("name", "macs", "cycles", "utilisation", "sram_bytes", "dram_bytes", "energy_pj")


def test_every_layer_has_what_is_promised_and_its_evidence(result):
    rows = layer_rows(result)
    for row, layer in zip(rows, result.layers, strict=True):
        assert set(PROMISED) <= set(row)
        assert row["sram_bytes"] == layer.cost.sram_bytes
        for what in ("cycles: ", "DRAM: ", "energy: ", "nearest silicon: "):
            assert what in row["evidence"]
    read = json.loads(to_json(result))
    assert read["energy"]["table"] == result.machine.energy.title
    assert set(PROMISED[1:]) <= set(read["total"])
    energies = sum(layer["energy_pj"] for layer in read["layers"])
    assert read["total"]["energy_pj"] == pytest.approx(energies)
    levels = ("mac", "register", "array", "buffer", "dram", "vector")
    assert read["total"]["energy_pj"] == pytest.approx(
        sum(read["total"][f"{level}_energy_pj"] for level in levels)
    )


def test_the_same_estimate_gives_the_same_bytes(result):
    again = estimate(result.network, result.machine)
    assert to_csv(again) == to_csv(result)
    assert to_json(again) == to_json(result)
