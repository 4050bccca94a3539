"""A case as registers: the numbers of the SystemVerilog, and what the device refuses."""

import re
from dataclasses import replace

import pytest

from hwsim.rtl.bugs import BUGS
from hwsim.rtl.registers import REGISTERS, Device, excluded, values
from hwsim.rtl.sets import Case, Tensor
from hwsim.rtl.simulator import SOURCES


def tensor(name, shape, role="input"):
    return Tensor(name=name, role=role, shape=shape, axes=(0, 1, 2, 3), bits=8, hex_file=SOURCES)


CONV = Case(
    id="conv",
    operator="conv2d",
    arithmetic="int8",
    attributes={"x_zero": -7, "y_zero": 3, "rounding": "floor", "stride": [2, 1]},
    tensors={
        "x": tensor("x", (1, 3, 8, 6)),
        "w": tensor("w", (5, 3, 3, 3)),
        "output": tensor("output", (1, 5, 4, 6), "output"),
    },
)


def numbers(text, pattern):
    return {name: int(value) for name, value in re.findall(pattern, text)}


def test_registers_have_the_numbers_of_the_systemverilog():
    text = (SOURCES / "xv_npu.sv").read_text("utf-8")
    listed = text[text.index("localparam logic [6:0] BEGIN") :]
    assert numbers(listed[: listed.index(";")], r"(\w+) = (\d+)") == REGISTERS


def test_bugs_have_the_numbers_of_the_systemverilog():
    text = (SOURCES / "xv_bugs.sv").read_text("utf-8")
    listed = numbers(text, r"localparam int (\w+)\s+= (\d+);")
    assert listed.pop("NONE") == 0
    assert listed == {name.upper(): bug.number for name, bug in BUGS.items()}


@pytest.mark.parametrize("bug", BUGS)
def test_every_bug_is_one_comparison_in_the_sources(bug):
    texts = [path.read_text("utf-8") for path in SOURCES.glob("*.sv") if path.stem != "xv_bugs"]
    found = re.findall(rf"`XV_BUG [!=]= xv_bugs::{bug.upper()}\b", "\n".join(texts))
    assert len(found) == 1


def test_a_convolution_becomes_registers():
    written = dict(values(CONV, guard_words=64))
    named = {name: written[number] for name, number in REGISTERS.items() if number in written}
    assert named["X_ZERO"] == 0xFFFFFFF9
    assert (named["STRIDE_Y"], named["STRIDE_X"], named["PAD_Y"], named["PAD_X"]) == (2, 1, 1, 1)
    assert (named["OUT_HEIGHT"], named["OUT_WIDTH"], named["ROUNDING"]) == (4, 6, 2)
    assert values(CONV, guard_words=64)[-1] == (REGISTERS["BEGIN"], 0)


@pytest.mark.parametrize(
    ("case", "device", "reason"),
    [
        (CONV, Device(), ""),
        (replace(CONV, arithmetic="fp32"), Device(), "arithmetic must be int8, not fp32"),
        (replace(CONV, operator="xvolution"), Device(), "operator must be one of"),
        (CONV, Device(image_words=143), "image words must be at most 143, not 144"),
        (CONV, Device(weight_words=134), "weight words must be at most 134, not 135"),
        (CONV, Device(channels=4), "output channels must be at most 4, not 5"),
        (
            replace(CONV, attributes={**CONV.attributes, "directions": [[0, 1]], "length": 7}),
            Device(),
            "a shift must not be longer than the image",
        ),
        (
            replace(CONV, attributes={**CONV.attributes, "rounding": "odd"}),
            Device(),
            "rounding must be one of half_up, half_even, floor, tflite_double, not odd",
        ),
    ],
)
def test_what_the_device_cannot_run_has_a_reason(case, device, reason):
    assert excluded(case, device).startswith(reason)
    assert bool(excluded(case, device)) == bool(reason)
