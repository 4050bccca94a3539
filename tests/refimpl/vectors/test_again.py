"""Forgeries of a set, resealed by a careful forger: each is found by writing the set again."""

import dataclasses
import json
import shutil
from hashlib import sha256

import numpy as np
import pytest

from refimpl import io
from refimpl.score.measure import covered
from refimpl.vectors.again import written_as
from refimpl.vectors.case import Choices
from refimpl.vectors.manifest import seal
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

KINDS = ("npy", "bin", "hex", "coe", "mif", "h", "npz", "vh")
INT8, FP32 = 0, 1


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A convolution in int8 and fp32, in every kind of file but ONNX, with pads and a sequence."""
    root = tmp_path_factory.mktemp("original") / "set"
    sizes = Sizes(batch=1, channels=3, outputs=5, height=4, width=3)
    files = set_files(
        random_cases(["conv2d"], sizes, Choices(k_tile=8)),
        about=About(command="refimpl vectors SET", tool_version="0"),
        written=Written(layout="nchw4c", lanes=2, kinds=KINDS),
        coverage=covered,
        sequencer=lambda entries, arrays: run_in_one_memory(entries, arrays, plan=Plan()),
    )
    io.write_directory(root, files)
    return root


@pytest.fixture
def forger(original, tmp_path):
    return Forger(shutil.copytree(original, tmp_path / "set"))


class Forger:
    """Changes a set and mends its manifest, so that every hash and the seal hold."""

    def __init__(self, root):
        self.root = root
        self.document = json.loads((root / "manifest.json").read_text())

    def case(self, number):
        return self.document["cases"][number]

    def tensor(self, number, name):
        return next(each for each in self.case(number)["tensors"] if each["name"] == name)

    def lines(self, node):
        if isinstance(node, dict) and "sha256" in node and "path" in node:
            yield node
        elif isinstance(node, dict | list):
            for inner in node.values() if isinstance(node, dict) else node:
                yield from self.lines(inner)

    def rewrite(self, path, raw):
        (self.root / path).write_bytes(raw)
        for line in self.lines(self.document):
            if line["path"] == path:
                line.update(sha256=sha256(raw).hexdigest(), size_bytes=len(raw))

    def flip(self, path, at=-2):
        raw = bytearray((self.root / path).read_bytes())
        raw[at] = raw[at] ^ 1 if raw[at] not in b"9f" else ord("0")
        self.rewrite(path, bytes(raw))

    def file(self, number, name):
        return f"{self.case(number)['id']}/{name}"

    def remove(self, number, names):
        for name in names:
            for line in self.tensor(number, name)["files"]:
                (self.root / line["path"]).unlink()
        tensors = self.case(number)["tensors"]
        self.case(number)["tensors"] = [each for each in tensors if each["name"] not in names]

    def verdict(self):
        self.document["digest"] = seal(self.document)
        (self.root / "manifest.json").write_text(json.dumps(self.document))
        manifest = io.read_manifest(self.root)
        io.verify_files(self.root, manifest)  # the forgery is a careful one
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller matches
            io.recompute(self.root, manifest, coverage=covered)
        assert "\n" not in str(caught.value)
        return str(caught.value)


def test_the_original_is_what_it_must_be(original):
    manifest = io.read_manifest(original)
    io.verify_files(original, manifest)
    io.recompute(original, manifest, coverage=covered)


@pytest.mark.parametrize("kind", ["npy", "bin", "hex", "mask.hex", "coe", "mif", "h"])
@pytest.mark.parametrize("tensor", ["output", "accumulator", "x", "w"])
def test_a_file_of_any_kind_of_a_tensor(forger, tensor, kind):
    name = forger.file(INT8, f"{tensor}.{kind}")
    forger.flip(name, at={"mif": -7, "h": -6, "coe": -3}.get(kind, -2))
    said = forger.verdict()
    if kind == "npy":  # of an input, another call: what follows from it is not what is there
        assert "(computed again): wrong" in said
    else:
        assert name in said


@pytest.mark.parametrize("kind", ["npz", "vh"])
def test_a_file_of_a_case(forger, kind):
    name = forger.file(INT8, f"{forger.case(INT8)['id']}.{kind}")
    forger.flip(name)
    assert f"{name} must be what is written of the case's inputs" in forger.verdict()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["bin", "hex"])
def test_an_image_of_a_sequence(forger, when, kind):
    step = forger.document["sequences"][0]["steps"][1]["id"]
    name = f"sequence/{step}/{when}.{kind}"
    forger.flip(name)
    assert f"{name} must be what is written" in forger.verdict()


@pytest.mark.parametrize("name", ["bound", "reference"])
def test_a_bound_that_lets_everything_pass(forger, name):
    path = forger.file(FP32, f"{name}.npy")
    loose = np.full_like(np.load(forger.root / path), 1e30)
    np.save(forger.root / path, loose)
    forger.rewrite(path, (forger.root / path).read_bytes())
    assert f"{name} (computed again): wrong" in forger.verdict()


def _role(name, role):
    return lambda forger: forger.tensor(INT8, name).update(role=role)


def _arithmetic(forger):
    forger.case(INT8)["arithmetic"]["requantisation"] = "truncated"


def _coverage(forger):
    forger.case(INT8)["coverage"].append("out-of-bounds")


def _less_coverage(forger):
    forger.case(INT8)["coverage"].pop(0)


def _bound_class(forger):
    forger.case(FP32)["arithmetic"]["bound_class"] = "anything goes"


def _only_outputs(forger):
    stages = [t["name"] for t in forger.case(INT8)["tensors"] if t["role"] == "stage"]
    forger.remove(INT8, stages)


def _one_kind_less(forger):
    files = forger.tensor(INT8, "output")["files"]
    line = next(each for each in files if each["kind"] == "hex")
    files.remove(line)
    (forger.root / line["path"]).unlink()


def _order(forger):
    forger.case(INT8)["tensors"].reverse()


def _policy(forger):
    forger.case(INT8)["policy"]["minus_zero"] = "equal"


def _attributes(forger):
    forger.case(INT8)["attributes"]["rounding"] = "floor"


def _stalls(forger):
    forger.document["sequences"][0]["steps"][0]["valid"] = "1"


def _fewer_steps(forger):
    step = forger.document["sequences"][0]["steps"].pop()
    shutil.rmtree(forger.root / "sequence" / step["id"])


def _guard(forger):
    forger.document["sequences"][0]["guard"] = "00000000"


def _licence(forger):
    forger.document["licence"] = "proprietary"


def _provenance(forger):
    forger.document["provenance"] = [{"image": "mine"}]


def _version(forger):
    forger.document["arithmetic_version"] = 99


FORGERIES = {
    "output called a stage": (_role("output", "stage"), "output role must be 'output', not"),
    "padded called the output": (_role("padded", "output"), "padded role must be 'stage', not"),
    "arithmetic": (_arithmetic, "arithmetic.requantisation must be"),
    "bound class": (_bound_class, "arithmetic.bound_class must be"),
    "coverage": (_coverage, "coverage must not hold 'out-of-bounds'"),
    "less coverage": (_less_coverage, "coverage must hold"),
    "intermediate stages removed": (_only_outputs, "must list its stage padded"),
    "a kind removed": (_one_kind_less, "must have a file"),
    "order of tensors": (_order, "must list its tensors in the order"),
    "policy": (_policy, "policy.minus_zero must be"),
    "attributes": (_attributes, "computed again): wrong"),
    "stalls": (_stalls, "valid must be"),
    "steps": (_fewer_steps, "steps must hold"),
    "guard": (_guard, "guard must be 'deadc0de'"),
    "licence": (_licence, "licence must be 'CC0-1.0'"),
    "provenance": (_provenance, "provenance must not hold"),
    "arithmetic version": (_version, "arithmetic_version must be 2, not 99"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_line_of_the_manifest(forger, what):
    forge, sentence = FORGERIES[what]
    forge(forger)
    assert sentence in forger.verdict()


def test_a_tensor_that_lies_otherwise(forger, original, tmp_path):
    """One tensor rewritten in another layout, all of it consistent with itself."""
    manifest = io.read_manifest(original)
    entry = manifest.cases[INT8]
    other = tmp_path / "other"
    plain = set_files(
        random_cases(
            ["conv2d"],
            Sizes(batch=1, channels=3, outputs=5, height=4, width=3),
            Choices(k_tile=8, arithmetics=("int8",)),
        ),
        about=About(command="refimpl vectors SET", tool_version="0"),
        written=Written(layout="nhwc", lanes=2, kinds=KINDS),
    )
    io.write_directory(other, plain)
    theirs = json.loads((other / "manifest.json").read_text())["cases"][0]
    tensor = next(each for each in theirs["tensors"] if each["name"] == "accumulator")
    for line in forger.tensor(INT8, "accumulator")["files"]:
        (forger.root / line["path"]).unlink()
    for line in tensor["files"]:
        shutil.copy(other / line["path"], forger.root / line["path"])
    forger.tensor(INT8, "accumulator").update(tensor)
    assert f"{entry.id} accumulator layout.name must be 'NCHW4c', not 'NHWC'" in forger.verdict()


def test_an_id_whose_digest_is_another(forger):
    old = forger.case(INT8)["id"]
    new = old[:-1] + ("0" if old[-1] != "0" else "1")
    text = json.dumps(forger.document).replace(old, new)
    forger.document = json.loads(text)
    for place in sorted(forger.root.rglob(f"*{old}*"), reverse=True):
        place.rename(place.with_name(place.name.replace(old, new)))
    assert f"{new} must end in {old[-8:]}, the digest of its call" in forger.verdict()


@pytest.mark.parametrize("layout", ["nchw", "nhwc", "nchw4c", "nc1hwc0", "skew8"])
@pytest.mark.parametrize("operator", ["conv2d", "pssa_backward", "batch_norm"])
def test_how_a_set_was_written_is_read_off_its_manifest(tmp_path, layout, operator):
    choices = Choices(arithmetics=("int8", "bf16", "int4"))
    cases = random_cases([operator], Sizes(batch=1, height=3, width=3), choices)
    how = Written(layout=layout, lanes=2, kinds=("npy", "hex"))
    about = About(command="refimpl vectors SET", tool_version="0")
    io.write_directory(tmp_path / "set", set_files(cases, about=about, written=how))
    manifest = io.read_manifest(tmp_path / "set")
    assert dataclasses.asdict(written_as(manifest)) == dataclasses.asdict(how)
    io.recompute(tmp_path / "set", manifest)


@pytest.mark.parametrize("strange", [None, "", "int8", {}, [], 2**70, 1e308])
@pytest.mark.parametrize("name", ["y_zero", "x_zero", "stride", "padding", "rounding"])
def test_attributes_that_describe_no_call_are_refused_in_a_sentence(forger, name, strange):
    forger.case(INT8)["attributes"][name] = strange
    forger.verdict()
