from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.io import preset, preset_names
from hwsim.machine import Array, Buffers, Dram, VectorUnit, constants, with_vector_unit
from hwsim.workload import VECTOR_KINDS
from tests.hwsim.strategies import machine


@settings(deadline=None)
@given(st.integers(1, 10**9), st.fractions(Fraction(1, 9), 99), st.integers(0, 99))
def test_a_transfer_takes_its_latency_and_then_its_bytes(size, per_cycle, latency):
    dram = Dram(bytes_per_cycle=per_cycle, latency_cycles=latency)
    assert dram.transfer_cycles(size) == latency + ceil(size / per_cycle)
    assert dram.transfer_cycles(0) == 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Array(rows=0, cols=4), r"array\.rows must be an integer of at least 1, not 0"),
        (lambda: Array(rows=4, cols=2.5), r"array\.cols must be an integer of at least 1, not 2.5"),
        (lambda: Dram(bytes_per_cycle=0), r"dram\.bytes_per_cycle must be a positive number, not"),
        (lambda: Dram(bytes_per_cycle=1, latency_cycles=-1), r"dram\.latency_cycles must be an"),
        (
            lambda: Buffers(ifmap_bytes=1, filter_bytes=1, ofmap_bytes=0, double_buffered=True),
            r"buffers\.ofmap_bytes must be an integer of at least 1, not 0",
        ),
        (
            lambda: Buffers(ifmap_bytes=1, filter_bytes=1, ofmap_bytes=1, double_buffered="yes"),
            r"buffers\.double_buffered must be true or false, not 'yes'",
        ),
        (
            lambda: VectorUnit(lanes=1, cycles_per_element={"multply": 1}),
            r"each key of vector\.cycles_per_element must be one of .* \(did you mean multiply\?\)",
        ),
        (
            lambda: VectorUnit(lanes=1, cycles_per_element={"add": 0}),
            r"vector\.cycles_per_element\.add must be an integer of at least 1, not 0",
        ),
        (
            lambda: VectorUnit(lanes=1, cycles_per_element=3),
            r"vector\.cycles_per_element must be a table, not 3",
        ),
        (lambda: machine(dataflow="weight-stationery"), r"dataflow .*did you mean weight-statio"),
        (lambda: machine(clock_hz=0), r"clock_hz must be an integer of at least 1, not 0"),
        (lambda: machine(name=3), r"name must be a text, not 3"),
        (lambda: machine(sources="me"), r"sources must be a table, not 'me'"),
        (lambda: machine(sources={"array.row": "x"}), r"each key of sources .*mean array\.rows"),
        (lambda: machine(sources={"array.rows": " "}), r"sources\.array\.rows must be a text"),
    ],
)
def test_an_impossible_machine_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        make()


def test_constants_are_every_field_by_its_dotted_key_and_absent_parts():
    assert "vector" in constants(machine(vector=None))
    with_unit = constants(machine())
    assert {"clock_hz", "array.rows", "dram.latency_cycles", "vector.lanes"} <= set(with_unit)
    assert {f"vector.cycles_per_element.{kind}" for kind in VECTOR_KINDS} <= set(with_unit)


@pytest.mark.parametrize(
    ("name", "peak", "on_chip_bytes"),
    [
        ("tpu-v1", 92e12, 28 * 2**20 + 4 * 64 * 2**10),  # "92 TOPS", "28 MiB", and the FIFO
        ("gemmini-default", 512e9, (256 + 64) * 2**10),  # 16 x 16 at 1 GHz
        ("scalesim-default", 2048e9, 3 * 64 * 2**10),  # 32 x 32 at our 1 GHz
    ],
)
def test_presets_have_the_peak_and_the_memory_of_their_sources(name, peak, on_chip_bytes):
    unit = preset(name)
    operations_per_second = 2 * unit.array.macs_per_cycle * unit.clock_hz
    assert operations_per_second == pytest.approx(peak, rel=0.005)
    held = unit.buffers
    assert held.ifmap_bytes + held.filter_bytes + held.ofmap_bytes == on_chip_bytes


def test_hypothetical_cycles_are_passes_over_the_data():
    cycles = with_vector_unit(machine(), 1).vector.cycles_per_element
    assert cycles["affine"] == cycles["multiply"] + cycles["add"]
    maximum, exponential, total, division = 1, 1, 1, 1
    assert cycles["softmax"] == maximum + exponential + total + division


@pytest.mark.parametrize("name", preset_names())
def test_an_added_vector_unit_executes_everything_and_says_it_is_hypothetical(name):
    unit = with_vector_unit(preset(name), 24)
    assert unit.vector.lanes == 24
    assert set(unit.vector.cycles_per_element) == set(VECTOR_KINDS)
    assert unit.title == f"{name} + hypothetical vector unit of 24 lanes"
    added = {text for key, text in unit.sources.items() if key.startswith("vector")}
    assert added == {"ours: hypothetical"}
    assert set(unit.sources) == set(constants(unit))
