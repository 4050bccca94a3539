"""Finding, building and running: the right binary, and failures that are seen."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hwsim.rtl import simulator as sim
from hwsim.rtl.device import ANY_BUG, run_set
from hwsim.rtl.registers import Device

BENCH = """
import cocotb
from cocotb.triggers import Timer


@cocotb.test()
async def fails(dut):
    await Timer(1, unit="ns")
    assert {sentence}
"""


def test_the_verilator_of_the_package_shadows_that_of_the_system(a_simulator):
    if a_simulator != "verilator":
        pytest.skip("no verilator here")
    around = sim.environment()
    first = Path(around["PATH"].split(os.pathsep)[0])
    assert first == Path(around["VERILATOR_ROOT"]) / "bin"
    found = shutil.which("verilator", path=around["PATH"])
    assert Path(found).parent == first
    said = subprocess.run(
        [found, "--version"], env=around, capture_output=True, text=True, check=True
    )
    assert not any(digit in said.stdout.split("rev")[0] for digit in "123456789")


@pytest.mark.parametrize("top", sim.DESIGNS)
def test_the_sources_are_free_of_warnings(a_simulator, top):
    if a_simulator != "verilator":
        pytest.skip("no verilator here")
    lint = ["verilator", "--lint-only", "-Wall", "-Wno-UNUSEDSIGNAL", "-Wno-UNUSEDPARAM"]
    lint.append("-Wno-VARHIDDEN")  # a loop's own genvar may have the name of another
    sources = [str(path) for path in sim.design(top, {}).sources]
    done = subprocess.run(
        [*lint, f"-I{sim.SOURCES}", "--top-module", top, *sources],
        env=sim.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_tools_are_named(monkeypatch):
    monkeypatch.setattr(sim.shutil, "which", lambda tool: None if tool != "make" else tool)
    assert sim.missing("verilator") == "verilator needs perl, g++: apt install perl make g++"
    assert sim.missing("icarus").startswith("iverilog and vvp must be on PATH")
    with pytest.raises(
        sim.SimulatorError, match="a simulator must be able to run: verilator needs"
    ):
        sim.available()


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(sim, "find_spec", lambda name: None)
    assert sim.missing("verilator").startswith("cocotb must be installed")


def test_a_build_is_made_again_only_if_something_in_it_differs(tmp_path):
    source = tmp_path / "top.sv"
    source.write_text("module top; endmodule")
    made = sim.Design(top="top", sources=(source,), parameters={"N": 1})
    key = made.key("verilator")
    assert key == made.key("verilator")
    assert key != made.key("icarus")
    other = sim.Design(top="top", sources=(source,), parameters={"N": 2})
    defined = sim.Design(top="top", sources=(source,), parameters={"N": 1}, defines={"A": "1"})
    assert len({key, other.key("verilator"), defined.key("verilator")}) == 3
    source.write_text("module top; wire a; endmodule")
    assert key != made.key("verilator")


def test_a_design_that_does_not_compile_is_an_error_with_its_log(simulator, tmp_path):
    source = tmp_path / "broken.sv"
    source.write_text("module broken; wire = ; endmodule")
    with pytest.raises(sim.SimulatorError, match=r"(?s)build of broken must succeed.*broken\.sv:1"):
        sim.build(sim.Design(top="broken", sources=(source,)), tmp_path, simulator)


def test_a_bench_that_fails_is_an_error_although_the_simulator_ends_well(simulator, work, tmp_path):
    built = sim.build(sim.design("xv_npu", Device().parameters, ANY_BUG), work, simulator)
    (tmp_path / "bench_wrong.py").write_text(BENCH.format(sentence="1 == 2, 'as it must'"))
    with pytest.raises(
        sim.SimulatorError, match=r"(?s)bench_wrong on xv_npu must pass.*as it must"
    ):
        sim.run(built, "xv_npu", "bench_wrong", job={}, paths=(tmp_path,))


def test_an_unknown_design_or_bug_is_named(tmp_path):
    with pytest.raises(ValueError, match="design must be one of xv_npu, xv_gemm"):
        sim.design("xv_gpu", {})
    with pytest.raises(ValueError, match="bug must be one of"):
        run_set(tmp_path, tmp_path, work=tmp_path, bug="typo")
