"""Words of a set as the device reads and leaves them."""

import os

import numpy as np
import pytest

from hwsim.rtl.sets import UNDRIVEN, Tensor, chosen, read_set
from refimpl import io
from refimpl.vectors.case import Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

ABOUT = About(command="", tool_version="0")


@pytest.fixture(params=["nchw", "nhwc"])
def golden(request, tmp_path):
    cases = random_cases(["conv2d"], Sizes(batch=1, height=3, width=4), Choices())
    files = set_files(
        cases, about=ABOUT, written=Written(layout=request.param, kinds=("npy", "hex"))
    )
    io.write_directory(tmp_path / "set", files)
    return tmp_path / "set"


def test_hex_words_are_read_in_logical_order(golden):
    for case in read_set(golden).values():
        if case.arithmetic == "int8":
            for name, tensor in case.tensors.items():
                expected = np.load(golden / case.id / f"{name}.npy")
                np.testing.assert_array_equal(tensor.read(), expected)


def test_what_is_written_has_the_bytes_of_the_set(golden):
    case = next(each for each in read_set(golden).values() if each.arithmetic == "int8")
    for name, tensor in case.results.items():
        text = (golden / case.id / f"{name}.hex").read_text("ascii")
        assert tensor.lines(tensor.read()) == text


def test_a_word_that_was_never_driven_has_x_digits(tmp_path):
    tensor = Tensor(
        name="y", role="output", shape=(3,), axes=(0,), bits=8, hex_file=tmp_path / "y.hex"
    )
    assert tensor.lines(np.array([255, UNDRIVEN, -2])) == "ff\nxx\nfe\n"


def test_words_of_a_wire_of_17_bits_are_read_and_left_as_they_are(tmp_path):
    choices = Choices(arithmetics=("int8",), declared={"product": "wide"})
    cases = random_cases(["shift_product"], Sizes(batch=1), choices)
    files = set_files(cases, about=ABOUT, written=Written(kinds=("npy", "hex")))
    io.write_directory(tmp_path / "set", files)
    (case,) = read_set(tmp_path / "set").values()
    tensor = case.results["wide_product"]
    expected = np.load(tmp_path / "set" / case.id / "wide_product.npy")
    np.testing.assert_array_equal(tensor.read(), expected)
    assert tensor.lines(expected) == tensor.hex_file.read_text("ascii")


def test_a_pipe_is_refused_and_nothing_waits_for_who_writes_to_it(golden, tmp_path):
    (tmp_path / "none").mkdir()
    os.mkfifo(tmp_path / "none" / "manifest.json")
    with pytest.raises(ValueError, match="must be a set of vectors with a manifest"):
        read_set(tmp_path / "none")
    tensor = next(iter(read_set(golden).values())).tensors["x"]
    tensor.hex_file.unlink()
    os.mkfifo(tensor.hex_file)
    with pytest.raises(OSError, match="not a regular file"):
        tensor.read()


def test_a_directory_that_is_no_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a set of vectors with a manifest"):
        read_set(tmp_path)


def test_a_set_without_hex_files_is_refused(tmp_path):
    cases = random_cases(["conv2d"], Sizes(batch=1), Choices(arithmetics=("int8",)))
    files = set_files(cases, about=ABOUT, written=Written(kinds=("npy",)))
    io.write_directory(tmp_path / "set", files)
    with pytest.raises(ValueError, match=r"must have a \.hex file"):
        read_set(tmp_path / "set")


def test_a_case_that_is_not_in_the_set_is_named(golden):
    with pytest.raises(ValueError, match="case must be one of"):
        chosen(read_set(golden), ("nothing",))


def test_a_layout_of_blocks_is_refused(tmp_path):
    cases = random_cases(["conv2d"], Sizes(batch=1), Choices(arithmetics=("int8",)))
    written = Written(layout="nchw4c", kinds=("npy", "hex"))
    io.write_directory(tmp_path / "set", set_files(cases, about=ABOUT, written=written))
    with pytest.raises(ValueError, match="layout must be a permutation of axes"):
        read_set(tmp_path / "set")
