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
