"""A device's words in another order, ragged channels and all: named by the command."""

import numpy as np
import pytest

from refimpl import io

OPTIONS = "--operator conv2d --arithmetic int8 --channels 5 --outputs 18"


@pytest.mark.parametrize(
    ("how", "change", "says"),
    [
        (
            "--layout nchw16c --lanes 16",
            lambda words: words[:, ::-1],
            "the lanes of each word are in reverse; the first must be in the lowest bits",
        ),
        ("--layout nhwc --lanes 4", lambda w: np.roll(w, 1, 0), "the whole file is 1 word late"),
        ("--layout skew16 --lanes 16", lambda w: np.roll(w, -2, 0), "file is 2 words early"),
        ("--layout nchw16c --lanes 4", lambda w: w[::-1], "its words are in reverse order"),
    ],
)
def test_words_in_another_order_are_named(refimpl, tmp_path, how, change, says):
    golden = tmp_path / "golden"
    assert refimpl(f"vectors {golden} {OPTIONS} {how}")[0] == 0
    (entry,) = io.read_manifest(golden).cases
    of = next(each for each in entry.tensors if each.name == "output").physical
    words = np.fromfile(golden / entry.id / "output.bin", np.uint8).reshape(of.words, -1)
    device = tmp_path / "device" / entry.id
    device.mkdir(parents=True)
    turned = np.ascontiguousarray(change(words))
    turned.tofile(device / "output.bin")
    for kind in ("bin", "hex"):
        if kind == "hex":
            lines = (row[::-1].tobytes().hex() for row in turned)
            (device / "output.hex").write_text("\n".join(lines))
            (device / "output.bin").unlink()
        status, out, _ = refimpl(f"check {golden} {device.parent}")
        assert status == 1
        assert f"the file: {says}" in out or f"the file: the whole {says}" in out


@pytest.mark.parametrize(
    ("outputs", "change", "says"),
    [
        (18, lambda lines: [line[::-1] for line in lines], "the lanes of each word are in reverse"),
        (3, lambda lines: [line[::-1] for line in lines], "the lanes of each word are in reverse"),
        (18, lambda lines: ["xxxxxxxx", *lines[:-1]], "the whole file is 1 word late"),
    ],
)
def test_words_in_another_order_are_named_where_lanes_were_never_driven(
    refimpl, tmp_path, outputs, change, says
):
    golden = tmp_path / "golden"
    options = f"--operator conv2d --arithmetic int4 --channels 5 --outputs {outputs}"
    assert refimpl(f"vectors {golden} {options} --layout nchw8c --lanes 8")[0] == 0
    (entry,) = io.read_manifest(golden).cases
    words, masks = (
        (golden / entry.id / f"output.{kind}").read_text().split() for kind in ("hex", "mask.hex")
    )
    driven = [
        "".join("x" if never == "f" else digit for digit, never in zip(*each, strict=True))
        for each in zip(words, masks, strict=True)
    ]
    assert any("x" in word for word in driven)
    device = tmp_path / "device" / entry.id
    device.mkdir(parents=True)
    (device / "output.hex").write_text("\n".join(change(driven)))
    status, out, _ = refimpl(f"check {golden} {device.parent}")
    assert status == 1
    assert "that were never driven" in out
    assert f"the file: {says}" in out
