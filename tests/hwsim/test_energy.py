from dataclasses import replace
from math import isclose

import pytest
from hypothesis import given, settings

from hwsim.cost import Cost
from hwsim.energy import LEVELS, energy_of
from hwsim.io import preset, preset_names
from hwsim.io.machines import energy_table
from tests.hwsim.strategies import buffers, costs, machine

UNIT = machine(
    formats=("int8",), buffers=buffers(8192), energy=energy_table("horowitz-45nm"), operand_bytes=1
)


def test_every_level_by_hand():
    """Horowitz: 0.3 pJ an int8 MAC, 1.25 a byte of 8 KB, 243.75 of DRAM, 0.1 an addition."""
    cost = Cost(
        macs=10,
        sram_ifmap_bytes=4,
        sram_filter_bytes=3,
        sram_ofmap_bytes=1,
        dram_read_bytes=2,
        dram_write_bytes=1,
        vector_ops=20,
    )
    energy = energy_of(cost, UNIT)
    expected = {"mac": 3, "buffer": 10, "dram": 731.25, "vector": 2, "register": 0, "array": 0}
    assert all(isclose(getattr(energy, f"{k}_pj"), v) for k, v in expected.items())
    assert isclose(energy.total_pj, sum(expected.values()))
    assert energy.missing == ("register", "array")


def test_an_eyeriss_mac_reads_and_writes_its_registers_as_the_paper_counts():
    """Four accesses of 16 bits per MAC, 1 each, one passed on at 2: 1 + 4 + 2 MACs' worth."""
    unit = replace(preset("eyeriss-v1"), energy=energy_table("eyeriss-normalised"))
    energy = energy_of(Cost(macs=1000), unit)
    assert (energy.mac_pj, energy.register_pj, energy.array_pj) == (1000, 4000, 2000)
    assert energy.missing == ()


@settings(deadline=None, max_examples=50)
@given(costs, costs)
def test_energies_add_as_costs_do(a, b):
    for unit in (UNIT, preset("eyeriss-v1")):
        both, one, other = (energy_of(cost, unit) for cost in (a + b, a, b))
        for level in LEVELS:
            name = f"{level}_pj"
            assert isclose(getattr(both, name), getattr(one, name) + getattr(other, name))


def test_operands_that_share_a_memory_pay_for_its_size():
    pool = replace(UNIT.buffers, shared=("ifmap", "filter"), shared_bytes=2**20)
    cost = Cost(sram_ifmap_bytes=8)
    assert energy_of(cost, UNIT).buffer_pj == pytest.approx(10)
    assert energy_of(cost, replace(UNIT, buffers=pool)).buffer_pj == pytest.approx(100)


def test_without_a_table_there_is_no_energy_and_without_a_format_no_mac():
    assert energy_of(Cost(macs=1), replace(UNIT, energy=None)) is None
    assert energy_of(Cost(macs=1), replace(UNIT, formats=())).missing[0] == "mac"


@pytest.mark.parametrize("name", preset_names())
def test_the_table_of_every_preset_has_a_mac_of_its_format(name):
    assert "mac" not in energy_of(Cost(macs=1), preset(name)).missing
