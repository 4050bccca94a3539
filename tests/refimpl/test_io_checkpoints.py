"""Checkpoints in and out: what is read is what was written, and a bad file is one sentence."""

import pickle
import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl import io
from refimpl.io import checkpoints

ml_dtypes = pytest.importorskip("ml_dtypes", reason="safetensors files need the onnx extra")
safetensors = pytest.importorskip("safetensors.numpy", reason="they need the onnx extra")

ARRAYS = {
    "b.w": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "a/half": np.array([1.5, -0.0], np.float16),
    "counter": np.array(7),
    "empty": np.zeros((0, 3)),
    "turned": np.arange(6.0).reshape(2, 3).T,
}
KINDS = pytest.mark.parametrize("kind", ["npz", "safetensors"])


def same(left, right):
    assert set(left) == set(right)
    for key, array in left.items():
        assert array.dtype == right[key].dtype
        np.testing.assert_array_equal(array, right[key])
        assert array.shape == right[key].shape


@KINDS
def test_what_is_read_is_what_was_written_and_twice_the_same_bytes(tmp_path, kind):
    first, again = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"
    io.write_checkpoint(first, ARRAYS, {"sites": [], "version": "1"})
    io.write_checkpoint(again, dict(reversed(ARRAYS.items())), {"version": "1", "sites": []})
    assert first.read_bytes() == again.read_bytes()
    same(io.read_checkpoint(first), ARRAYS)
    assert {path.name for path in tmp_path.iterdir()} == {first.name, again.name}


def test_others_read_what_we_write_and_we_read_what_they_write(tmp_path):
    io.write_checkpoint(tmp_path / "ours.npz", ARRAYS, {})
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        same({key: archive[key] for key in archive.files if key != "about.json"}, ARRAYS)
    io.write_checkpoint(tmp_path / "ours.safetensors", ARRAYS, {})
    same(safetensors.load_file(tmp_path / "ours.safetensors"), ARRAYS)
    np.savez_compressed(
        tmp_path / "theirs.npz", **{k.replace("/", "."): a for k, a in ARRAYS.items()}
    )
    assert set(io.read_checkpoint(tmp_path / "theirs.npz")) == {k.replace("/", ".") for k in ARRAYS}
    plain = {key: np.asarray(array, order="C") for key, array in ARRAYS.items()}
    safetensors.save_file(plain, tmp_path / "theirs.safetensors")
    same(io.read_checkpoint(tmp_path / "theirs.safetensors"), ARRAYS)


def test_bfloat16_lives_in_safetensors_and_not_in_npz(tmp_path):
    brain = {"w": np.array([1, 2.5, -3], ml_dtypes.bfloat16)}
    io.write_checkpoint(tmp_path / "w.safetensors", brain, {})
    same(io.read_checkpoint(tmp_path / "w.safetensors"), brain)
    with pytest.raises(io.UnusableError, match=r"numbers that .npz knows, not bfloat16: write \.s"):
        io.write_checkpoint(tmp_path / "w.npz", brain, {})
    assert not (tmp_path / "w.npz").exists()


def npz(**entries):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return packed.getvalue()


def npy(array, **options):
    content = BytesIO()
    np.lib.format.write_array(content, array, **options)
    return content.getvalue()


GOOD = npz(w=npy(np.ones(100)))
NPZ = "must be a whole .npz of plain arrays, none pickled"
SAFE = "must be a whole .safetensors file"
BAD = [
    ("empty.npz", b"", NPZ),
    ("text.npz", b"hello", NPZ),
    ("truncated.npz", GOOD[:-30], NPZ),
    ("cut.npz", npz(w=npy(np.ones(100))[:-8]), NPZ),
    ("flipped.npz", GOOD[:300] + bytes([GOOD[300] ^ 255]) + GOOD[301:], NPZ),
    ("pickled.npz", npz(w=npy(np.array([{}], object), allow_pickle=True)), NPZ),
    ("loose.npz", npz(w=pickle.dumps([1])), NPZ),
    ("none.npz", npz(), "must hold arrays, and holds none"),
    ("empty.safetensors", b"", SAFE),
    ("text.safetensors", b"hello, world", SAFE),
    ("truncated.safetensors", safetensors.save({"w": np.ones(9)})[:-1], SAFE),
    ("long.safetensors", struct.pack("<Q", 2**60) + b"{}", SAFE),
    ("none.safetensors", safetensors.save({}), "must hold arrays, and holds none"),
    ("w.pt", b"", r"must end in .npz or .safetensors; save a PyTorch model with safetensors.torch"),
    ("w.h5", b"", r"must end in .npz or .safetensors$"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), BAD, ids=[each[0] for each in BAD])
def test_a_bad_file_is_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(io.UnusableError, match=sentence) as error:
        io.read_checkpoint(tmp_path / name)
    assert name in str(error.value)


@KINDS
def test_a_file_that_is_not_there_is_one_sentence(tmp_path, kind):
    with pytest.raises(io.UnusableError, match=r"must be a readable checkpoint \(No such file"):
        io.read_checkpoint(tmp_path / f"nothing.{kind}")


def test_a_number_type_that_numpy_lacks_is_named(tmp_path):
    header = b'{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    content = struct.pack("<Q", len(header)) + header + b"\0"
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(io.UnusableError, match=r"w of .* must be of type F64, .* not F8_E4M3"):
        io.read_checkpoint(tmp_path / "w.safetensors")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    (tmp_path / "w.npz").write_bytes(GOOD)
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 900)
    with pytest.raises(io.UnusableError, match=r"must unpack to at most 900 bytes, not 928"):
        io.read_checkpoint(tmp_path / "w.npz")


@KINDS
@given(cut=st.integers(0, 400), flip=st.integers(0, 400), value=st.integers(1, 255))
@settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_file_with_a_byte_changed_or_its_end_missing_is_read_or_refused(
    tmp_path, kind, cut, flip, value
):
    path = tmp_path / f"w.{kind}"
    io.write_checkpoint(path, {"w": np.ones(3)}, {})
    content = bytearray(path.read_bytes())
    content[flip % len(content)] ^= value
    path.write_bytes(content[: len(content) - cut])
    try:
        io.read_checkpoint(path)
    except io.UnusableError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right


def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    (tmp_path / "w.safetensors").write_bytes(b"")
    with pytest.raises(io.UnusableError, match=r"pip install 'xvolution\[onnx\]'"):
        io.read_checkpoint(tmp_path / "w.safetensors")
    io.write_checkpoint(tmp_path / "w.npz", {"w": np.ones(1)}, {})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("there.npz", "must not exist yet: remove it, or name another file"),
        ("w.txt", r"must end in one of .npz, .safetensors, .onnx"),
        ("no/where/w.npz", "the directory .* must exist"),
    ],
)
def test_what_must_not_be_written_is_refused_before(tmp_path, name, sentence):
    (tmp_path / "there.npz").write_bytes(b"precious")
    with pytest.raises(io.UnusableError, match=sentence):
        io.must_take_checkpoint(tmp_path / name)
    assert (tmp_path / "there.npz").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("m.toml", "[keys", "must be TOML: "),
        ("m.json", "{", "must be JSON: "),
        ("m.json", "[" * 100_000, "must be JSON: "),
        ("m.yaml", "", r"must end in .toml or .json"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_one_sentence(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(io.UnusableError, match=sentence):
        io.read_mapping(tmp_path / name)


def test_toml_and_json_say_the_same(tmp_path):
    (tmp_path / "m.toml").write_text('[keys]\n"a.{i}" = "b/w_c"\n[sites."b"]\nstride = 2\n')
    (tmp_path / "m.json").write_text('{"keys": {"a.{i}": "b/w_c"}, "sites": {"b": {"stride": 2}}}')
    assert io.read_mapping(tmp_path / "m.toml") == io.read_mapping(tmp_path / "m.json")
