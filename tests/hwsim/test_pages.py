"""What the pages on machines and workloads show works as shown."""

import re
from pathlib import Path

import pytest

from hwsim import estimate, network
from hwsim.cost import Cost
from hwsim.energy import energy_of
from hwsim.importers.listing import listed
from hwsim.io.machines import energy_names, energy_table, parse_machine, parse_toml, preset_names
from hwsim.machine import Machine, with_vector_unit
from hwsim.networks import NETWORKS
from tests.hwsim.strategies import buffers, machine

DOCS = Path(__file__).parents[2] / "docs"
MACHINES, WORKLOADS = (
    (DOCS / f"{name}.md").read_text("utf-8") for name in ("machines", "workloads")
)


def toml_of(page):
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    return block


def test_the_machine_of_the_page_is_twenty_lines_and_runs_a_network():
    text = toml_of(MACHINES)
    lines = [line for line in text.splitlines() if not line.startswith("[")]
    assert len(lines) <= 20
    result = estimate(network("resnet34"), parse_machine(text, "mine.toml"))
    assert result.cost.cycles > 0
    assert result.energy is not None


def test_a_machine_file_may_name_the_operands_that_are_doubled():
    text = toml_of(MACHINES).replace("double_buffered = true", 'double_buffered = ["filter"]')
    assert parse_machine(text, "mine.toml").buffers.doubled == ("filter",)


def test_every_key_preset_and_table_is_on_the_page():
    named = set(re.findall(r"`\[?([\w.-]+)\]?`", MACHINES))
    fields = set(Machine.__dataclass_fields__) - {"name", "description", "clock_hz", "convention"}
    assert fields <= named
    assert set(preset_names()) <= named
    assert set(energy_names()) <= named


def test_the_energy_by_hand_is_right():
    unit = machine(formats=("int8",), buffers=buffers(8192), energy=energy_table("horowitz-45nm"))
    cost = Cost(macs=10, sram_ifmap_bytes=8, dram_read_bytes=3, vector_ops=20)
    assert energy_of(cost, unit).total_pj == pytest.approx(746.25)
    assert "= 746.25 pJ" in MACHINES


def test_the_list_of_layers_of_the_page_is_a_network():
    net = listed(parse_toml(toml_of(WORKLOADS), "page"), "page")
    assert [layer.name for layer in net.layers] == ["conv1", "fc"]
    unit = with_vector_unit(parse_machine(toml_of(MACHINES), "mine.toml"), 4)
    assert estimate(net, unit).coverage.is_complete
    assert "resnet50" in NETWORKS
