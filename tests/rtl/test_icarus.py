"""The device under Icarus, where it is installed: the same bits, by another simulator."""

import pytest

from hwsim.cycles import array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.machine import Array
from hwsim.rtl.device import run_set
from hwsim.rtl.measure import measure
from hwsim.rtl.registers import Device
from hwsim.rtl.simulator import missing
from hwsim.workload import Gemm
from refimpl import io
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

SMALL = Device(
    rows=2, cols=2, image_words=16, product_words=64, weight_words=128, channels=4
)  # Icarus evaluates a large one in minutes
SIZES = Sizes(batch=1, channels=1, outputs=2, height=3, width=3)


@pytest.fixture(scope="module")
def icarus(simulator):
    """Icarus beside the simulator that must be there; without it, a skip that says why."""
    if reason := missing("icarus"):
        pytest.skip(reason)
    return "icarus"


@pytest.mark.xdist_group("icarus")
@pytest.mark.parametrize("bug", ["none", "pad_raw_zero"])
def test_a_fused_layer_is_right_to_the_bit_and_with_a_bug_wrong(
    icarus, work, refimpl, tmp_path, bug
):
    cases = random_cases(["xvolution_fused"], SIZES, Choices(arithmetics=("int8",)))
    files = set_files(
        cases, about=About(command="", tool_version="0"), written=Written(kinds=("npy", "hex"))
    )
    io.write_directory(tmp_path / "golden", files)
    run_set(
        tmp_path / "golden", tmp_path / "device", work=work, simulator=icarus, bug=bug, device=SMALL
    )
    code, said = refimpl("check", tmp_path / "golden", tmp_path / "device")
    assert code == (bug != "none"), said
    assert said.count(": exact, ") == (8 if bug == "none" else 4)


@pytest.mark.xdist_group("icarus")
def test_an_array_gives_the_product_in_as_many_cycles_as_the_closed_form(icarus, work):
    gemm, flow = Gemm(3, 4, 2), "output-stationary"
    record = measure(
        [(3, 2)], work=work, simulator=icarus, dataflows=[flow], layers={"small": gemm}
    )
    (measured,) = record.measured
    expected = array_cycles(gemm, Array(rows=3, cols=2), DATAFLOWS[flow])
    assert (measured.cycles, measured.feeding) == (expected.total, expected.streamed)
