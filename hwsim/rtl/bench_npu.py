"""Inside the simulator: cases of a set through ``sv/xv_npu.sv``, its results left as hex files.

The job names the set, the cases in order, where results go, and the stalls: the probability that a
load, a product or a result waits in a cycle, from one seed. Cases run back to back with one reset
before the first. Each result memory has guard words on both sides and is filled with 0xdeadbeef
first, so that what was not written shows, and what was written where it must not be is counted.

One step is one cycle: at the falling edge what the device drives is stable, so the bench reads it,
and decides what the device sees at the rising edge that follows.
"""

from pathlib import Path
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwsim.rtl.job import leave_report, read_job
from hwsim.rtl.registers import values
from hwsim.rtl.sets import UNDRIVEN, UNWRITTEN, Case, Words, leave, read_set

GUARD = 64  # ours: guard words on each side of a result
MOST_IDLE_CYCLES = 20_000  # ours: a device that takes and gives nothing for as long hangs
KINDS = {"image": 0, "w": 1, "b": 2, "multiplier": 3, "shift": 4}
COUNTERS = ("cycles_array", "cycles_stalled", "cycles_product", "cycles_control")
RESULT_SIGNALS = {
    "accumulator": 32,
    "biased": 32,
    "before_clip": 32,
    "output": 8,
}
PRODUCT_SIGNALS = {
    "shifted": ("product_shifted", 8),
    "wide_product": ("product_wide", 32),
    "product_before_clip": ("product_before_clip", 32),
    "product": ("product_result", 8),
}


class Memory:
    """One result in memory, with guard words around it."""

    def __init__(self, words: int, bits: int) -> None:
        self.mask = (1 << bits) - 1
        self.words: Words = np.full(words + 2 * GUARD, UNWRITTEN & self.mask, np.int64)
        self.written = np.zeros(words + 2 * GUARD, bool)
        self.wild = 0

    def write(self, address: int, value: int) -> None:
        """Write one word; an address outside the memory is counted and written nowhere."""
        if not 0 <= address < len(self.words):
            self.wild += 1
            return
        self.words[address] = value
        self.written[address] = True

    @property
    def result(self) -> Words:
        """The words between the guards."""
        return self.words[GUARD:-GUARD]

    @property
    def guards_broken(self) -> int:
        """Guard words that were written."""
        return int(self.written[:GUARD].sum() + self.written[-GUARD:].sum()) + self.wild

    @property
    def unwritten(self) -> int:
        """Words of the result that were not."""
        return int((~self.written[GUARD:-GUARD]).sum())


@cocotb.test()  # type: ignore[untyped-decorator, unused-ignore]
async def run_cases(dut: Any) -> None:
    """Run every case of the job and leave its files and the report."""
    job = read_job()
    cases = read_set(Path(job["set"]))
    stalls = Random(job["stall_seed"])  # noqa: S311 -- stimulus, not a secret
    Clock(dut.clk, 10, unit="ns").start()
    await reset(dut)
    reports = {}
    for name in job["cases"]:
        run = Run(dut, cases[name], stalls, job["stall"])
        reports[name] = await run.whole()
        for tensor, memory in run.memories.items():
            leave(Path(job["out"]), cases[name], tensor, memory.result)
    leave_report(reports)


async def reset(dut: Any) -> None:
    """Everything low, three cycles of reset."""
    for signal in ("set_valid", "load_valid", "load_kind", "product_ready", "result_ready"):
        getattr(dut, signal).value = 0
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


class Run:
    """One case on the device."""

    def __init__(self, dut: Any, case: Case, stalls: Random, stall: dict[str, float]) -> None:
        self.dut, self.case, self.stalls, self.stall = dut, case, stalls, stall
        self.memories = {
            name: Memory(int(np.prod(tensor.shape)), tensor.bits)
            for name, tensor in case.results.items()
            if name in PRODUCT_SIGNALS or name in RESULT_SIGNALS  # what the device shows
        }
        self.lanes = len(dut.result_mask)
        self.taken = 0
        self.changed_while_waiting = 0
        self.waiting: int | None = None
        self.offers: list[str] = []

    async def whole(self) -> dict[str, Any]:
        """Configure, load, feed the images and take what comes until the device is idle."""
        dut = self.dut
        for register, value in values(self.case, guard_words=GUARD):
            dut.set_valid.value, dut.set_register.value, dut.set_value.value = 1, register, value
            await FallingEdge(dut.clk)
        dut.set_valid.value = 0
        for name in ("w", "b", "multiplier", "shift"):
            if name in self.case.tensors:
                await self.load(KINDS[name], self.case.input(name).reshape(-1).tolist())
        cycles = await self.compute(self.case.input("x"))
        return {
            "cycles": cycles,
            **{name: int(getattr(dut, name).value) for name in COUNTERS},
            "images": int(dut.images_done.value),
            "guards_broken": sum(each.guards_broken for each in self.memories.values()),
            "unwritten": sum(each.unwritten for each in self.memories.values()),
            "changed_while_waiting": self.changed_while_waiting,
            "ready": "".join(self.offers),
        }

    async def load(self, kind: int, words: list[int]) -> None:
        """Load parameters, which the device always takes."""
        dut = self.dut
        dut.load_kind.value, dut.load_valid.value = kind, 1
        for word in words:
            dut.load_data.value = word & 0xFFFFFFFF
            await FallingEdge(dut.clk)
        dut.load_valid.value = 0

    async def compute(self, images: Words) -> int:
        """Stream every image in while results stream out; return the cycles it took."""
        dut, words = self.dut, images.reshape(-1).tolist()
        dut.load_kind.value = KINDS["image"]
        sent = cycles = silent = 0
        while True:
            offered = sent < len(words) and self.stalls.random() >= self.stall["load"]
            dut.load_valid.value = int(offered)
            if offered:
                dut.load_data.value = words[sent] & 0xFF
            moved = self.take_product() + self.take_results()
            if offered and int(dut.load_ready.value):
                sent, moved = sent + 1, moved + 1
            silent = 0 if moved else silent + 1
            await FallingEdge(dut.clk)
            cycles += 1
            if silent > MOST_IDLE_CYCLES:
                raise AssertionError(
                    f"{self.case.id}: the device must move a word within {MOST_IDLE_CYCLES} cycles"
                )
            if sent == len(words) and int(dut.images_done.value) == len(images):
                dut.load_valid.value = 0
                if int(dut.idle.value):
                    return cycles

    def take_product(self) -> int:
        """Take a product if there is one and no stall; return how many were taken."""
        dut = self.dut
        ready = self.stalls.random() >= self.stall["product"]
        dut.product_ready.value = int(ready)
        if not (int(dut.product_valid.value) and ready):
            return 0
        address = dut.product_address.value.to_unsigned()
        for tensor, (signal, bits) in PRODUCT_SIGNALS.items():
            if tensor in self.memories:
                self.memories[tensor].write(address, lanes_of(getattr(dut, signal), 1, bits)[0])
        return 1

    def take_results(self) -> int:
        """Take a row of results if there is one and no stall; return how many were taken.

        ``offers`` keeps whether the bench was ready when each row was first offered.
        """
        dut = self.dut
        ready = self.stalls.random() >= self.stall["result"]
        dut.result_ready.value = int(ready)
        if not int(dut.result_valid.value):
            return 0
        addresses = lanes_of(dut.result_address, self.lanes, 32)
        if self.waiting is not None and self.waiting != addresses[0]:
            self.changed_while_waiting += 1
        if self.waiting != addresses[0]:
            self.offers.append("1" if ready else "0")
        self.waiting = None if ready else addresses[0]
        if not ready:
            return 0
        mask = dut.result_mask.value.to_unsigned()
        for tensor, bits in RESULT_SIGNALS.items():
            words = lanes_of(getattr(dut, f"result_{tensor}"), self.lanes, bits)
            for lane in range(self.lanes):
                if mask >> lane & 1:
                    self.memories[tensor].write(addresses[lane], words[lane])
        return 1


def lanes_of(signal: Any, lanes: int, bits: int) -> list[int]:
    """Unsigned words of a signal, lane 0 in its lowest bits; UNDRIVEN where a bit is."""
    value = signal.value
    if value.is_resolvable:
        whole, mask = value.to_unsigned(), (1 << bits) - 1
        return [whole >> bits * lane & mask for lane in range(lanes)]
    text = str(value)[::-1]
    words = [text[bits * lane : bits * (lane + 1)][::-1] for lane in range(lanes)]
    return [int(word, 2) if set(word) <= {"0", "1"} else UNDRIVEN for word in words]
