"""Files compared as streams: a planted bit is found in any kind and chunk, in bounded memory."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.stream import CASE, write
from refimpl import io
from refimpl.vectors.case import Choices
from refimpl.vectors.check import verdict_of
from refimpl.vectors.files.kinds import decode, encode
from refimpl.vectors.formats import bits_of
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

SIZES = Sizes(batch=1, channels=3, outputs=5, height=4, width=3)
FAMILIES = ["nchw", "nhwc", "nchw4c", "skew4"]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    made = {}
    for family in FAMILIES:
        for lanes in (1, 2):
            root = tmp_path_factory.mktemp("sets") / "golden"
            written = Written(layout=family, lanes=lanes)
            cases = random_cases(["conv2d", "shift_product"], SIZES, Choices(k_tile=8))
            about = About(command="c", tool_version="0")
            io.write_directory(root, set_files(cases, about=about, written=written))
            made[family, lanes] = (root, io.read_manifest(root))
    return made


@cache
def _golden(root, path):
    return (root / path).read_bytes()


@given(data=st.data())
@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_one_wrong_bit_planted_anywhere_is_found_and_located(roots, tmp_path, data):
    root, manifest = roots[data.draw(st.sampled_from(FAMILIES)), data.draw(st.sampled_from([1, 2]))]
    entry = data.draw(st.sampled_from(manifest.cases))
    stages = [each for each in entry.tensors if each.role in {"stage", "output"}]
    tensor = data.draw(st.sampled_from(stages))
    kind = data.draw(st.sampled_from(["npy", "bin", "hex"]))
    line = next(each for each in tensor.files if each.kind == kind)
    of = tensor.physical
    array = decode(kind, _golden(root, line.path), of)
    flat = data.draw(st.integers(0, array.size - 1))
    bit = data.draw(st.integers(0, of.form.bits - 1))
    wrong = np.array(array, order="C")
    wrong.reshape(-1).view(of.form.word)[flat] ^= np.array(1 << bit, of.form.word)
    path = tmp_path / f"{tensor.name}.{kind}"
    path.write_bytes(encode(kind, wrong, of, "y"))
    step = data.draw(st.sampled_from([1, 7, 64, 2**18]))
    found = io.compare_files(root, tensor, (path, kind), step=step)
    verdict = verdict_of(found, of, (entry.id, tensor.name, path.name), tiles={})
    assert (verdict.outcome, verdict.wrong) == ("wrong", 1)
    index = tuple(int(at) for at in np.unravel_index(flat, of.shape))
    assert verdict.first.index == index
    names = dict(zip(of.layout.letters, index, strict=True))
    names |= dict(zip(of.layout.letters.upper(), of.shape, strict=True))
    assert verdict.first.word == eval(of.word_of, {}, names)  # noqa: S307 - the manifest's
    assert verdict.first.lane == eval(of.lane_of, {}, names)  # noqa: S307 - the manifest's
    before, after = (int(bits_of(each, of.form).reshape(-1)[flat]) for each in (array, wrong))
    assert (int(verdict.first.expected_hex, 16), int(verdict.first.got_hex, 16)) == (before, after)


def test_bits_of_pad_lanes_are_nobodys_business(roots, tmp_path):
    root, manifest = roots["nchw4c", 2]
    tensor = next(each for each in manifest.cases[0].tensors if each.role == "output")
    of = tensor.physical
    mask = next(each for each in tensor.files if each.kind == "mask")
    raw = bytearray(_golden(root, f"{manifest.cases[0].id}/output.bin"))
    pads = decode("mask", _golden(root, mask.path), of).reshape(-1)
    assert pads.any()
    for at in np.flatnonzero(pads):
        raw[at] ^= int(pads[at])
    path = tmp_path / "output.bin"
    path.write_bytes(raw)
    assert io.compare_files(root, tensor, (path, "bin")).wrong == 0


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A set whose one output has 32 MB."""
    return write(tmp_path_factory.mktemp("large"), 32)


def peak_of(golden, device, kind):
    manifest = io.read_manifest(golden)
    (tensor,) = manifest.cases[0].tensors
    seen = []
    tracemalloc.start()
    found = io.compare_files(
        golden, tensor, (device / CASE / f"output.{kind}", kind), advance=seen.append
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(seen) == 2**25
    assert len(seen) > 100
    return found, peak


def test_a_large_file_is_checked_in_a_fraction_of_its_size_with_progress(large):
    golden, device = large
    found, peak = peak_of(golden, device, "bin")
    assert found.wrong == 0
    assert peak < 2**23  # a quarter of one file; the step, not the file, decides it


def test_the_last_byte_of_a_large_file_is_looked_at_and_a_late_change_of_the_golden_one(large):
    golden, device = large
    path = device / CASE / "output.bin"
    with path.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 128]))
    found, _ = peak_of(golden, device, "bin")
    assert (found.wrong, found.first.flat) == (1, 2**25 - 1)
    with (golden / CASE / "output.bin").open("r+b") as file:
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(io.UnusableError, match="must be what the manifest's size and SHA-256 say"):
        peak_of(golden, device, "bin")
