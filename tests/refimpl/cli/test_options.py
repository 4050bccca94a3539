"""No option is silently ignored: what nothing reads is refused, with what would read it."""

import numpy as np
import pytest
from typer.main import get_command

from refimpl.bitexact.operators import ALL_OPERATORS
from refimpl.cli import app
from refimpl.cli.options import CASES, DECLARED, READ_BY, SOURCES
from refimpl.vectors.case import Choices
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases

SMALL = "--batch 1 --channels 2 --outputs 2 --height 4 --width 3"
SOURCES_THEMSELVES = {"operator", "layer", "onnx", "chain", "dut"}
OF_ANY_SET = {"layout", "lanes", "kinds", "sequence", "help"}
CHOICES = {
    "rounding": {"rounding": "floor"},
    "order": {"order": "uvc"},
    "bias": {"bias_at": "first"},
    "k_tile": {"k_tile": 2},
    "im2col": {"im2col": "uvc"},
}


@pytest.fixture
def dut(tmp_path):
    path = tmp_path / "dut.toml"
    path.write_text(
        'name = "d"\n[tile]\nchannels = 1\noutputs = 1\npixels = 2\n[features]\n'
        'operators = ["conv2d"]\narithmetics = ["int8"]\nkernels = [1]\nstrides = [1]\n'
        "dilations = [1]\n"
    )
    return path


def test_every_option_is_one_that_the_table_knows():
    own = {each.name for each in get_command(app).commands["vectors"].params}
    assert own - {"out"} == set(READ_BY) | SOURCES_THEMSELVES | OF_ANY_SET - {"help"}
    assert {source for readers in READ_BY.values() for source in readers} == set(SOURCES)
    assert set(CASES) <= set(READ_BY)
    assert set(DECLARED) <= own


@pytest.mark.parametrize("option", CASES)
@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_a_case_is_another_one_exactly_where_it_reads_the_option(option, operator):
    sizes = Sizes(batch=1, channels=4, outputs=4, height=4, width=3)
    arithmetics = ("int8", "int4", "fp32", "bf16")
    plain = random_cases([operator], sizes, Choices(arithmetics=arithmetics))
    chosen = Choices(arithmetics=arithmetics, **CHOICES[option])
    for before, after in zip(plain, random_cases([operator], sizes, chosen), strict=True):
        one, other = (
            {name: array.tobytes() for name, array in stages(case).items()}
            for case in (before, after)
        )
        reads = CASES[option].reads(operator, before.arithmetic)
        assert (one != other, before.id != after.id) == (reads, reads), before.id


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--declare accumulator.bits=12", "as a field of [arithmetic]"),
        ("--rounding floor", "as features.roundings"),
        ("--rounding half_up", "as features.roundings"),
        ("--arithmetic bf16", "as features.arithmetics"),
        ("--layout nhwc", "as memory.layout"),
        ("--lanes 4", "as memory.lanes"),
        ("--order uvc", "as features.order"),
        ("--bias first", "as features.bias"),
        ("--kernel 5", "as features.kernels"),
        ("--stride 2", "as features.strides"),
        ("--height 9", "as tile.pixels"),
        ("--k-tile 3", "as tile.k"),
        ("--lanes 4 --operator conv2d", "as memory.lanes"),
    ],
)
def test_what_a_declaration_says_is_left_out_beside_it(refimpl, tmp_path, dut, options, sentence):
    status, _, err = refimpl(f"vectors {tmp_path}/set --dut {dut} {options}")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{options.split()[0]} must be left out with --dut: the declaration says it" in err
    assert sentence in err
    assert not (tmp_path / "set").exists()


def test_what_only_another_source_would_read_is_said_so(refimpl, tmp_path, dut):
    for options in (f"--dut {dut} --im2col uvc", f"--dut {dut} --crop 3", f"--dut {dut} --node c"):
        status, _, err = refimpl(f"vectors {tmp_path}/set {options}")
        assert status == 2
        assert "must be left out with --dut: only " in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--crop 3", "--crop must be left out with random inputs: only --layer of a ResNet, "),
        ("--side 32", "--side must be left out with random inputs: only --layer of a ResNet, "),
        ("--image astronaut", "--image must be left out with random inputs"),
        ("--network resnet34", "--network must be left out with random inputs"),
        ("--stage none", "--stage must be left out with random inputs: only --layer of a ResNet "),
        ("--node c", "--node must be left out with random inputs: only --onnx would read it"),
        ("--input x.npy", "--input must be left out with random inputs: only --onnx"),
        ("--chain conv2d,pssa --crop 3", "--crop must be left out with --chain: only --layer"),
        ("--onnx m.onnx --node c --input x.npy --seed 3", "--seed must be left out with --onnx"),
        ("--onnx m.onnx --node c --input x.npy --kernel 3", "only random inputs, --chain would"),
        ("--layer conv1 --channels 3", "--channels must be left out with --layer of a ResNet"),
        (
            "--network trained --layer fc --stage none",
            "--stage must be left out with --layer of --network trained: only --layer of a ResNet",
        ),
        ("--network trained --layer fc --seed 3", "--seed must be left out with --layer of --netw"),
        ("--arithmetic bf16 --rounding floor", "--rounding must be left out here, as no case"),
        ("--arithmetic bf16 --rounding half_up", "floats round as --declare accumulation.rounding"),
        ("--arithmetic int8 --order uvc", "integer accumulator's order is --declare accumulator.o"),
        ("--arithmetic int8 --bias first", "--bias must be left out here"),
        ("--operator shift_product --order uvc", "--order must be left out here"),
        ("--operator global_attention --bias last", "--bias must be left out here"),
        ("--operator batch_norm --k-tile 3", "--k-tile must be left out here, as no case reads it"),
        ("--operator conv2d_backward --im2col uvc", "one that convolves would"),
    ],
)
def test_an_option_that_nothing_reads_is_refused(refimpl, tmp_path, options, sentence):
    status, _, err = refimpl(f"vectors {tmp_path}/set {options}")
    assert (status, err.count("\n")) == (2, 1)
    assert sentence in err
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--sequence --files npy",
        "--seed 3",
        "--operator conv2d --arithmetic int8 --rounding floor --stride 2",
        f"--chain conv2d,pssa --arithmetic int8 {SMALL}",
    ],
)
def test_what_some_source_reads_is_taken_beside_a_declaration(refimpl, tmp_path, dut, options):
    status, _, err = refimpl(f"vectors {tmp_path}/set --dut {dut} {options}")
    assert (status, err) == (0, "")


def test_a_case_that_two_sources_ask_for_is_written_once(refimpl, tmp_path, dut):
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert refimpl(f"vectors {alone} --dut {dut} --files npy")[0] == 0
    same = "--batch 1 --channels 1 --outputs 1 --height 1 --width 5 --kernel 1"
    line = f"vectors {both} --dut {dut} --files npy --operator conv2d --arithmetic int8 {same}"
    status, _, err = refimpl(line)
    assert (status, err) == (0, "")
    ids = [{each.name for each in root.iterdir()} for root in (alone, both)]
    assert "conv2d-int8-n1c1o1h1w5k1s1-0" in ids[0]
    assert ids[0] == ids[1]
    assert refimpl(f"verify {both} --recompute")[0] == 0


@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_training_shows_tiles_and_columns_and_is_judged_by_them(refimpl, tmp_path, arithmetic):
    golden = tmp_path / "set"
    options = f"--operator xvolution_training --arithmetic {arithmetic} --k-tile 5 --im2col uvc"
    assert refimpl(f"vectors {golden} {SMALL} {options} --files npy")[0] == 0
    (case,) = (each for each in golden.iterdir() if each.is_dir())
    assert {"conv_columns", "attention_partial_sums"} <= {each.stem for each in case.iterdir()}
    assert refimpl(f"verify {golden} --recompute")[0] == 0
    assert refimpl(f"check {golden} {golden}")[0] == 0
    sums = np.load(case / "conv_partial_sums.npy")
    np.testing.assert_array_equal(sums[-1], np.load(case / "conv_accumulator.npy"))


def test_the_other_commands_refuse_likewise(refimpl, tmp_path):
    for line, sentence in (
        (f"designed {tmp_path}/d --operator conv2d.fp32 --rounding floor", "--rounding must be le"),
        ("coverage --covergroup c.sv --fail-under 0.5", "--fail-under must come with a set or"),
        (f"coverage {tmp_path} --hits log.txt", "coverage must be given a set or --hits, not both"),
    ):
        status, _, err = refimpl(line)
        assert (status, sentence in err) == (2, True), line


def test_a_kind_of_picture_needs_a_place_for_pictures(refimpl, tmp_path):
    golden = tmp_path / "set"
    options = "--operator shift_product --arithmetic int8 --files npy"
    assert refimpl(f"vectors {golden} {SMALL} {options}")[0] == 0
    status, _, err = refimpl(f"check {golden} {golden} --picture png")
    assert (status, "--picture must come with --pictures" in err) == (2, True)
