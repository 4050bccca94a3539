"""Dumps with comments, addresses and underscores, in pieces: read as if they were read whole."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl import io
from refimpl.vectors.files.kinds import encode
from refimpl.vectors.files.readmem import UnknownBitsError, from_hex, in_order, runs_of
from refimpl.vectors.formats import FORMATS
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.manifest import Tensor, described, file_entry
from refimpl.vectors.physical import Physical

WORDS = st.from_regex(r"\A[0-9a-fA-F]_?[0-9a-fA-F]?\Z")
COMMENTS = st.sampled_from(["// a @3 /* b\n", "/* c // d\n 7f */", "/**/", "/* * / **/", "//\n"])
SPACES = st.sampled_from([" ", "\n", "\t", "\r\n", "  "])
ADDRESSES = st.integers(0, 40).map(lambda at: f"@{at:x}")
TEXTS = st.lists(st.one_of(WORDS, COMMENTS, ADDRESSES), max_size=30).flatmap(
    lambda parts: st.lists(SPACES, min_size=len(parts), max_size=len(parts)).map(
        lambda spaces: "".join(f"{part}{space}" for part, space in zip(parts, spaces, strict=True))
    )
)


def read_whole(text):
    """Words by address: all comments out at once, then one word after another."""
    placed, at = [], 0
    for token in re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL).split():
        if token.startswith("@"):
            at = int(token[1:], 16)
        else:
            placed.append((at, int(token.replace("_", ""), 16)))
            at += 1
    return placed


@pytest.mark.small
@given(text=TEXTS, sizes=st.lists(st.integers(1, 9), min_size=1))
@settings(deadline=None)
def test_pieces_of_any_size_give_the_words_of_the_whole(text, sizes):
    raw, pieces, at, turn = text.encode(), [], 0, 0
    while at < len(raw):
        size = sizes[turn % len(sizes)]
        pieces.append(raw[at : at + size])
        at, turn = at + size, turn + 1
    found = [
        (run.address + place, int(word))
        for run in runs_of(pieces, 8)
        for place, word in enumerate(run.words[:, 0])
    ]
    assert found == read_whole(text)


@pytest.mark.small
def test_what_is_written_twice_is_what_was_written_last():
    assert from_hex("00 xx 02 @1 01", 3, 8).tolist() == [[0], [1], [2]]
    with pytest.raises(UnknownBitsError, match="word 1 has bits that were never driven"):
        from_hex("00 01 02 @1 zx", 3, 8)


@pytest.mark.small
def test_words_in_order_are_told_from_others_and_from_too_few():
    def ordered(text):
        return in_order(runs_of([text.encode()], 8), 3)

    assert ordered("// 0\n@0 00 01 @2 02")
    assert not ordered("@2 02 @0 00 01")
    assert not ordered("00 @2 02")
    assert not ordered("00 01")
    assert not ordered("00 01 02 03")
    assert ordered("/* d */ 00 0x 1z")


def test_a_word_that_never_ends_is_refused_before_it_is_read_whole():
    def endless():
        while True:
            yield b"0" * 4096

    with pytest.raises(ValueError, match="a word must have at most 65536 characters"):
        next(runs_of(endless(), 8))


def tensor_of(root, array, lanes):
    layout = layout_for("nchw", rank=4, kernel=False, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=array.shape, layout=layout, lanes=lanes)
    (root / "case").mkdir()
    raw = encode("bin", array, of, "output")
    (root / "case" / "output.bin").write_bytes(raw)
    files = [file_entry("bin", "case/output.bin", raw)]
    fields = {"name": "output", "role": "output", "format": "int8", "shape": array.shape}
    return of, Tensor.model_validate({**fields, "files": files, **described(of)})


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("head", ["// 0x00000000\n", "@0\n", "/* dump\n of y */", "@0 // y\n"])
def test_a_simulators_dump_is_compared_in_bounded_memory_and_located(tmp_path, head, lanes):
    array = np.arange(600_000, dtype=np.int64).astype(np.int8).reshape(1, 6, 100, 1000)
    of, tensor = tensor_of(tmp_path, array, lanes)
    wrong = array.copy()
    wrong[0, 5, 99, 998] ^= 1
    for dumped, expected in ((array, 0), (wrong, 1)):
        path = tmp_path / "output.hex"
        path.write_bytes(head.encode() + encode("hex", dumped, of, ""))
        tracemalloc.start()
        found = io.compare_files(tmp_path, tensor, (path, "hex"), step=2**13)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (found.wrong, found.elements) == (expected, array.size)
        if expected:
            assert found.first.flat == array.size - 2
        assert peak < 2**24  # 600,000 Python strings alone are twice as much
