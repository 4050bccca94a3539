"""Reading and writing: complete or absent, and one sentence for whatever is wrong."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl import io
from refimpl.vectors.case import Choices
from refimpl.vectors.files.readmem import UnknownBitsError
from refimpl.vectors.formats import FORMATS
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.manifest import Tensor, described, seal
from refimpl.vectors.physical import Physical
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, npy, set_files

CASES = random_cases(
    ["conv2d"], Sizes(batch=1, channels=1, outputs=2, height=2, width=3), Choices()
)
TENSOR = Tensor(
    name="output",
    role="output",
    format="int8",
    shape=(1, 2, 1, 2),
    files=(),
    **described(
        Physical(
            form=FORMATS["int8"],
            shape=(1, 2, 1, 2),
            layout=layout_for("nhwc", rank=4, kernel=False, element_bits=8),
        )
    ),
)


def files():
    return set_files(CASES, about=About(command="refimpl vectors SET", tool_version="0"))


@pytest.fixture
def golden(tmp_path):
    root = tmp_path / "set"
    io.write_directory(root, files())
    return root


def test_a_written_set_is_all_there_and_reads_back(golden):
    manifest = io.read_manifest(golden)
    listed = [file.path for case in manifest.cases for t in case.tensors for file in t.files]
    found = {str(path.relative_to(golden)) for path in golden.rglob("*") if path.is_file()}
    assert found == {*listed, "manifest.json"}
    assert io.verify_files(golden, manifest) == len(listed)
    for entry in manifest.cases:
        for tensor in entry.tensors:
            plain = np.load(golden / tensor.files[0].path, allow_pickle=False)
            for file in tensor.files:
                np.testing.assert_array_equal(io.read_tensor(golden, tensor, file.kind), plain)


def test_others_may_read_a_set_and_nothing_else_is_left_beside_it(golden):
    assert golden.stat().st_mode & 0o777 == 0o755
    assert list(golden.parent.iterdir()) == [golden]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), PermissionError(1, "no")]
)
def test_a_disk_that_refuses_half_way_leaves_nothing(tmp_path, monkeypatch, error):
    plain, calls = Path.write_bytes, []

    def write(path, content):
        calls.append(path)
        if len(calls) == 5:
            raise error
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(io.UnusableError, match=f"set could not be written: {error.strerror}"):
        io.write_directory(tmp_path / "set", files())
    assert len(calls) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_interruption_while_computing_leaves_nothing(tmp_path, error):
    def broken():
        for at, file in enumerate(files()):
            if at == 7:
                raise error
            yield file

    with pytest.raises(error):
        io.write_directory(tmp_path / "set", broken())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_target_is_refused_and_left_as_it_is(golden):
    before = {path: path.read_bytes() for path in golden.rglob("*") if path.is_file()}
    with pytest.raises(io.UnusableError, match="set must not exist yet: remove it, or name"):
        io.write_directory(golden, [("manifest.json", b"other")])
    assert {path: path.read_bytes() for path in golden.rglob("*") if path.is_file()} == before


def test_a_target_that_appears_while_writing_is_not_overwritten(tmp_path):
    target = tmp_path / "set"

    def slow():
        yield "a", b"ours"
        target.mkdir()
        (target / "a").write_bytes(b"theirs")
        yield "b", b"ours"

    with pytest.raises(io.UnusableError, match="set could not be written"):
        io.write_directory(target, slow())
    assert (target / "a").read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_a_parent_that_is_missing_or_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for parent in ("missing", "file"):
        with pytest.raises(io.UnusableError, match="must exist before a set is written into it"):
            io.write_directory(tmp_path / parent / "set", files())


def tampered(root, change):
    path = root / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest | {"digest": seal(manifest)}))


def first_file(manifest):
    return manifest["cases"][0]["tensors"][0]["files"][0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda m: m.update(schema_version=3),
            "schema_version must be 2, not 3: a newer refimpl wrote",
        ),
        (lambda m: m.update(schema_version=1), "schema_version must be 2, not 1: an older refimpl"),
        (
            lambda m: m.update(schema_version="2"),
            "schema_version must be the whole number 2, not '2'",
        ),
        (lambda m: m.update(comment=""), "comment must not be there: no such key"),
        (lambda m: m.pop("licence"), "licence must be there"),
        (lambda m: m.update(tool="other"), "tool must be right: "),
        (
            lambda m: first_file(m).update(path="../../etc/passwd"),
            r"cases\.0\.tensors\.0\.files\.0\.path must be right: .*must stay inside the set's",
        ),
        (lambda m: first_file(m).update(sha256="00"), r"sha256 must be right: "),
        (lambda m: m["cases"][0].update(id="../x"), r"cases\.0\.id must be right: "),
        (lambda m: m["cases"][0]["tensors"][0].update(format="fp7"), "format must be right: "),
    ],
)
def test_a_tampered_manifest_is_refused_with_where_and_why(golden, change, sentence):
    tampered(golden, change)
    with pytest.raises(io.UnusableError, match=sentence) as refusal:
        io.read_manifest(golden)
    assert "\n" not in str(refusal.value)


def test_a_manifest_that_changed_in_any_line_is_told_by_its_digest(golden):
    path = golden / "manifest.json"
    path.write_text(path.read_text().replace("refimpl vectors SET", "refimpl vectors OTHER"))
    with pytest.raises(io.UnusableError, match="digest must be that of the manifest; it has chang"):
        io.read_manifest(golden)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.update(words=7), "words must be"),
        (lambda t: t.update(dont_care=1), "dont_care must be 0 for"),
        (lambda t: t["layout"].update(name="HWCN", digits="h w c n"), "layout HWCN must say where"),
        (lambda t: t["layout"].update(digits="n c h"), "must cover axis w once"),
        (lambda t: t["layout"].update(axes="c"), "must have as many axes as shape"),
        (lambda t: t["layout"].update(word_of="0"), "layout NCHW must say where its elements lie"),
        (lambda t: t["files"][0].update(path="conv2d/x.npy"), "conv2d/x.npy must be called"),
        (lambda t: t.update(shape=[2**40, 2**40, 1, 1]), "must"),
    ],
)
def test_a_tensor_that_does_not_describe_one_array_is_refused(golden, change, sentence):
    tampered(golden, lambda manifest: change(manifest["cases"][0]["tensors"][0]))
    with pytest.raises(io.UnusableError, match=sentence):
        io.read_manifest(golden)


def test_two_cases_or_tensors_of_one_name_are_refused(golden):
    tampered(golden, lambda m: m["cases"].append(m["cases"][0]))
    with pytest.raises(io.UnusableError, match="cases must have ids of their own"):
        io.read_manifest(golden)


@pytest.mark.parametrize("depth", [2000, 200_000])
def test_a_manifest_nested_without_end_is_refused_in_one_sentence(golden, depth):
    (golden / "manifest.json").write_text('{"schema_version": 2, "cases": ' + "[" * depth)
    with pytest.raises(io.UnusableError, match="must be a manifest"):
        io.read_manifest(golden)


def test_a_file_that_the_manifest_does_not_list_is_told(golden):
    (golden / "extra.bin").write_bytes(b"")
    with pytest.raises(io.UnusableError, match=r"must hold no extra\.bin: its manifest does not"):
        io.verify_files(golden, io.read_manifest(golden))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"cases": 3}', "\x00", "\ud800"])
def test_a_manifest_that_is_none_is_refused_in_one_sentence(golden, text):
    (golden / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(io.UnusableError) as refusal:
        io.read_manifest(golden)
    assert "\n" not in str(refusal.value)


def test_a_directory_without_manifest_is_no_set(tmp_path):
    with pytest.raises(io.UnusableError, match=r"must be a set of vectors with a manifest\.json"):
        io.read_manifest(tmp_path)


def some_tensor(golden):
    tensor = io.read_manifest(golden).cases[0].tensors[0]
    return tensor, golden / tensor.files[0].path


def test_a_changed_file_is_told_by_its_hash(golden):
    tensor, path = some_tensor(golden)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(io.UnusableError, match=r"x\.npy must be what the manifest's size and SHA"):
        io.read_tensor(golden, tensor)
    with pytest.raises(io.UnusableError, match=r"x\.npy must be what the manifest's size and SHA"):
        io.verify_files(golden, io.read_manifest(golden))


def test_a_missing_file_is_told_by_name(golden):
    tensor, path = some_tensor(golden)
    path.unlink()
    with pytest.raises(io.UnusableError, match=r"must hold .*x\.npy, which its manifest lists"):
        io.read_tensor(golden, tensor)


def test_a_link_that_leads_outside_is_not_followed_even_to_the_same_bytes(golden, tmp_path):
    tensor, path = some_tensor(golden)
    path.rename(tmp_path / "outside.npy")
    path.symlink_to(tmp_path / "outside.npy")
    with pytest.raises(io.UnusableError, match=r"x\.npy must stay inside .*/set, not lead to"):
        io.read_tensor(golden, tensor)


def test_a_kind_the_manifest_does_not_list_is_refused(golden):
    tensor, _ = some_tensor(golden)
    with pytest.raises(io.UnusableError, match=r"the manifest must list a \.npz file of tensor x"):
        io.read_tensor(golden, tensor, "npz")


LOGICAL = np.array([[[[1, -2]], [[3, -128]]]], np.int8)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("npy", npy(LOGICAL)),
        ("npy", npy(np.asfortranarray(LOGICAL))),
        ("bin", bytes([1, 3, 254, 128])),
        ("hex", b"01 // first\n03\nfe\n80\n"),
        ("hex", b"1 3 FE 80"),
    ],
)
def test_a_devices_file_is_read_in_the_declared_layout(kind, raw):
    got = io.decode(raw, TENSOR, kind, "y")
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, LOGICAL)


@pytest.mark.parametrize(
    ("kind", "raw", "sentence"),
    [
        ("npy", b"", "y must be a complete .npy file"),
        ("npy", npy(LOGICAL)[:-1], "y must be a complete .npy file"),
        ("npy", npy(LOGICAL)[:20], "y must be a complete .npy file"),
        ("npy", b"not numpy at all", "y must be a complete .npy file"),
        ("npy", b"PK\x03\x04 an archive", "y must be a complete .npy file"),
        ("npy", pickle.dumps([1, 2]), "y must hold a plain array, not a pickled object"),
        ("npy", npy(LOGICAL[0]), r"y must hold int8 of shape \(1, 2, 1, 2\), not int8 \(2, 1, 2\)"),
        ("npy", npy(LOGICAL.astype(np.int32)), "y must hold int8 of shape .*, not int32"),
        ("bin", bytes(3), "y must hold 4 words of 8 bits, 4 bytes, not 3"),
        ("bin", bytes(5), "y must hold 4 words of 8 bits, 4 bytes, not 5"),
        ("hex", b"00 01 02", "y must hold 4 hex words, not 3"),
        ("hex", b"00 01 02 123", "y word 3 must be at most 2 hex digits, not '123'"),
        ("hex", b"00 01 02 \xff", "y must be plain text of hex words"),
    ],
)
def test_a_devices_unusable_file_is_refused_in_one_sentence(kind, raw, sentence):
    with pytest.raises(io.UnusableError, match=sentence) as refusal:
        io.decode(raw, TENSOR, kind, "y")
    assert "\n" not in str(refusal.value)


def test_an_object_array_is_refused_without_running_what_it_holds(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "run",))

    np.save(tmp_path / "y.npy", np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(io.UnusableError, match="must hold a plain array, not a pickled object"):
        io.read_device(tmp_path / "y.npy", "npy", TENSOR)
    assert not (tmp_path / "run").exists()


def test_undriven_bits_are_not_mistaken_for_an_unusable_file():
    with pytest.raises(
        UnknownBitsError, match=r"y must hold no x or z .* the first at \[0, 0, 0, 1\]"
    ):
        io.decode(b"00 01 xx 03", TENSOR, "hex", "y")


def array_or_sentence(raw, kind):
    try:
        return io.decode(raw, TENSOR, kind, "y")
    except (io.UnusableError, UnknownBitsError) as refusal:
        return str(refusal)


AND_NOTHING_AFTER = "y must be a complete .npy file, and nothing after it"


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("{'descr': '|i1', 'fortran_order': False, 'shape': (1000000000000000,)}", "of shape"),
        ("{'descr': '|i1', ((((", "y must be a complete .npy file"),
        ("{'descr': '|i1', 'fortran_order': False, 'shape': (2L, 3L)}", "complete .npy file"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "not a pickled object"),
    ],
)
def test_a_forged_npy_header_is_refused_before_it_is_believed(header, sentence):
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    assert sentence in array_or_sentence(raw, "npy")


@given(st.binary(max_size=200), st.sampled_from(["bin", "hex"]))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_a_tensor_or_one_sentence(raw, kind):
    got = array_or_sentence(raw, kind)
    assert "\n" not in got if isinstance(got, str) else got.shape == TENSOR.shape


@given(st.data())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_npy_payload_is_a_tensor_or_one_sentence(data):
    whole = npy(LOGICAL)
    cut = data.draw(st.integers(0, len(whole) + 8))
    raw = (whole + bytes(8))[:cut]
    got = array_or_sentence(raw, "npy")
    if cut < len(whole):
        assert got in {"y must be a complete .npy file", AND_NOTHING_AFTER}
    elif cut > len(whole):
        assert got == AND_NOTHING_AFTER
    else:
        np.testing.assert_array_equal(got, LOGICAL)


def test_a_device_directory_is_searched_for_all_kinds_and_links_outside_are_refused(tmp_path):
    device = tmp_path / "device"
    (device / "case").mkdir(parents=True)
    assert io.device_files(device, "case", "output") == []
    for kind in ("bin", "npy"):
        (device / "case" / f"output.{kind}").write_bytes(b"")
    assert [kind for _, kind in io.device_files(device, "case", "output")] == ["npy", "bin"]
    (tmp_path / "secret.hex").write_text("00")
    (device / "case" / "output.hex").symlink_to(tmp_path / "secret.hex")
    with pytest.raises(io.UnusableError, match=r"output\.hex must stay inside"):
        io.device_files(device, "case", "output")


def test_a_directory_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "y.bin").mkdir()
    with pytest.raises(io.UnusableError, match=r"y\.bin must be a readable file"):
        io.read_device(tmp_path / "y.bin", "bin", TENSOR)


def test_a_report_is_complete_or_absent(tmp_path, monkeypatch):
    io.write_text(tmp_path / "v.json", "{}")
    assert (tmp_path / "v.json").read_text() == "{}"
    with pytest.raises(io.UnusableError, match=r"v\.json could not be written: No such file"):
        io.write_text(tmp_path / "missing" / "v.json", "{}")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(io.UnusableError, match="No space left on device"):
        io.write_text(tmp_path / "v.json", '{"new": 1}')
    assert [path.name for path in tmp_path.iterdir()] == ["v.json"]
    assert (tmp_path / "v.json").read_text() == "{}"


def test_a_link_that_leads_nowhere_is_refused_by_its_name(tmp_path):
    (tmp_path / "output.npy").symlink_to("nowhere.npy")
    with pytest.raises(io.UnusableError, match=r"output.npy must lead to a file, not to .*nowhere"):
        io.device_files(tmp_path.parent, tmp_path.name, "output")
