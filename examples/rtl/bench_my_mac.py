"""The testbench, run inside the simulator: int8 convolutions of a set through ``my_mac``.

Copy it and change what is marked: how your module is fed, and which stages it shows. What it must
answer is not in here; ``refimpl check`` knows.
"""

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwsim.rtl.job import leave_report, read_job
from hwsim.rtl.sets import Case, Words, leave, read_set


@cocotb.test()
async def convolutions(dut: Any) -> None:
    """Run every int8 convolution of the set and leave its files."""
    job = read_job()
    Clock(dut.clk, 10, unit="ns").start()
    await reset(dut)
    done = []
    for case in read_set(Path(job["set"])).values():
        if (case.operator, case.arithmetic) == ("conv2d", "int8"):
            for tensor, words in (await run(dut, case)).items():
                leave(Path(job["out"]), case, tensor, words)
            done.append(case.id)
    leave_report({"cases": done})


async def reset(dut: Any) -> None:
    """Your reset."""
    dut.rst.value, dut.valid.value = 1, 0
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


async def run(dut: Any, case: Case) -> dict[str, Words]:
    """Feed one case to your module; return what it answered, by the names of the set's stages."""
    attributes = case.attributes
    w, bias, multiplier, shift = (case.input(each) for each in ("w", "b", "multiplier", "shift"))
    seen = windows(case.input("x"), w.shape, attributes)
    dut.x_zero.value, dut.y_zero.value = attributes["x_zero"], attributes["y_zero"]
    answers = {name: np.zeros(case.tensors[name].shape, int) for name in ("accumulator", "output")}
    for n, o, i, j in np.ndindex(case.tensors["output"].shape):
        dut.bias.value = int(bias[o])
        dut.multiplier.value, dut.shift.value = int(multiplier[o]), int(shift[o])
        await feed(dut, seen[n, :, :, :, i, j].ravel().tolist(), w[o].ravel().tolist())
        answers["accumulator"][n, o, i, j] = dut.accumulator.value.to_signed()
        answers["output"][n, o, i, j] = dut.result.value.to_signed()
    return answers


async def feed(dut: Any, pixels: list[int], weights: list[int]) -> None:
    """Feed the taps of one output, one per cycle; return when its result stands."""
    dut.valid.value = 1
    for k, (x, w) in enumerate(zip(pixels, weights, strict=True)):
        dut.x.value, dut.w.value = x, w
        dut.first.value, dut.last.value = k == 0, k == len(pixels) - 1
        await FallingEdge(dut.clk)
    dut.valid.value = 0
    if not dut.done.value:
        raise AssertionError("done must follow the last tap")


def windows(x: Words, kernel: tuple[int, ...], attributes: dict[str, Any]) -> Words:
    """What each output sees: (n, c, k_h, k_w, i, j); outside the image is the zero point."""
    (_, _, k_h, k_w), (s_h, s_w) = kernel, attributes["stride"]
    (p_h, p_w), (d_h, d_w) = attributes["padding"], attributes["dilation"]
    sides = ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w))
    padded = np.pad(x, sides, constant_values=attributes["x_zero"])
    reach = (d_h * (k_h - 1) + 1, d_w * (k_w - 1) + 1)
    views = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    return views[:, :, ::s_h, ::s_w, ::d_h, ::d_w].transpose(0, 1, 4, 5, 2, 3)
