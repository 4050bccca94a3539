"""A case as register values of ``sv/xv_npu.sv``, and what the device cannot run, with the reason.

The numbers of the registers are those of the localparams in the SystemVerilog; a test reads them
from there and compares.
"""

from dataclasses import dataclass
from typing import Any

from hwsim.rtl.sets import Case

REGISTERS = {
    "BEGIN": 0, "IN_CHANNELS": 1, "HEIGHT": 2, "WIDTH": 3, "OUT_CHANNELS": 4, "KERNEL_Y": 5,
    "KERNEL_X": 6, "STRIDE_Y": 7, "STRIDE_X": 8, "PAD_Y": 9, "PAD_X": 10, "DILATION_Y": 11,
    "DILATION_X": 12, "OUT_HEIGHT": 13, "OUT_WIDTH": 14, "USES": 15, "X_ZERO": 16, "T_ZERO": 17,
    "Y_ZERO": 18, "ROUNDING": 19, "DIRECTIONS": 20, "CIRCULAR": 21, "T_MULTIPLIER": 22,
    "T_SHIFT": 23, "RESULT_BASE": 24, "PRODUCT_BASE": 25, "IMAGES": 26,
    "OFFSETS": 32,
}  # fmt: skip
USES = {"conv2d": 0b101, "shift_product": 0b010, "pssa": 0b110, "xvolution_fused": 0b111}
ROUNDINGS = {"half_up": 0, "half_even": 1, "floor": 2, "tflite_double": 3}
MOST_DIRECTIONS = 8
PLAIN = {  # what a case may declare, and the device has in one way only
    "groups": 1, "product": "requantised", "product_format": "int8", "output_format": "int8",
    "w_zero": 0, "clip": [-128, 127], "accumulator": {"bits": 32},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Size of the processor: the parameters of ``xv_npu``, memories in words."""

    rows: int = 8
    cols: int = 4
    image_words: int = 4096
    product_words: int = 16384
    weight_words: int = 16384
    channels: int = 64

    @property
    def parameters(self) -> dict[str, int]:
        """As the SystemVerilog names them."""
        return {
            "ROWS": self.rows,
            "COLS": self.cols,
            "IMAGE_WORDS": self.image_words,
            "PRODUCT_WORDS": self.product_words,
            "WEIGHT_WORDS": self.weight_words,
            "CHANNELS": self.channels,
        }


def excluded(case: Case, device: Device) -> str:
    """Why the device cannot run a case, in one clause; empty if it can."""
    return _not_its_arithmetic(case) or _too_large(case, device)


def _not_its_arithmetic(case: Case) -> str:
    if case.arithmetic != "int8":
        return f"arithmetic must be int8, not {case.arithmetic}"
    if case.operator not in USES:
        return f"operator must be one of {', '.join(USES)}, not {case.operator}"
    rounding = case.attributes["rounding"]
    if rounding not in ROUNDINGS:
        return f"rounding must be one of {', '.join(ROUNDINGS)}, not {rounding}"
    for what, only in PLAIN.items():
        if case.attributes.get(what, only) != only:
            return f"{what} must be {only}, not {case.attributes[what]}"
    return ""


def _too_large(case: Case, device: Device) -> str:
    _, channels, height, width = case.tensors["x"].shape
    directions = case.attributes.get("directions", [])
    limits = [
        ("image words", channels * height * width, device.image_words),
        ("directions", len(directions), MOST_DIRECTIONS),
        ("product words", len(directions) * channels * height * width, device.product_words),
    ]
    if "w" in case.tensors:
        shape = case.tensors["w"].shape
        limits += [
            ("weight words", shape[0] * shape[1] * shape[2] * shape[3], device.weight_words),
            ("output channels", shape[0], device.channels),
        ]
    for what, value, limit in limits:
        if value > limit:
            return f"{what} must be at most {limit}, not {value}"
    for down, right in _offsets(case.attributes):
        if abs(down) > height or abs(right) > width:
            return "a shift must not be longer than the image"
    return ""


def values(case: Case, *, guard_words: int) -> list[tuple[int, int]]:
    """(register, value) of a case in the order to write, BEGIN last; 32-bit two's complement.

    Results start ``guard_words`` into their memories.
    """
    attributes = case.attributes
    images, channels, height, width = case.tensors["x"].shape
    named: dict[str, int] = {
        "IN_CHANNELS": channels,
        "HEIGHT": height,
        "WIDTH": width,
        "USES": USES[case.operator],
        "X_ZERO": attributes["x_zero"],
        "ROUNDING": ROUNDINGS[attributes["rounding"]],
        "DIRECTIONS": len(attributes.get("directions", [])),
        "RESULT_BASE": guard_words,
        "PRODUCT_BASE": guard_words,
        "IMAGES": images,
    }
    named |= _product(case) | _convolution(case)
    written = [(REGISTERS[name], value & 0xFFFFFFFF) for name, value in named.items()]
    for at, (down, right) in enumerate(_offsets(attributes)):
        packed = (down & 0xFFFF) << 16 | right & 0xFFFF
        written.append((REGISTERS["OFFSETS"] + at, packed))
    return [*written, (REGISTERS["BEGIN"], 0)]


def _product(case: Case) -> dict[str, int]:
    if "directions" not in case.attributes:
        return {}
    return {
        "T_ZERO": case.attributes["t_zero"],
        "CIRCULAR": int(case.attributes["boundary"] == "circular"),
        "T_MULTIPLIER": int(case.input("t_multiplier")[0]),
        "T_SHIFT": int(case.input("t_shift")[0]),
    }


def _convolution(case: Case) -> dict[str, int]:
    if "w" not in case.tensors:
        return {}
    attributes = case.attributes
    outputs, _, kernel_y, kernel_x = case.tensors["w"].shape
    stride, dilation = attributes.get("stride", (1, 1)), attributes.get("dilation", (1, 1))
    same = [(k - 1) // 2 * d for k, d in zip((kernel_y, kernel_x), dilation, strict=True)]
    padding = attributes.get("padding") or same
    _, _, out_height, out_width = case.tensors["output"].shape
    return {
        "OUT_CHANNELS": outputs,
        "KERNEL_Y": kernel_y,
        "KERNEL_X": kernel_x,
        "STRIDE_Y": stride[0],
        "STRIDE_X": stride[1],
        "PAD_Y": padding[0],
        "PAD_X": padding[1],
        "DILATION_Y": dilation[0],
        "DILATION_X": dilation[1],
        "OUT_HEIGHT": out_height,
        "OUT_WIDTH": out_width,
        "Y_ZERO": attributes["y_zero"],
    }


def _offsets(attributes: dict[str, Any]) -> list[tuple[int, int]]:
    """(down, right) of every direction, the shift length included."""
    length = attributes.get("length", 0)
    return [(length * down, length * right) for down, right in attributes.get("directions", [])]
