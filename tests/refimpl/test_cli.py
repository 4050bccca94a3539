"""The command as a user runs it: exit codes, one sentence for bad input, and what is written."""

import json
import pickle
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refimpl import cli
from refimpl.bitexact.operators import ALL_OPERATORS, OPERATORS
from refimpl.vectors.case import bare_name
from refimpl.vectors.manifest import seal

SMALL = "--batch 1 --channels 2 --outputs 2 --height 4 --width 3"
INT8, FP32 = "pssa-int8-n1c2o2h4w3k3s1-0", "pssa-fp32-n1c2o2h4w3k3s1-0"


@pytest.fixture
def refimpl(monkeypatch, capsys):
    def run(line, *more):
        words = [*shlex.split(line), *map(str, more)]
        monkeypatch.setattr(sys, "argv", ["refimpl", *words])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        printed = capsys.readouterr()
        return leaving.value.code or 0, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def one_set(tmp_path_factory):
    """A set of pssa, int8 and fp32, to be copied."""
    root = tmp_path_factory.mktemp("golden") / "set"
    line = [sys.executable, "-c", "from refimpl.cli import main; main()", "vectors", str(root)]
    subprocess.run([*line, "--operator", "pssa", *SMALL.split()], check=True, capture_output=True)
    return root


@pytest.fixture
def golden(one_set, tmp_path):
    return Path(shutil.copytree(one_set, tmp_path / "set"))


@pytest.fixture
def device(golden, tmp_path):
    """A device that got every output right, and left nothing else."""
    root = tmp_path / "device"
    for case in (INT8, FP32):
        (root / case).mkdir(parents=True)
        shutil.copy(golden / case / "output.npy", root / case)
    return root


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def assert_one_sentence(err, *parts):
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def test_a_set_of_everything_is_written_and_verified_and_a_perfect_device_passes(refimpl, tmp_path):
    out = tmp_path / "all"
    status, said, err = refimpl(f"vectors {out} {SMALL}")
    assert (status, err) == (0, "")
    manifest = json.loads((out / "manifest.json").read_text())
    assert {case["operator"] for case in manifest["cases"]} == set(OPERATORS)
    assert f"{2 * len(OPERATORS)} cases, {len(contents(out))} files" in said
    assert refimpl(f"verify {out}")[0] == 0
    status, said, err = refimpl(f"check {out} {out}")  # a set holds all that a device may leave
    assert (status, err) == (0, "")
    assert said.endswith(": 0 wrong\n")
    assert "WRONG" not in said


def test_all_operators_are_one_word(refimpl, tmp_path):
    out = tmp_path / "all"
    status, _, err = refimpl(f"vectors {out} {SMALL} --operator all --arithmetic int8")
    assert (status, err) == (0, "")
    manifest = json.loads((out / "manifest.json").read_text())
    assert [case["operator"] for case in manifest["cases"]] == list(ALL_OPERATORS)
    assert refimpl(f"verify {out} --recompute")[0] == 0


@pytest.mark.parametrize(
    "options",
    [
        "--operator conv2d --rounding tflite_double --order uvc --bias first",
        "--operator xvolution --arithmetic fp32 --layout nhwc --files npy,hex --seed 7",
        "--operator shift_product --operator pssa --stride 2 --kernel 1",
    ],
)
def test_the_command_in_the_manifest_writes_the_same_set_again(refimpl, tmp_path, options):
    first, again = tmp_path / "first", tmp_path / "again"
    assert refimpl(f"vectors {first} {SMALL} {options}")[0] == 0
    words = shlex.split(json.loads((first / "manifest.json").read_text())["command"])
    assert words[:3] == ["refimpl", "vectors", "SET"]
    assert refimpl(shlex.join(["vectors", str(again), *words[3:]]))[0] == 0
    assert contents(again) == contents(first)


def test_choices_reach_the_files(refimpl, tmp_path):
    out = tmp_path / "set"
    options = "--operator pssa --layout nhwc --files npy,bin --rounding floor --order uvc"
    refimpl(f"vectors {out} {SMALL} {options} --bias first")
    integers, floats = json.loads((out / "manifest.json").read_text())["cases"]
    assert integers["attributes"]["rounding"] == "floor"
    assert (floats["attributes"]["order"], floats["attributes"]["bias_at"]) == ("uvc", "first")
    assert {t["layout"]["name"] for t in integers["tensors"]} == {"NHWC", "OHWI", "C"}
    assert {path.suffix for path in out.rglob("*.*")} == {".json", ".npy", ".bin"}


def test_a_layer_of_a_network_on_a_picture_is_written(refimpl, tmp_path):
    image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image.fromarray(noise).save(tmp_path / "noise.png")
    out = tmp_path / "set"
    options = "--network resnet34 --side 32 --crop 5 --arithmetic int8 --files npy"
    status, _, err = refimpl(f"vectors {out} --layer conv1 --image {tmp_path}/noise.png {options}")
    assert (status, err) == (0, "")
    (case,) = json.loads((out / "manifest.json").read_text())["cases"]
    assert bare_name(case["id"]) == "conv1-conv2d-int8" != case["id"]
    assert case["tensors"][0]["shape"] == [1, 3, 5, 5]
    assert case["stimulus"]["image"] == "noise.png"
    assert len(case["stimulus"]["pixels_sha256"]) == 64


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--operator softmax", "operator must be one of conv2d, shift_product, pssa"),
        ("--arithmetic fp12", "arithmetic must be one of int8, int4, int16, fp32, bf16, fp16"),
        ("--rounding away", "rounding must be one of half_up, half_even, floor, tflite_double"),
        ("--order vuz", "accumulation order must run over the loops c, u, v, not 'vuz'"),
        ("--im2col vuc", "columns must be in the order cuv or uvc, not 'vuc'"),
        ("--bias middle", "bias must come 'first' or 'last', not 'middle'"),
        ("--layout chw", "layout must be one of nchw, nhwc, nchw<B>c, nc1hwc0, skew<R>, not 'chw'"),
        ("--files hex", "kinds of file must be npy, and of npy, bin, hex"),
        ("--files npy,exe", "kinds of file must be npy, and of npy, bin, hex"),
        ("--kernel 2", "kernel must be odd, not 2"),
        ("--height 0", "height must be at least 1, not 0"),
        ("--stride 0", "stride must be at least 1, not 0"),
    ],
)
def test_bad_options_are_one_sentence_exit_2_and_leave_nothing(
    refimpl, tmp_path, options, sentence
):
    status, out, err = refimpl(f"vectors {tmp_path}/set {SMALL} {options}")
    assert (status, out) == (2, "")
    assert_one_sentence(err, sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--layer conv9_1.conv1", "layer must be one of ResNet-50 with X-volution in conv3_x's"),
        (
            "--layer conv1 --network vgg",
            "network must be one of resnet34, resnet50, trained, not 'vgg'",
        ),
        ("--layer conv1 --stage conv7_x", "stage must be one of conv2_x, conv3_x, conv4_x, conv5"),
        ("--layer conv1 --image nobody", "image must be a file or one of astronaut, chelsea"),
    ],
)
def test_a_layer_that_there_is_not_is_one_sentence(refimpl, tmp_path, options, sentence):
    status, out, err = refimpl(f"vectors {tmp_path}/set {options}")
    assert (status, out) == (2, "")
    assert_one_sentence(err, sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--layer maxpool", "layer maxpool must be a convolution, an X-volution or linear"),
        ("--layer conv1 --crop 33", "crop must be from 1 to 32 for this layer, not 33"),
        ("--layer conv1 --crop 0", "crop must be from 1 to 32 for this layer, not 0"),
        ("--layer conv1 --side 99", "a photograph must be at least 99×99 pixels, not 40×40"),
    ],
)
def test_bad_layers_and_pictures_are_one_sentence(refimpl, tmp_path, options, sentence):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (40, 40), (9, 99, 199)).save(tmp_path / "plain.png")
    line = f"vectors {tmp_path}/set --network resnet34 --side 32 --image {tmp_path}/plain.png"
    status, _, err = refimpl(f"{line} {options}")
    assert status == 2
    assert_one_sentence(err, sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["plain.png"]


def test_an_existing_target_is_refused_and_untouched(refimpl, golden):
    before = contents(golden)
    status, _, err = refimpl(f"vectors {golden} {SMALL}")
    assert status == 2
    assert_one_sentence(err, "must not exist yet")
    assert contents(golden) == before


def test_a_missing_parent_is_refused(refimpl, tmp_path):
    status, _, err = refimpl(f"vectors {tmp_path}/no/where {SMALL}")
    assert status == 2
    assert_one_sentence(err, "must exist before a set is written into it")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(refimpl, tmp_path, monkeypatch):
    plain, calls = Path.write_bytes, []

    def write(path, content):
        calls.append(path)
        if len(calls) == 20:
            raise OSError(28, "No space left on device")
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    status, _, err = refimpl(f"vectors {tmp_path}/set {SMALL}")
    assert status == 2
    assert_one_sentence(err, "set could not be written: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_correct_device_passes_with_exit_0(refimpl, golden, device):
    status, out, err = refimpl(f"check {golden} {device}")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"ok    {INT8} output (output.npy): exact, 24 elements",
        f"ok    {FP32} output (output.npy): exact, 24 elements",
        "2 files of 2 cases: 0 wrong",
    ]


@pytest.mark.parametrize("kind", ["npy", "bin", "hex"])
def test_one_wrong_element_fails_with_exit_1_and_is_located(refimpl, golden, device, kind):
    place = device / INT8
    (place / "output.npy").unlink()
    y = np.load(golden / INT8 / "output.npy")
    wrong = y.copy()
    wrong[0, 1, 2, 0] ^= 1
    if kind == "npy":
        np.save(place / "output.npy", wrong)
    elif kind == "bin":
        wrong.tofile(place / "output.bin")
    else:
        lines = "".join(f"{value & 0xFF:02x}\n" for value in wrong.reshape(-1).tolist())
        (place / "output.hex").write_text("// from the simulator\n" + lines)
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 1
    before, after = int(y[0, 1, 2, 0]), int(wrong[0, 1, 2, 0])
    assert (
        f"WRONG {INT8} output (output.{kind}): wrong, 1 of 24 elements; first at [0, 1, 2, 0] "
        f"(word 18): must be {before} (0x{before & 0xFF:02x}), not {after} "
        f"(0x{after & 0xFF:02x}), 1 apart\n"
    ) in out
    assert out.endswith("2 files of 2 cases: 1 wrong\n")


def test_a_device_that_adds_in_another_order_is_within_bound(refimpl, golden, device, tmp_path):
    other = tmp_path / "other"
    order = "--order uvc --bias first --arithmetic fp32"
    refimpl(f"vectors {other} --operator pssa {SMALL} {order}")
    (reordered,) = other.glob(f"{FP32}-*")
    shutil.copy(reordered / "output.npy", device / FP32)
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 0
    assert f"ok    {FP32} output (output.npy): within bound, 24 elements," in out


def test_a_device_with_a_nan_fails(refimpl, golden, device):
    y = np.load(device / FP32 / "output.npy")
    y[0, 0, 0, 1] = np.nan
    np.save(device / FP32 / "output.npy", y)
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 1
    assert "first at [0, 0, 0, 1] (word 1)" in out
    assert "not nan (0x7fc00000)" in out


def test_a_wrong_stage_is_judged_before_the_output(refimpl, golden, device):
    stage = np.load(golden / INT8 / "accumulator.npy")
    stage[0, 0, 0, 0] += 1
    np.save(device / INT8 / "accumulator.npy", stage)
    status, out, _ = refimpl(f"check {golden} {device} --case {INT8}")
    assert status == 1
    verdicts = [line[:5] for line in out.splitlines() if not line.startswith(" ")]
    assert verdicts[:2] == ["WRONG", "ok   "]
    assert out.startswith(f"WRONG {INT8} accumulator (accumulator.npy): wrong, 1 of 24")


def test_undriven_bits_are_a_verdict_of_their_own(refimpl, golden, device):
    text = (golden / INT8 / "output.hex").read_text().split()
    text[3] = "xx"
    (device / INT8 / "output.hex").write_text("\n".join(text))
    status, out, _ = refimpl(f"check {golden} {device}")
    assert status == 1
    said = (
        f"WRONG {INT8} output (output.hex): unknown bits, 1 of 24 elements; first at [0, 0, 1, 0]"
    )
    assert said in out
    assert "not unknown (0xxx); 1 with bits that were never driven" in out


def test_verdicts_can_be_had_as_json(refimpl, golden, device, tmp_path):
    y = np.load(device / INT8 / "output.npy")
    y[0, 0, 1, 2] ^= 4
    np.save(device / INT8 / "output.npy", y)
    status, _, _ = refimpl(f"check {golden} {device} --json {tmp_path}/verdict.json")
    assert status == 1
    cases = json.loads((tmp_path / "verdict.json").read_text())["cases"]
    rows = [row for case in cases for row in case["verdicts"]]
    assert [case["first_bad_stage"] for case in cases] == ["output", None]
    assert [row["passed"] for row in rows] == [False, True]
    assert rows[0]["first"]["index"] == [0, 0, 1, 2]
    assert rows[0]["first"]["word"] == 5
    status, _, err = refimpl(f"check {golden} {device} --json {tmp_path}/no/verdict.json")
    assert status == 2
    assert_one_sentence(err, "verdict.json could not be written")


def _remove_output(golden, device):
    (device / INT8 / "output.npy").unlink()


def _short_binary(golden, device):
    (device / INT8 / "output.bin").write_bytes(b"\0" * 23)


def _short_npy(golden, device):
    path = device / INT8 / "output.npy"
    path.write_bytes(path.read_bytes()[:-3])


def _wrong_shape(golden, device):
    path = device / INT8 / "output.npy"
    np.save(path, np.load(path).reshape(-1))


def _pickle(golden, device):
    (device / INT8 / "output.npy").write_bytes(pickle.dumps({"x": 1}))


def _object_array(golden, device):
    np.save(device / INT8 / "output.npy", np.array([{}], object), allow_pickle=True)


def _link_outside(golden, device):
    (golden.parent / "elsewhere.npy").write_bytes(b"")
    (device / INT8 / "output.npy").unlink()
    (device / INT8 / "output.npy").symlink_to(golden.parent / "elsewhere.npy")


def _changed_golden(golden, device):
    path = golden / INT8 / "output.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def _manifest(change):
    def tamper(golden, device):
        manifest = json.loads((golden / "manifest.json").read_text())
        change(manifest)
        manifest["digest"] = seal(manifest)
        (golden / "manifest.json").write_text(json.dumps(manifest))

    return tamper


def _output_file(manifest):
    (tensor,) = (t for t in manifest["cases"][0]["tensors"] if t["role"] == "output")
    return tensor["files"][0]


UNUSABLE = {
    "no output": (_remove_output, "must hold " + INT8 + "/output.npy, .bin or .hex"),
    "short binary": (_short_binary, "must hold 24 words of 8 bits, 24 bytes, not 23"),
    "short npy": (_short_npy, "must be a complete .npy file"),
    "wrong shape": (_wrong_shape, "must hold int8 of shape (1, 2, 4, 3), not int8 (24,)"),
    "pickle": (_pickle, "must hold a plain array, not a pickled object"),
    "object array": (_object_array, "must hold a plain array, not a pickled object"),
    "link": (_link_outside, "output.npy must stay inside"),
    "golden changed": (_changed_golden, "must be what the manifest's size and SHA-256 say"),
    "wrong hash": (
        _manifest(lambda m: _output_file(m).update(sha256="0" * 64)),
        "must be what the manifest's size and SHA-256 say",
    ),
    "path outside": (
        _manifest(lambda m: _output_file(m).update(path="../device/x.npy")),
        "must stay inside the set's directory",
    ),
    "schema": (
        _manifest(lambda m: m.update(schema_version=9)),
        "schema_version must be 2, not 9: a newer refimpl wrote it",
    ),
    "no cases": (_manifest(lambda m: m.update(cases=[])), "cases must be right"),
    "words of another shape": (
        _manifest(lambda m: m["cases"][0]["tensors"][0].update(words=7)),
        "words must be",
    ),
    "layout of another rank": (
        _manifest(lambda m: m["cases"][0]["tensors"][0]["layout"].update(axes="c")),
        "must have as many axes as shape",
    ),
    "unknown key": (_manifest(lambda m: m.update(note="")), "note must not be there"),
    "no manifest": (lambda g, d: (g / "manifest.json").unlink(), "with a manifest.json"),
    "no device": (lambda g, d: shutil.rmtree(d), "must be a directory of a device's files"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_unusable_input_of_check_is_one_sentence_and_exit_2(refimpl, golden, device, what):
    spoil, sentence = UNUSABLE[what]
    spoil(golden, device)
    status, out, err = refimpl(f"check {golden} {device}")
    assert status == 2
    assert " wrong" not in out or "0 wrong, 1 unusable" in out
    assert_one_sentence(err, sentence)


def test_an_unknown_case_is_refused_by_naming_those_there_are(refimpl, golden, device):
    status, _, err = refimpl(f"check {golden} {device} --case nothing")
    assert status == 2
    assert_one_sentence(err, f"case must be one of {INT8}, {FP32}, not 'nothing'")


def test_a_case_may_be_named_without_its_digest(refimpl, tmp_path):
    out = tmp_path / "set"
    refimpl(f"vectors {out} --operator pssa {SMALL} --arithmetic int8 --rounding floor")
    (case,) = out.glob("pssa-*")
    for name in (case.name, INT8):
        status, said, _ = refimpl(f"check {out} {out} --case {name}")
        assert (status, f"ok    {case.name} output" in said) == (0, True)


def test_verify_notices_a_change_in_a_file_that_check_does_not_read(refimpl, golden, device):
    (golden / INT8 / "x.hex").write_text("00\n")
    assert refimpl(f"check {golden} {device}")[0] == 0
    status, _, err = refimpl(f"verify {golden}")
    assert status == 2
    assert_one_sentence(err, "x.hex must be what the manifest's size and SHA-256 say")


@pytest.mark.parametrize("command", ["", "vectors ", "check ", "verify ", "layers "])
def test_every_command_explains_itself(refimpl, command):
    status, out, _ = refimpl(f"{command}--help")
    assert status == 0
    assert "Usage: refimpl" in out


def test_the_installed_command_exits_2_with_one_line_and_no_traceback(tmp_path):
    command = [Path(sys.executable).with_name("refimpl"), "check", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert_one_sentence(done.stderr, "must be a set of vectors with a manifest.json")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--seed Capital", "seed must be 1 to 32 of a-z"),
        ("--seed ''", "seed must be 1 to 32 of a-z"),
        ("--height 100000 --channels 100000", "at most 134,217,728 numbers at once"),
        ("--outputs 100000000", "make batch, channels, outputs, height, width or kernel smaller"),
        ("--order bogus --arithmetic int8", "accumulation order must run over the loops c, u, v"),
        ("--layer conv1 --side 0", "side must be at least 1 pixel, not 0"),
        ("--layer conv1 --side -4", "side must be at least 1 pixel, not -4"),
    ],
)
def test_an_option_that_means_nothing_is_one_sentence(refimpl, tmp_path, options, sentence):
    status, _, err = refimpl(f"vectors {tmp_path / 'set'} {options}")
    assert status == 2
    assert_one_sentence(err, sentence)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("target", ["/proc/x", "n" * 300])
def test_a_target_the_file_system_refuses_is_one_sentence(refimpl, target):
    status, _, err = refimpl(f"vectors {target} --operator conv2d")
    assert status == 2
    assert_one_sentence(err, "could not be written")


def test_a_word_with_a_0x_prefix_is_unusable_not_undriven(refimpl, golden, device):
    path = device / INT8 / "output.npy"
    path.unlink()
    words = (golden / INT8 / "output.hex").read_text().split()
    (device / INT8 / "output.hex").write_text("\n".join(["0x" + words[0], *words[1:]]))
    status, _, err = refimpl(f"check {golden} {device} --case {INT8}")
    assert status == 2
    assert_one_sentence(err, "word 0 must be at most 2 hex digits")
