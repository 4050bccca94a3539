"""The device in SystemVerilog against golden vectors, judged by ``refimpl check``."""

from dataclasses import replace

import pytest

from hwsim.cycles import array_cycles
from hwsim.dataflow import OUTPUT_STATIONARY
from hwsim.machine import Array
from hwsim.rtl.device import Stalls, run_set
from hwsim.rtl.registers import Device
from hwsim.rtl.sets import read_set
from hwsim.workload import Gemm
from refimpl import io
from refimpl.vectors.case import Choices, bare_name
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

OPERATORS = ("conv2d", "shift_product", "pssa", "xvolution_fused")
STAGES = {"conv2d": 4, "shift_product": 4, "pssa": 8, "xvolution_fused": 8}
LEFT_OUT = "conv2_1.conv1-xvolution-int8"  # two branches
SIZES = Sizes(batch=1, channels=2, outputs=5, height=5, width=6)


def test_convolution_and_fused_xvolution_are_right_to_the_bit_at_every_stage(
    a_simulator, work, small_set, refimpl, tmp_path
):
    done = run_set(small_set, tmp_path / "device", work=work)
    code, said = refimpl("check", small_set, tmp_path / "device")
    assert code == 0, said
    assert said.count(": exact, ") == sum(STAGES.values())
    assert not done.excluded
    for each in done.cases.values():
        assert (each["images"], each["unwritten"]) == (2, 0)
        assert (each["guards_broken"], each["changed_while_waiting"]) == (0, 0)


def write(root, cases, layout="nchw"):
    written = Written(layout=layout, kinds=("npy", "hex"))
    about = About(command="", tool_version="0")
    io.write_directory(root, set_files(cases, about=about, written=written))
    return root


def changed(operator, name, *, sizes=SIZES, rounding="half_up", **attributes):
    (case,) = random_cases(
        [operator], sizes, Choices(arithmetics=("int8",), rounding=rounding), seed=name
    )
    return replace(case, attributes={**case.attributes, **attributes})


def geometries():
    wide = {"dilation": [2, 2], "padding": [2, 2]}
    yield changed("conv2d", "dilated", **wide)
    yield changed("conv2d", "uneven", stride=[2, 1], padding=[0, 2], dilation=[1, 2])
    yield changed("conv2d", "pixel", sizes=replace(SIZES, kernel=1, outputs=4))
    yield changed("conv2d", "large", sizes=replace(SIZES, kernel=5, outputs=1))
    yield changed("xvolution_fused", "strided", sizes=replace(SIZES, stride=2))
    yield changed("xvolution_fused", "zeros", boundary="zero", length=2)
    yield changed("xvolution_fused", "diagonal", directions=[[1, 1], [-2, 1], [2, 0], [0, -3]])
    yield changed("pssa", "rail", x_zero=127, t_zero=-128, y_zero=127)
    yield changed("shift_product", "rail", x_zero=-128, boundary="zero")
    yield changed(
        "conv2d", "single", sizes=Sizes(batch=3, channels=1, outputs=1, height=1, width=1)
    )


def roundings():
    for rule in ("half_up", "half_even", "floor", "tflite_double"):
        yield changed("xvolution_fused", rule, rounding=rule)


@pytest.mark.parametrize("cases", [geometries, roundings], ids=lambda each: each.__name__)
def test_every_geometry_and_rounding_rule_is_right(simulator, work, refimpl, tmp_path, cases):
    golden = write(tmp_path / "golden", cases())
    done = run_set(golden, tmp_path / "device", work=work)
    code, said = refimpl("check", golden, tmp_path / "device")
    assert code == 0, said
    assert len(done.cases) == len(list(cases()))
    assert not any(each["guards_broken"] for each in done.cases.values())


def test_words_lie_where_the_layout_of_the_set_says(simulator, work, refimpl, tmp_path):
    golden = write(tmp_path / "golden", [changed("xvolution_fused", "nhwc")], layout="nhwc")
    run_set(golden, tmp_path / "device", work=work)
    code, said = refimpl("check", golden, tmp_path / "device")
    assert code == 0, said


def test_layers_of_the_trained_network_on_a_photograph_are_right(
    simulator, work, refimpl, tmp_path
):
    golden, layer = tmp_path / "golden", "conv2_1.conv1-xvolution-fused-int8"
    code, said = refimpl(
        *("vectors", golden, "--network", "trained", "--image", "chelsea"),
        *("--layer", "conv1", "--layer", "conv2_1.conv1"),
        *("--arithmetic", "int8", "--files", "npy,hex"),
    )
    assert code == 0, said
    ids = {bare_name(case): case for case in read_set(golden)}
    cases = (ids["conv1-conv2d-int8"], ids[layer])
    done = run_set(golden, tmp_path / "device", work=work, cases=cases)
    code, said = refimpl(
        *("check", golden, tmp_path / "device", "--case", cases[0], "--case", cases[1])
    )
    assert code == 0, said
    assert said.count(": exact, ") == 4 + 8
    everything = run_set(golden, tmp_path / "unused", work=work, cases=(cases[0], ids[LEFT_OUT]))
    assert "must be one of conv2d" in everything.excluded[ids[LEFT_OUT]]
    assert tuple(done.cases) == cases


@pytest.mark.parametrize("stall", [0.0, 0.9], ids=["never", "mostly"])
def test_the_bits_do_not_depend_on_who_waits_for_whom(
    simulator, work, small_set, refimpl, tmp_path, stall
):
    stalls = Stalls(load=stall, product=stall, result=stall, seed=7)
    done = run_set(small_set, tmp_path / "device", work=work, stalls=stalls)
    code, said = refimpl("check", small_set, tmp_path / "device")
    assert code == 0, said
    waited = [each["cycles_stalled"] for each in done.cases.values()]
    assert all(waited) if stall else not any(waited)


def test_the_array_is_busy_for_as_long_as_the_closed_form_says(
    simulator, work, small_set, tmp_path
):
    done = run_set(small_set, tmp_path / "device", work=work)
    size, cases = Device(), read_set(small_set)
    for name, each in done.cases.items():
        tensors = cases[name].tensors
        images, channels, height, width = tensors["x"].shape
        directions = len(cases[name].attributes.get("directions", ()))
        assert each["cycles_product"] == images * directions * channels * height * width
        if "w" not in tensors:
            assert each["cycles_array"] == 0
            continue
        outputs, inputs, kernel_h, kernel_w = tensors["w"].shape
        _, _, out_h, out_w = tensors["output"].shape
        product = Gemm(out_h * out_w, outputs, inputs * kernel_h * kernel_w)
        array = Array(rows=size.rows, cols=size.cols)
        total = array_cycles(product, array, OUTPUT_STATIONARY).total
        assert each["cycles_array"] == images * total


def test_an_array_of_another_shape_gives_the_same_bits(
    simulator, work, small_set, refimpl, tmp_path
):
    run_set(small_set, tmp_path / "device", work=work, device=Device(rows=3, cols=5))
    code, said = refimpl("check", small_set, tmp_path / "device")
    assert code == 0, said
