"""Sets of every source, written and judged through the command line."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from refimpl import io
from refimpl.bitexact.bounds import bound_outputs
from refimpl.score.suspects import catalogued
from refimpl.vectors.case import bare_name, pipeline
from refimpl.vectors.explain import case_of
from refimpl.vectors.local import recompute
from refimpl.vectors.manifest import seal
from refimpl.vectors.stages import stages
from refimpl.vectors.variants import VARIANTS, run

PAGE = Path(__file__).parents[3] / "docs" / "vectors.md"
SMALL = "--batch 1 --channels 2 --outputs 2 --height 4 --width 3"
DUT = """
name = "mac8"
[tile]
k = 16
channels = 4
outputs = 4
pixels = 10
[features]
operators = ["conv2d"]
strides = [1]
dilations = [1]
kernels = [3]
[observe]
stages = ["accumulator"]
[memory]
layout = "nchw4c"
lanes = 4
word_bytes = 8
[adders]
rounding = "truncate"
"""


def written(refimpl, tmp_path, options):
    out = tmp_path / "set"
    status, _, err = refimpl(f"vectors {out} {options}")
    assert (status, err) == (0, "")
    return out, io.read_manifest(out)


def device_of(golden, manifest, tmp_path, stages=("output",)):
    """A device that is right, and left the named stages as .npy."""
    device = tmp_path / "device"
    for entry in manifest.cases:
        (device / entry.id).mkdir(parents=True)
        for tensor in entry.tensors:
            if tensor.name in stages:
                source = golden / entry.id / f"{tensor.name}.npy"
                shutil.copy(source, device / entry.id)
    for sequence in manifest.sequences:
        shutil.copytree(golden / sequence.id, device / sequence.id)
    return device


def test_a_declared_device_gets_its_cases_exclusions_memory_and_layout(refimpl, tmp_path):
    (tmp_path / "dut.toml").write_text(DUT)
    golden, manifest = written(refimpl, tmp_path, f"--dut {tmp_path}/dut.toml --files npy,bin")
    assert manifest.device["name"] == "mac8"
    assert "operator pssa" in {each.what for each in manifest.excluded}
    assert all(case.coverage for case in manifest.cases)
    tensors = [tensor for case in manifest.cases for tensor in case.tensors]
    assert {t.layout.name for t in tensors if len(t.shape) == 4} == {"NCHW4c", "OIHW4i4o"}
    assert {t.layout.lanes for t in tensors} == {4}
    device = device_of(golden, manifest, tmp_path)
    status, _, err = refimpl(f"check {golden} {device}")
    assert status == 2
    assert "accumulator.npy, .bin or .hex: no stage is there" in err
    shutil.rmtree(device)
    device = device_of(golden, manifest, tmp_path, ("output", "accumulator"))
    status, out, _ = refimpl(f"check {golden} {device}")
    assert (status, out.splitlines()[-1]) == (
        0,
        f"{2 * len(manifest.cases)} files of {len(manifest.cases)} cases: 0 wrong",
    )


def test_a_class_of_adders_decides_what_a_bound_is(refimpl, tmp_path):
    golden, manifest = written(
        refimpl, tmp_path, f"{SMALL} --operator conv2d --arithmetic fp32 --files npy"
    )
    device = device_of(golden, manifest, tmp_path)
    (entry,) = manifest.cases
    path = device / entry.id / "output.npy"
    reach = np.load(golden / entry.id / "bound.npy")
    reference = np.load(golden / entry.id / "reference.npy")
    np.save(path, (reference + 1.5 * reach).astype(np.float32))
    assert refimpl(f"check {golden} {device}")[0] == 1
    for adders, status, said in (
        ('rounding = "truncate"', 0, "within bound"),
        ('rounding = "stochastic"', 1, "bound not applicable"),
        ('accumulator = "fp16"', 0, "within bound"),
    ):
        (tmp_path / "dut.toml").write_text(f'name = "d"\n[adders]\n{adders}\n')
        got, out, _ = refimpl(f"check {golden} {device} --dut {tmp_path}/dut.toml")
        assert (got, said in out) == (status, True)


ADDERS = """
name = "own order"
[tile]
channels = 4
outputs = 2
pixels = 5
[features]
operators = ["conv2d"]
arithmetics = ["fp32"]
[observe]
stages = ["accumulator"]
[adders]
accumulator = "fp32"
"""


def test_a_device_of_its_own_order_shows_its_accumulators_and_no_partial_sums(refimpl, tmp_path):
    toml = tmp_path / "dut.toml"
    toml.write_text(ADDERS)
    golden, manifest = written(refimpl, tmp_path, f"--dut {toml} --files npy")
    for entry in manifest.cases:
        case = case_of(entry, io.read_case(golden, entry))
        turned = {name: case.tensors[name][:, ::-1].copy() for name in "xw"}
        found = pipeline(replace(case, tensors={**case.tensors, **turned}))
        place = tmp_path / "device" / entry.id
        place.mkdir(parents=True)
        for name in ("accumulator", "output"):
            np.save(place / f"{name}.npy", found[name])
    status, out, _ = refimpl(f"check {golden} {tmp_path}/device")
    assert status == 0
    assert "accumulator (accumulator.npy): within bound" in out
    path = place / "accumulator.npy"
    sums = np.load(path)
    spoiled = sums.copy()
    spoiled.reshape(-1)[-1] += 1
    np.save(path, spoiled)
    status, out, _ = refimpl(f"check {golden} {tmp_path}/device")
    assert status == 1
    last = [side - 1 for side in sums.shape]
    said = f"by itself: wrong, given the golden inputs: 1 of {sums.size}, first at {last}"
    assert said in out
    np.save(path, sums)
    for shown in ('"partial_sums"', '"accumulator", "partial_2"'):
        toml.write_text(ADDERS.replace('"accumulator"]', f"{shown}]"))
        for line in (
            f"vectors {tmp_path}/none --dut {toml}",
            f"check {golden} {tmp_path}/device --dut {toml}",
        ):
            status, _, err = refimpl(line)
            assert status == 2
            said = " ".join(err.split())
            assert "must not have 'partial_" in said
            assert "beside [adders], for floats" in said
    assert not (tmp_path / "none").exists()


def test_a_chain_is_judged_layer_by_layer_from_what_the_device_passed_on(refimpl, tmp_path):
    golden, manifest = written(
        refimpl, tmp_path, f"--chain conv2d,pssa {SMALL} --arithmetic int8 --files npy,bin"
    )
    first, second = manifest.cases
    assert second.inputs_from["x"].case == first.id
    one, other = (golden / first.id / "output.bin", golden / second.id / "x.bin")
    assert one.read_bytes() == other.read_bytes()
    device = device_of(golden, manifest, tmp_path)
    wrong = np.load(device / first.id / "output.npy")
    wrong ^= 64
    np.save(device / first.id / "output.npy", wrong)
    case = case_of(second, io.read_case(golden, second))
    np.save(device / second.id / "output.npy", recompute("output", {"x": wrong}, case).array)
    report = tmp_path / "verdict.json"
    assert refimpl(f"check {golden} {device} --json {report}")[0] == 1
    verdicts = [case["verdicts"][0] for case in json.loads(report.read_text())["cases"]]
    assert verdicts[0]["local"].startswith("wrong, given the golden inputs")
    assert verdicts[1]["local"] == "right, given the device's own x"


@pytest.fixture
def passed_on(refimpl, tmp_path):
    """A chain of floats, and what a device left that is at the edge of its bound in each link.

    It goes on with what it has, so later links have other inputs than the golden ones.
    """
    golden, manifest = written(
        refimpl, tmp_path, f"--chain conv2d,pssa,conv2d {SMALL} --arithmetic fp32 --sequence"
    )
    device, x, left = tmp_path / "device", None, {}
    for entry in manifest.cases:
        case = case_of(entry, io.read_case(golden, entry))
        if x is not None:
            case = replace(case, tensors={**case.tensors, "x": x})
        bound = bound_outputs(case.operator, case.tensors, case.attributes)["output"]
        x = (bound.reference + 0.9 * bound.bound).astype(np.float32)
        left[entry.id] = x
        (device / entry.id).mkdir(parents=True)
        np.save(device / entry.id / "output.npy", x)
        if case.operator == "pssa":
            np.save(device / entry.id / "product.npy", stages(case)["product"])
    return golden, manifest, device, left


def test_a_chain_of_floats_is_bounded_from_what_the_device_passed_on(refimpl, passed_on):
    golden, manifest, device, left = passed_on
    status, out, _ = refimpl(f"check {golden} {device} --no-sequences")
    assert status == 0
    assert out.count("with other bits") == 4
    assert out.count("given the device's own x") == 3
    middle, last = (each.id for each in manifest.cases[1:])
    product = np.load(device / middle / "product.npy")
    np.save(device / middle / "product.npy", np.nextafter(product, np.float32(np.inf)))
    assert refimpl(f"check {golden} {device} --no-sequences")[0] == 1
    np.save(device / middle / "product.npy", product)
    np.save(device / last / "output.npy", left[last] * np.float32(1.01))
    status, out, _ = refimpl(f"check {golden} {device} --no-sequences")
    assert status == 1
    assert f"WRONG {last} output" in out


def test_a_chain_of_floats_in_one_memory_is_bounded_from_what_is_in_it(refimpl, passed_on):
    golden, manifest, device, left = passed_on
    (sequence,) = manifest.sequences
    size, places = sequence.word_bytes, {}
    for step in sequence.steps:
        region = next(each for each in step.regions if each.tensor == "output")
        places[step.case] = size * (region.address - sequence.base)
        memory = bytearray((golden / sequence.id / step.id / "after.bin").read_bytes())
        for case, at in places.items():
            memory[at : at + left[case].nbytes] = left[case].tobytes()
        (device / sequence.id / step.id).mkdir(parents=True)
        (device / sequence.id / step.id / "after.bin").write_bytes(memory)
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 0, out
    assert out.count(".output (after.bin): within bound") == len(sequence.steps)
    memory[at : at + 4] = (left[case][:1] * np.float32(1.01)).tobytes()[:4]
    (device / sequence.id / step.id / "after.bin").write_bytes(memory)
    assert refimpl(f"check {golden} {device}")[0] == 1


def test_a_sequence_without_reset_is_judged_by_its_memory(refimpl, tmp_path):
    options = f"--operator conv2d --operator shift_product {SMALL} --sequence --arithmetic int8"
    golden, manifest = written(refimpl, tmp_path, options)
    assert "--sequence" in manifest.command
    device = device_of(golden, manifest, tmp_path, ("output", "product"))
    assert refimpl(f"check {golden} {device}")[0] == 0
    (sequence,) = manifest.sequences
    step = sequence.steps[1]
    dump = device / sequence.id / step.id / "after.bin"
    memory = bytearray(dump.read_bytes())
    memory[0] ^= 1
    dump.write_bytes(memory)
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 1
    assert "a guard was written over (1 word, first at address 0x0, 16 words before x of" in out
    assert f"ok    sequence {step.id} (after.hex): exact" in out
    assert refimpl(f"check {golden} {device} --no-sequences")[0] == 0
    dump.write_bytes(memory[:-4])
    status, _, err = refimpl(f"check {golden} {device}")
    assert (status, "must hold" in err) == (2, True)
    dump.unlink()
    hexed = dump.with_suffix(".hex")
    hexed.write_text(hexed.read_text().replace("\n", " // dumped\n"))
    assert refimpl(f"check {golden} {device}")[0] == 0
    hexed.write_text(hexed.read_text().replace("deadc0de", "xxxxxxxx", 1))
    status, out, _ = refimpl(f"check {golden} {device}")
    assert (status, "unknown bits" in out) == (1, True)


def test_a_failure_is_told_as_text_json_junit_and_a_picture(refimpl, tmp_path):
    pytest.importorskip("matplotlib")
    golden, manifest = written(refimpl, tmp_path, f"{SMALL} --operator pssa --arithmetic int8")
    (entry,) = manifest.cases
    device = device_of(golden, manifest, tmp_path)
    case = case_of(entry, io.read_case(golden, entry))
    np.save(device / entry.id / "output.npy", run(VARIANTS["rounding-floor"], case)["output"])
    report, junit = tmp_path / "v.json", tmp_path / "v.xml"
    line = f"check {golden} {device} --json {report} --junit {junit}"
    for suffix, begins in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        maps = tmp_path / suffix
        status, out, _ = refimpl(f"{line} --pictures {maps} --picture {suffix}")
        assert status == 1
        (drawn,) = maps.iterdir()
        assert drawn.read_bytes().startswith(begins)
    for said in ("first bad stage: output", "pattern: ", "rounding-floor", "is computed of"):
        assert said in out
    (told,) = json.loads(report.read_text())["cases"]
    assert told["diagnosis"][0]["variant"] == "rounding-floor"
    assert told["diagnosis"][0]["reproduces"]
    assert told["verdicts"][0]["maps"]["pixels"]
    assert told["cone"]["operands"]
    (suite,) = ET.parse(junit).getroot()  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert "rounding-floor" in suite.find("testcase/failure").text
    assert refimpl(f"check {golden} {device} --picture bmp --pictures {tmp_path}/m")[0] == 2


def test_verdicts_alone_can_be_had(refimpl, tmp_path):
    golden, manifest = written(refimpl, tmp_path, f"{SMALL} --operator conv2d --arithmetic int8")
    (entry,) = manifest.cases
    device = device_of(golden, manifest, tmp_path)
    output = np.load(device / entry.id / "output.npy")
    np.save(device / entry.id / "output.npy", output ^ 1)
    status, out, _ = refimpl(f"check {golden} {device} --verdicts")
    assert status == 1
    assert "diagnosis" not in out


def test_a_layer_of_the_trained_network_is_written_and_reproduced(refimpl, tmp_path):
    image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(1).integers(0, 256, (40, 44, 3)).astype(np.uint8)
    image.fromarray(noise).save(tmp_path / "noise.png")
    options = f"--network trained --layer conv2_1.conv1 --layer fc --image {tmp_path}/noise.png"
    golden, manifest = written(refimpl, tmp_path, f"{options} --crop 6 --files npy")
    (source,) = manifest.provenance
    assert source["image"] == "noise.png"
    assert len(source["weights_sha256"]) == 64
    again = tmp_path / "again"
    line = manifest.command.replace("SET", str(again), 1).removeprefix("refimpl ")
    assert refimpl(line)[0] == 0
    assert (again / "manifest.json").read_bytes() == (golden / "manifest.json").read_bytes()


def test_a_convolution_of_a_model_is_written_with_its_rule(refimpl, tmp_path):
    onnx = pytest.importorskip("onnx")
    h, floats = onnx.helper, onnx.TensorProto.FLOAT
    w = np.random.default_rng(2).standard_normal((2, 3, 3, 3)).astype(np.float32)
    graph = h.make_graph(
        [h.make_node("Conv", ["x", "w"], ["y"], name="C/1")],
        "g",
        [h.make_tensor_value_info("x", floats, [1, 3, 5, 5])],
        [h.make_tensor_value_info("y", floats, [1, 2, 3, 3])],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    np.save(tmp_path / "x.npy", np.ones((1, 3, 5, 5)))
    options = f"--onnx {path} --node C/1 --input {tmp_path}/x.npy"
    _, manifest = written(refimpl, tmp_path, options)
    names = [bare_name(case.id) for case in manifest.cases]
    assert names == ["c-1-conv2d-int8", "c-1-conv2d-fp32"]
    assert "scale" in manifest.cases[0].stimulus["quantisation"]
    assert manifest.provenance[0]["model"] == "m.onnx"
    for options, sentence in (
        (f"--onnx {path}", "--onnx needs --node, and --input"),
        (f"--onnx {path} --node q --input {tmp_path}/x.npy", "node must be one of C/1, not 'q'"),
        (f"--onnx {tmp_path}/x.npy --node q --input {path}", "must be a valid ONNX model"),
        (f"--onnx {path} --node C/1 --input {path}", "must be a complete .npy file"),
    ):
        status, _, err = refimpl(f"vectors {tmp_path}/other {options}")
        assert (status, sentence in err, err.count("\n")) == (2, True, 1)


@pytest.mark.parametrize("layout", ["nhwc", "nchw4c", "nc1hwc0", "skew4"])
@pytest.mark.parametrize("kind", ["bin", "hex"])
def test_a_device_may_answer_in_the_layout_of_the_set(refimpl, tmp_path, layout, kind):
    options = f"{SMALL} --operator conv2d --layout {layout} --lanes 2 --files npy,{kind}"
    golden, manifest = written(refimpl, tmp_path, options)
    device = tmp_path / "device"
    for entry in manifest.cases:
        (device / entry.id).mkdir(parents=True)
        shutil.copy(golden / entry.id / f"output.{kind}", device / entry.id)
    assert refimpl(f"check {golden} {device}")[0] == 0
    entry = manifest.cases[0]
    tensor = next(each for each in entry.tensors if each.role == "output")
    of = tensor.physical
    path = Path(device / entry.id / f"output.{kind}")
    array = io.read_device(path, kind, tensor).copy()
    array[0, 1, 2, 1] ^= 4
    from refimpl.vectors.files.kinds import encode  # noqa: PLC0415

    path.write_bytes(encode(kind, array, of, "y"))
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 1
    assert "1 of 24 elements; first at [0, 1, 2, 1]" in out


def test_a_failing_case_is_shrunk_to_a_set_that_fails_alike(refimpl, tmp_path):
    golden, manifest = written(refimpl, tmp_path, "--operator conv2d --arithmetic int8")
    (entry,) = manifest.cases
    device = device_of(golden, manifest, tmp_path)
    assert refimpl(f"shrink {golden} {device} {tmp_path}/none")[0] == 2
    case = case_of(entry, io.read_case(golden, entry))
    np.save(device / entry.id / "output.npy", run(VARIANTS["kernel-mirrored"], case)["output"])
    small = tmp_path / "small"
    status, out, _ = refimpl(f"shrink {golden} {device} {small}")
    assert status == 0
    assert "swaps left and right taps" in out
    status, out, _ = refimpl(f"check {small}/golden {small}/device")
    assert status == 1
    assert "kernel-mirrored" in out
    assert refimpl(f"verify {small}/golden --recompute")[0] == 0
    (shrunk,) = io.read_manifest(small / "golden").cases
    assert shrunk.tensors[0].words < entry.tensors[0].words


@pytest.mark.parametrize("family", ["nchw", "nhwc", "nchw4c", "nc1hwc0", "skew4"])
def test_a_shrunk_set_is_written_as_the_set_was(refimpl, tmp_path, family):
    options = f"--operator xvolution --arithmetic int8 --layout {family} --lanes 4"
    golden, manifest = written(refimpl, tmp_path, f"{options} --files npy,hex,onnx")
    (entry,) = manifest.cases
    device = device_of(golden, manifest, tmp_path)
    wrong = np.load(device / entry.id / "output.npy")
    wrong[1, 2, 3, 3] ^= 4
    np.save(device / entry.id / "output.npy", wrong)
    small = tmp_path / "small"
    assert refimpl(f"shrink {golden} {device} {small}")[0] == 0
    (shrunk,) = io.read_manifest(small / "golden").cases
    before, after = (each.tensors[0] for each in (entry, shrunk))
    assert (after.layout.name, after.layout.lanes) == (before.layout.name, 4)
    kinds = [{file.kind for file in each.files} - {"mask"} for each in (before, after)]
    assert kinds == [{"npy", "hex"}] * 2
    assert "onnx" in {file.kind for file in shrunk.files}
    left = {path.name for path in (small / "device" / shrunk.id).iterdir()}
    assert left == {"output.npy", "output.hex"}
    status, out, _ = refimpl(f"check {small}/golden {small}/device")
    assert status == 1
    assert out.count("wrong, 1 of") == 2
    assert refimpl(f"verify {small}/golden --recompute")[0] == 0


def test_a_shrunk_set_keeps_the_device_and_what_it_must_leave(refimpl, tmp_path):
    toml = tmp_path / "dut.toml"
    toml.write_text(DUT.replace('["conv2d"]', '["xvolution"]\narithmetics = ["int8"]'))
    golden, manifest = written(refimpl, tmp_path, f"--dut {toml}")
    device = tmp_path / "device"
    for entry in manifest.cases:
        (device / entry.id).mkdir(parents=True)
        for name in ("output", "conv_accumulator", "attention_accumulator"):
            shutil.copy(golden / entry.id / f"{name}.npy", device / entry.id)
    path = device / manifest.cases[0].id / "conv_accumulator.npy"
    wrong = np.load(path)
    wrong[0, 1, 1, 1] ^= 1 << 30
    np.save(path, wrong)
    small = tmp_path / "small"
    assert refimpl(f"shrink {golden} {device} {small}")[0] == 0
    shrunk = io.read_manifest(small / "golden")
    assert shrunk.device == manifest.device
    assert shrunk.cases[0].operator == "conv2d"
    status, out, _ = refimpl(f"check {small}/golden {small}/device")
    assert status == 1
    assert "accumulator (accumulator.npy): wrong, 1 of 1 elements" in out


def test_the_verdict_on_the_page_is_the_programs_line_by_line(refimpl, tmp_path):
    golden, manifest = written(refimpl, tmp_path, "--operator pssa --arithmetic int8 --layout nhwc")
    (entry,) = manifest.cases
    found = run(VARIANTS["rounding-floor"], case_of(entry, io.read_case(golden, entry)))
    (tmp_path / "device" / entry.id).mkdir(parents=True)
    for name in ("product", "accumulator", "output"):
        np.save(tmp_path / "device" / entry.id / f"{name}.npy", found[name])
    status, out, _ = refimpl(f"check {golden} {tmp_path}/device")
    assert status == 1
    page = PAGE.read_text().partition("A device that rounds down")[2].partition("* **")[0]
    shown = page.partition("\n\n")[2]
    assert " ".join(shown.split()) == " ".join(out.split())


def test_reference_and_bound_have_the_kinds_that_the_page_says(refimpl, tmp_path):
    kinds = "npy,bin,hex,coe,mif,h"
    _, manifest = written(
        refimpl, tmp_path, f"{SMALL} --operator conv2d --arithmetic fp32 --files {kinds}"
    )
    (entry,) = manifest.cases
    found = {each.name: {file.kind for file in each.files} for each in entry.tensors}
    assert found["reference"] == found["bound"] == {"npy", "bin"}
    assert found["output"] == set(kinds.split(","))
    assert "they come as `npy`, and `bin` if chosen" in PAGE.read_text()


def test_two_sets_are_compared(refimpl, tmp_path):
    golden, _ = written(refimpl, tmp_path, f"{SMALL} --operator conv2d --arithmetic int8")
    line = f"vectors {tmp_path}/other {SMALL} --operator conv2d --arithmetic int8"
    assert refimpl(f"{line} --rounding floor")[0] == 0
    status, out, _ = refimpl(f"diff {golden} {tmp_path}/other")
    assert status == 1
    assert "attributes.rounding: half_up -> floor" in out
    status, out, _ = refimpl(f"diff {golden} {golden}")
    assert (status, out) == (0, "0 differences, 0 of them in the vectors themselves\n")


def test_a_forged_set_is_found_by_computing_it_again(refimpl, tmp_path):
    golden, manifest = written(refimpl, tmp_path, f"{SMALL} --operator conv2d --files npy")
    path = golden / manifest.cases[0].id / "output.npy"
    array = np.load(path)
    array[0, 0, 0, 0] ^= 1
    np.save(path, array)
    document = json.loads((golden / "manifest.json").read_text())
    line = next(
        file
        for tensor in document["cases"][0]["tensors"]
        if tensor["name"] == "output"
        for file in tensor["files"]
    )
    line["sha256"] = sha256(path.read_bytes()).hexdigest()
    document["digest"] = seal(document)
    (golden / "manifest.json").write_text(json.dumps(document))
    assert refimpl(f"verify {golden}")[0] == 0
    status, _, err = refimpl(f"verify {golden} --recompute")
    assert status == 2
    assert "the set must hold what is computed" in err


def test_an_onnx_test_is_part_of_a_set_that_asks_for_it(refimpl, tmp_path):
    pytest.importorskip("onnx")
    golden, manifest = written(refimpl, tmp_path, f"{SMALL} --operator pssa --files npy,onnx")
    for entry in manifest.cases:
        assert {Path(file.path).name for file in entry.files} == {
            "model.onnx",
            "input_0.pb",
            "output_0.pb",
        }
        assert (golden / entry.id / "onnx" / "test_data_set_0" / "input_0.pb").is_file()


def test_a_bug_of_the_catalogue_is_named_where_all_are_tried(refimpl, tmp_path):
    out, manifest = written(refimpl, tmp_path, f"--operator conv2d --arithmetic int8 {SMALL}")
    (entry,) = manifest.cases
    case = case_of(entry, io.read_case(out, entry))
    bug = next(each for each in catalogued(case) if each.name == "pad-right")
    device = tmp_path / "device" / entry.id
    device.mkdir(parents=True)
    np.save(device / "output.npy", bug.run(case)["output"])
    _, known, _ = refimpl(f"check {out} {tmp_path}/device")
    status, said, err = refimpl(f"check {out} {tmp_path}/device --diagnose all")
    assert (status, err) == (1, "")
    assert "pad-right" not in known
    assert "columns right of the image read its last column” (pad-right): every bit" in said


def test_each_file_of_a_tensor_is_explained_by_its_own_words(refimpl, tmp_path):
    golden, manifest = written(
        refimpl, tmp_path, f"{SMALL} --operator conv2d --arithmetic int8 --files npy,bin"
    )
    device = device_of(golden, manifest, tmp_path)
    (entry,) = manifest.cases
    raw = bytearray((golden / entry.id / "output.bin").read_bytes())
    raw[5] ^= 1
    (device / entry.id / "output.bin").write_bytes(raw)
    status, out, _ = refimpl(f"check {golden} {device}")
    right, wrong, told = out.splitlines()[:3]
    assert (status, right[:5], wrong[:5]) == (1, "ok   ", "WRONG")
    assert "output.bin" in wrong
    assert told == "      by itself: wrong, given the golden inputs: 1 of 24, first at [0, 0, 1, 2]"
    assert "output[0, 0, 1, 2] is computed of" in out
    status, _, err = refimpl(f"shrink {golden} {device} {tmp_path}/small")
    assert (status, err) == (0, "")
    status, out, _ = refimpl(f"check {tmp_path}/small/golden {tmp_path}/small/device")
    assert (status, out.count("WRONG") > 0) == (1, True)
