"""A set as files: every file is what the manifest says, and three kinds say the same."""

import json
from functools import cache
from hashlib import sha256
from io import BytesIO

import numpy as np
import pytest
from pydantic import ValidationError

from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import Choices
from refimpl.vectors.manifest import Manifest, VectorFile
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, case_files, npy, set_files

DTYPES = {"int8": np.int8, "int32": np.int32, "fp32": np.float32, "fp64": np.float64}
SIZES = Sizes(batch=1, channels=2, outputs=3, height=4, width=3)
CASES = random_cases(OPERATORS, SIZES, Choices())
layouts = pytest.mark.parametrize("layout", ["nchw", "nhwc"])


@cache
def written(layout="nchw", kinds=("npy", "bin", "hex")):
    return dict(
        set_files(
            CASES,
            about=About(command="refimpl vectors SET", tool_version="0"),
            written=Written(layout=layout, kinds=kinds),
        )
    )


def manifest_of(files):
    return json.loads(files["manifest.json"])


def tensors_of(files):
    return [tensor for case in manifest_of(files)["cases"] for tensor in case["tensors"]]


@layouts
def test_every_file_has_the_hash_and_size_of_the_manifest_and_no_file_is_unlisted(layout):
    files = written(layout)
    listed = {entry["path"]: entry for tensor in tensors_of(files) for entry in tensor["files"]}
    assert set(listed) | {"manifest.json"} == set(files)
    for path, entry in listed.items():
        assert sha256(files[path]).hexdigest() == entry["sha256"]
        assert len(files[path]) == entry["size_bytes"]


@layouts
def test_bin_and_hex_hold_the_array_of_the_npy_where_the_formula_says(layout):
    files = written(layout)
    for tensor in tensors_of(files):
        paths = {entry["kind"]: entry["path"] for entry in tensor["files"]}
        array = np.load(BytesIO(files[paths["npy"]]), allow_pickle=False)
        assert array.dtype == DTYPES[tensor["format"]]
        assert array.shape == tuple(tensor["shape"])
        assert array.size == tensor["words"]
        assert array.itemsize * 8 == tensor["word_bits"]
        if "hex" not in paths:
            assert tensor["role"] in {"reference", "bound"}
            continue
        raw, lines = files[paths["bin"]], files[paths["hex"]].decode().splitlines()
        assert len(raw) == array.nbytes
        assert len(lines) == array.size
        for index in np.ndindex(array.shape):
            word = _word(tensor["layout"], index, array.shape)
            own = raw[word * array.itemsize : (word + 1) * array.itemsize]
            assert own == array[index].tobytes()
            assert bytes.fromhex(lines[word])[::-1] == own


def _word(layout, index, shape):
    letters, formula = layout["axes"], layout["word_of"]
    names = dict(zip(letters, index, strict=True)) | dict(zip(letters.upper(), shape, strict=True))
    return eval(formula, {}, names)  # noqa: S307 - the manifest's formula, written by us


def test_a_case_lists_inputs_then_stages_in_order_of_computation_then_one_output():
    for case, entry in zip(CASES, manifest_of(written())["cases"], strict=True):
        roles = [tensor["role"] for tensor in entry["tensors"]]
        names = [tensor["name"] for tensor in entry["tensors"]]
        computed = stages(case)
        floats = ["reference", "bound"] if case.arithmetic == "fp32" else []
        assert names == [*case.tensors, *computed, *floats]
        assert roles.count("output") == 1
        assert roles[: len(case.tensors)] == ["input"] * len(case.tensors)
        assert names[roles.index("output")] == list(computed)[-1]


def test_the_manifest_says_all_that_decides_a_bit():
    for case, entry in zip(CASES, manifest_of(written())["cases"], strict=True):
        assert entry["attributes"] == case.attributes
        assert entry["stimulus"]["generator"] == "splitmix64-1"
        assert entry["arithmetic"]["name"] == case.arithmetic
        if case.arithmetic == "int8":
            assert "x_zero" in entry["attributes"]
            assert entry["arithmetic"]["requantisation"].startswith("half_up: floor(")
            if case.operator != "shift_product":  # which adds nothing up
                assert "wraps" in entry["arithmetic"]["accumulator"]
        elif case.operator != "shift_product":
            assert "R_fp32(w*x)" in entry["arithmetic"]["accumulation"]


def test_the_manifest_is_validated_and_names_command_licence_and_versions():
    manifest = Manifest.model_validate_json(written()["manifest.json"])
    assert manifest.command == "refimpl vectors SET"
    assert manifest.licence == "CC0-1.0"
    assert (manifest.schema_version, manifest.arithmetic_version) == (2, 2)


@pytest.mark.parametrize("where", [(), ("cases", 0), ("cases", 0, "tensors", 0)])
@pytest.mark.parametrize("change", ["unknown", "missing"])
def test_a_manifest_with_an_unknown_or_missing_key_is_refused(where, change):
    manifest = manifest_of(written())
    at = manifest
    for step in where:
        at = at[step]
    if change == "unknown":
        at["comment"] = "hello"
    else:
        at.pop({0: "tool", 2: "operator", 4: "layout"}[len(where)])
    with pytest.raises(ValidationError):
        Manifest.model_validate(manifest)


@pytest.mark.small
@pytest.mark.parametrize("path", ["../x.npy", "/etc/passwd", "a/../../x", "a\\x", "", "."])
def test_a_path_that_leaves_the_set_is_refused(path):
    with pytest.raises(ValidationError, match="a path must stay inside the set's directory"):
        VectorFile(kind="npy", path=path, sha256="0" * 64, size_bytes=0)


def test_kinds_of_file_may_be_fewer_but_never_without_npy():
    files = written(kinds=("npy", "hex"))
    assert {path.rpartition(".")[2] for path in files} == {"npy", "hex", "json"}
    for path in set(files) - {"manifest.json"}:
        assert files[path] == written()[path]
    for kinds in (("bin",), ("npy", "exe"), ()):
        with pytest.raises(ValueError, match="kinds of file must be npy, and of npy, bin, hex"):
            Written(kinds=kinds)


def test_a_npy_is_the_same_bytes_whatever_the_memory_order():
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    for other in (np.asfortranarray(array), array.astype(">i4"), np.repeat(array, 2, 0)[::2]):
        assert npy(other) == npy(array)
    assert npy(array)[:8] == b"\x93NUMPY\x01\x00"


def test_an_int8_case_has_no_bound_and_a_float_case_has_both_files():
    for case in CASES:
        entry, *_ = case_files(case, Written())
        roles = {tensor.role for tensor in entry.tensors}
        assert ({"reference", "bound"} <= roles) == (case.arithmetic == "fp32")
