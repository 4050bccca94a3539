"""Inside the simulator: matrix products through a bare array, results and cycles reported.

A job is ``{"products": [{"west": …, "north": …, "shape": [rows, cols, depth]}, …]}``, the operands
as flat lists of integers in the order ``sv/xv_gemm.sv`` names. The report is, per product, the
result words as they lie in its memory and the three counters.
"""

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwsim.rtl.job import leave_report, read_job

MOST_CYCLES = 1_000_000  # ours: no product of a test comes near it


@cocotb.test()  # type: ignore[untyped-decorator, unused-ignore]
async def run_products(dut: Any) -> None:
    """Run every product of the job, one after another, without a reset between them."""
    job = read_job()
    Clock(dut.clk, 10, unit="ns").start()
    for signal in ("write_west", "write_north", "start", "address", "data"):
        getattr(dut, signal).value = 0
    for signal in ("rows", "cols", "depth"):
        getattr(dut, signal).value = 1
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    reports = [await run_product(dut, each) for each in job["products"]]
    leave_report(reports)


async def run_product(dut: Any, product: dict[str, Any]) -> dict[str, Any]:
    """Load both operands, start, wait, read the result back."""
    await load(dut, dut.write_west, product["west"], 0x1FF)
    await load(dut, dut.write_north, product["north"], 0xFF)
    dut.rows.value, dut.cols.value, dut.depth.value = product["shape"]
    dut.start.value = 1
    await FallingEdge(dut.clk)
    dut.start.value = 0
    waited = 0
    while int(dut.busy.value):
        await FallingEdge(dut.clk)
        waited += 1
        if waited > MOST_CYCLES:
            raise AssertionError(f"a product must end within {MOST_CYCLES} cycles")
    counters = {name: int(getattr(dut, name).value) for name in ("cycles", "feeding", "folds")}
    await FallingEdge(dut.clk)  # the last sums reach the memory
    result = []
    for at in range(product["results"]):
        dut.address.value = at
        await FallingEdge(dut.clk)
        result.append(dut.read_data.value.to_signed())
    return {**counters, "waited": waited, "result": result}


async def load(dut: Any, enable: Any, words: list[int], mask: int) -> None:
    """Write one memory, a word per cycle."""
    enable.value = 1
    for at, word in enumerate(words):
        dut.address.value = at
        dut.data.value = word & mask
        await FallingEdge(dut.clk)
    enable.value = 0
