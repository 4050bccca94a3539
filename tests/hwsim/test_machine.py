from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.io import preset, preset_names
from hwsim.machine import (
    ARRAY_KINDS,
    SUPPORTED_KINDS,
    AdderTrees,
    Array,
    Buffers,
    Cube,
    Dram,
    Mover,
    RowStationary,
    SharedL2,
    Support,
    VectorUnit,
    constants,
    source_of,
    with_vector_unit,
    without_source,
)
from hwsim.tiling import TileBytes, fits
from hwsim.workload import VECTOR_KINDS
from tests.hwsim.strategies import buffers, machine

rates = st.fractions(Fraction(1, 9), 99)


@settings(deadline=None)
@given(st.integers(1, 10**9), rates, st.integers(0, 99), st.sampled_from([1, 2, 32, 48]))
def test_a_transfer_takes_its_latency_and_then_its_bytes_in_whole_bursts(
    size, per_cycle, latency, burst
):
    dram = Dram(bytes_per_cycle=per_cycle, latency_cycles=latency, burst_bytes=burst)
    bursts = size // burst + (size % burst > 0)
    assert dram.transfer_cycles(size) == latency + ceil(bursts * burst / per_cycle)
    assert dram.transfer_cycles(0) == 0


def test_memory_that_operands_share_counts_once_and_holds_what_they_need_together():
    own = buffers(100, double=False)
    pool = replace(own, shared=("ifmap", "filter"), shared_bytes=120)
    assert (own.total_bytes, pool.total_bytes) == (300, 220)
    assert fits(TileBytes(60, 60, 100), pool)
    assert not fits(TileBytes(61, 60, 100), pool)
    assert fits(TileBytes(61, 60, 100), own)


def test_a_core_has_its_part_of_the_shared_level():
    assert SharedL2(size_bytes=8, bytes_per_cycle=Fraction(114), cores=8).share == Fraction(57, 4)


@pytest.mark.parametrize(
    ("array", "peak"),
    [
        (Array(rows=4, cols=8), 32),
        (RowStationary(rows=12, cols=14, ifmap_words=12, filter_words=224, psum_words=24), 168),
        (Cube(m=16, n=16, k=32), 8192),
        (AdderTrees(inputs=64, trees=32), 2048),
    ],
)
def test_an_array_has_a_peak_and_fits_the_dataflows_of_its_kind_only(array, peak):
    assert array.macs_per_cycle == peak
    for dataflow, kind in ARRAY_KINDS.items():
        if isinstance(array, kind):
            assert machine(array=array, dataflow=dataflow).array is array
        else:
            with pytest.raises(ValueError, match=f"must be the kind that {dataflow} runs on"):
                machine(array=array, dataflow=dataflow)


@pytest.mark.parametrize(
    ("unit", "kind", "entry"),
    [
        (machine(), "softmax", "native"),
        (machine(vector=None), "softmax", "not executable"),
        (machine(), "convolution", "native"),
        (machine(), "depthwise", "emulated: one group after another"),
        (machine(), "copy", "emulated: a read and a write through the buffers"),
        (machine(mover=Mover(bytes_per_cycle=4, shift="copy")), "shift", "native"),
        (machine(), "shift", "emulated: a second read at another address"),
        (
            machine(support={"depthwise": Support(level="not executable")}),
            "depthwise",
            "not executable",
        ),
    ],
)
def test_support_is_what_is_declared_or_what_the_units_allow(unit, kind, entry):
    assert str(unit.supports(kind)) == entry


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_says_how_it_executes_every_kind_of_primitive(name):
    unit = preset(name)
    for kind in SUPPORTED_KINDS:
        entry = unit.supports(kind)
        assert source_of(unit, f"support.{kind}") or source_of(unit, "support")
        if kind in VECTOR_KINDS and unit.vector is not None:
            assert entry.executable == (kind in unit.vector.cycles_per_element)


def test_the_source_of_a_constant_is_its_own_or_that_of_its_table():
    unit = machine(sources={"array": "a page", "array.rows": "a row"})
    assert source_of(unit, "array.rows") == "a row"
    assert source_of(unit, "array.cols") == "a page"
    assert source_of(unit, "dram.latency_cycles") is None


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
            r"buffers\.double_buffered must be true, false or a list of operands, not 'yes'",
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
        (lambda: Array(rows=4, cols=4, folds="both"), r"array\.folds must be one of serial, over"),
        (lambda: AdderTrees(inputs=0, trees=8), r"array\.inputs must be an integer of at least 1"),
        (lambda: Cube(m=4, n=4, k=4, left_bytes=0), r"array\.left_bytes must be an integer of at"),
        (
            lambda: replace(buffers(9), shared=("ifmap", "filter")),
            r"buffers\.shared and buffers\.shared_bytes must come together, or neither of them",
        ),
        (
            lambda: replace(buffers(9), shared=("weights",), shared_bytes=9),
            r"each of buffers\.shared must be one of ifmap, filter, ofmap, not 'weights'",
        ),
        (
            lambda: replace(buffers(9), ifmap_bytes_per_cycle=0),
            r"buffers\.ifmap_bytes_per_cycle must be a positive number, not 0",
        ),
        (
            lambda: SharedL2(size_bytes=8, bytes_per_cycle=4, cores=0),
            r"l2\.cores must be an integer of at least 1, not 0",
        ),
        (lambda: Dram(bytes_per_cycle=1, burst_bytes=0), r"dram\.burst_bytes must be an integer"),
        (
            lambda: Mover(bytes_per_cycle=4, shift="rotate"),
            r"mover\.shift must be one of copy, address-offset, modular-generator, not 'rotate'",
        ),
        (
            lambda: machine(dataflow="cube"),
            r"array must be the kind that cube runs on, not Array\(",
        ),
        (lambda: machine(im2col="onload"), r"im2col must be one of .*mean on-load"),
        (lambda: machine(convention="scale-sim"), r"convention must be one of .*mean scalesim"),
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
        ("eyeriss-v1", 67.2e9, 100 * 2**10 + 168 * 224 * 2),  # "peak 67.2 GOPS" at 200 MHz
        ("nvdla-small", 128e9, (128 + 64) * 2**10),  # 64 MACs at 1 GHz
        ("nvdla-full", 4096e9, (512 + 256) * 2**10),  # 2048 MACs at 1 GHz
        ("ethos-u55-like", 256e9, 46 * 2**10),  # 256 MACs at 500 MHz
        ("sme-512-like", 2048e9, (2 * 128 + 64) * 2**10),  # 16 x 16 x 4 at our 1 GHz
        ("davinci-310p", 8.68e12, (1024 + 256) * 2**10),  # 4096 MACs at 1060 MHz
    ],
)
def test_presets_have_the_peak_and_the_memory_of_their_sources(name, peak, on_chip_bytes):
    unit = preset(name)
    operations_per_second = 2 * unit.array.macs_per_cycle * unit.clock_hz
    assert operations_per_second == pytest.approx(peak, rel=0.005)
    assert unit.buffers.total_bytes == on_chip_bytes


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
    assert without_source(unit) == ()


def test_an_added_vector_unit_does_products_per_pixel_that_the_array_cannot():
    assert not preset("nvdla-full").supports("per-pixel").executable
    entry = with_vector_unit(preset("nvdla-full"), 16).supports("per-pixel")
    assert str(entry) == "emulated: products of elements on the hypothetical vector unit"


def test_buffers_are_doubled_together_or_by_name():
    ours = buffers(100)
    assert ours.tiles_held == (2, 2, 2)
    assert replace(ours, double_buffered=False).tiles_held == (1, 1, 1)
    assert replace(ours, double_buffered=("filter", "ofmap")).tiles_held == (1, 2, 2)
    with pytest.raises(ValueError, match=r"^each of buffers.double_buffered must be one of ifmap"):
        replace(ours, double_buffered=("weights",))
