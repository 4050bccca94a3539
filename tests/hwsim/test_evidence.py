"""Evidence is data: it follows the machine, what it runs, and what was judged."""

import json
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files

import pytest

from hwsim.evidence import Judged, evidence_of
from hwsim.io import preset, preset_names
from hwsim.io.judged import judged
from hwsim.machine import SharedL2
from hwsim.workload import Copy, Elementwise, Unmodelled, matrix_product

PRODUCT = matrix_product(3, 3, 3)
ADD = Elementwise(kind="add", elements=9, inputs=2)
COPY = Copy(read_elements=9, write_elements=9)


def test_what_the_rtl_took_is_counted_from_its_record():
    record = json.loads((files("hwsim") / "rtl" / "cycles.json").read_text("utf-8"))
    runs = [each for each in record["measured"] if each["dataflow"] == "weight-stationary"]
    cycles = evidence_of([PRODUCT], preset("gemmini-default"), judged()).cycles
    assert runs
    assert "RTL" not in evidence_of([PRODUCT], preset("tpu-v1"), judged()).cycles  # other folds
    assert f"equal to RTL in {len(runs)} of {len(runs)} products" in cycles
    assert "RTL" not in evidence_of([PRODUCT], preset("nvdla-full"), judged()).cycles


@pytest.mark.parametrize(
    ("name", "changes", "literal"),
    [
        ("gemmini-default", {}, "hwsim.systolic"),
        ("gemmini-default", {"folds": "overlapped"}, "hwsim.literal.overlapped"),
        ("gemmini-default", {"double_buffered_weights": True}, "hwsim.literal.overlapped"),
        ("tpu-v1", {}, "hwsim.literal.overlapped"),
        ("eyeriss-v1", {}, "hwsim.literal.row_stationary"),
        ("davinci-310p", {}, "hwsim.literal.cube"),
        ("nvdla-small", {}, "hwsim.literal.adder_tree"),
    ],
)
def test_the_literal_judge_is_that_of_the_array_and_its_features(name, changes, literal):
    unit = preset(name)
    unit = replace(unit, array=replace(unit.array, **changes))
    assert f"equal to {literal} in" in evidence_of([PRODUCT], unit, ()).cycles
    module = literal.rpartition(".")[2]
    places = [files("hwsim") / f"{module}.py", files("hwsim") / "literal" / f"{module}.py"]
    assert any(place.is_file() for place in places)


def test_a_layer_has_the_evidence_of_what_it_runs():
    unit = preset("gemmini-default")
    mixed = evidence_of([PRODUCT, ADD, COPY], unit, ()).cycles
    assert "hwsim.systolic" in mixed
    assert "vector unit" in mixed
    assert "copies" in mixed
    assert evidence_of([ADD], unit, ()).cycles.startswith("vector unit")
    nothing = evidence_of([Unmodelled(reason="nobody knows")], unit, ())
    assert nothing.cycles == "nothing is costed"


def test_silicon_counts_for_its_dataflow_and_its_machine_only():
    chip = Judged(
        kind="silicon", dataflow="row-stationary", machine="eyeriss-v1", sentence="a chip, -3 %"
    )
    assert evidence_of([PRODUCT], preset("eyeriss-v1"), [chip]).silicon == "a chip, -3 %"
    assert evidence_of([ADD], preset("eyeriss-v1"), [chip]).silicon == "none for this array"
    for name in preset_names():
        if name != "eyeriss-v1":
            assert evidence_of([PRODUCT], preset(name), [chip]).silicon == "none for this array"


def test_energy_and_what_is_declared_but_not_counted_are_named():
    unit = preset("tpu-v1")
    assert evidence_of([PRODUCT], unit, ()).energy == "horowitz-45nm (45 nm)"
    level = SharedL2(size_bytes=2**20, bytes_per_cycle=64)
    assert "L2" in evidence_of([PRODUCT], replace(unit, l2=level), ()).dram


def test_the_rtl_says_nothing_of_an_array_that_waits_for_its_buffers():
    unit = preset("gemmini-default")
    slow = replace(unit, buffers=replace(unit.buffers, ifmap_bytes_per_cycle=Fraction(8)))
    assert "RTL" in evidence_of([PRODUCT], unit, judged()).cycles
    assert "RTL" not in evidence_of([PRODUCT], slow, judged()).cycles
