"""Sets and devices' files mutated at random: no traceback, no hang, one sentence, no false pass.

``make fuzz`` runs thousands of these (VECTORS_FUZZ); ``make test`` a few.
"""

import json
import os
import random
import shutil
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refimpl import io
from refimpl.vectors.case import Choices
from refimpl.vectors.files.readmem import UnknownBitsError
from refimpl.vectors.formats import FORMATS, values_of
from refimpl.vectors.manifest import seal
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, bound_names, set_files

EXAMPLES = int(os.environ.get("VECTORS_FUZZ", "150"))
SIZES = Sizes(batch=1, channels=2, outputs=2, height=3, width=3)


SHOWN = {"pssa_backward": "product", "shift_product": "shifted"}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A small set with every kind of file and a sequence, and a device with one wrong bit.

    One operator in integers and floats, one with several outputs, in a narrow format, and one whose
    output is a wire of 17 bits.
    """
    root = tmp_path_factory.mktemp("original")
    cases = random_cases(["conv2d"], SIZES, Choices())
    cases += random_cases(["pssa_backward"], SIZES, Choices(arithmetics=("bf16",)))
    wide = Choices(arithmetics=("int8",), declared={"product": "wide"})
    cases += random_cases(["shift_product"], SIZES, wide)
    files = set_files(
        cases,
        about=About(command="refimpl vectors SET", tool_version="0"),
        written=Written(layout="nchw4c", lanes=2),
        sequencer=lambda entries, arrays: run_in_one_memory(entries, arrays, plan=Plan()),
    )
    io.write_directory(root / "golden", files)
    manifest = io.read_manifest(root / "golden")
    for entry in manifest.cases:
        place = root / "device" / entry.id
        place.mkdir(parents=True)
        for tensor in entry.tensors:
            if tensor.role == "output":
                for kind in ("npy", "bin", "hex"):
                    shutil.copy(root / "golden" / entry.id / f"{tensor.name}.{kind}", place)
        stage = SHOWN.get(entry.operator, "accumulator")
        shutil.copy(root / "golden" / entry.id / f"{stage}.npy", place)
    for sequence in manifest.sequences:
        shutil.copytree(root / "golden" / sequence.id, root / "device" / sequence.id)
    shutil.copytree(root / "device", root / "wrong")
    output = root / "wrong" / manifest.cases[0].id / "output.npy"
    array = np.load(output)
    array[0, 1, 1, 1] ^= 64
    np.save(output, array)
    return root


def flip(rng, path, raw):
    at = rng.randrange(len(raw) or 1)
    return raw[:at] + bytes([(raw[at] if raw else 0) ^ 1 << rng.randrange(8)]) + raw[at + 1 :]


def cut(rng, path, raw):
    return raw[: rng.randrange(len(raw) + 1)]


def append(rng, path, raw):
    return raw + rng.randbytes(rng.randrange(1, 9))


def shuffle(rng, path, raw):
    lines = raw.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def noise(rng, path, raw):
    return rng.randbytes(rng.randrange(200))


def insert(rng, path, raw):
    at = rng.randrange(len(raw) + 1)
    word = rng.choice([b"xx", b"\n", b" ", b"@7\n", b"-1", b"\xff\xfe", b"0x", b"//", b"[" * 5000])
    return raw[:at] + word + raw[at:]


def value(rng, path, raw):
    """One value of a JSON file, or of any text, replaced by something strange."""
    try:
        document = json.loads(raw)
    except ValueError:
        return flip(rng, path, raw)
    holder = document if isinstance(document, dict | list) else {}
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = rng.choice(keys)
        inner = holder[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            holder = inner
            continue
        if isinstance(holder, dict) and rng.random() < 0.2:
            del holder[key]
        else:
            strange = [None, -1, 0, 2**70, "", "../x", [], {}, 1e308, True, "é", [[[]]], "int8"]
            holder[key] = rng.choice(strange)
        break
    if rng.random() < 0.7 and isinstance(document, dict):
        document["digest"] = seal(document)  # a careful forger
    return json.dumps(document).encode()


CONTENTS = [flip, cut, append, shuffle, noise, insert, value]


def rewrite(path, content):
    """Write a file anew: it may be a hard link to the original."""
    path.unlink()
    path.write_bytes(content)


STRANGE = [
    lambda root, path: path.symlink_to(root / "outside" / path.name),
    lambda root, path: path.symlink_to("/dev/zero"),
    lambda root, path: path.symlink_to(path.name),
    lambda root, path: path.symlink_to("."),
    lambda root, path: os.mkfifo(path),
    lambda root, path: path.mkdir(),
]


def mutate(rng, root, only):
    """Change one file or name under a directory; the manifest more often than others."""
    files = sorted(path for path in (root / only).rglob("*") if path.is_file())
    manifest = root / only / "manifest.json"
    path = manifest if manifest in files and rng.random() < 0.4 else rng.choice(files)
    kind = rng.random()
    if kind < 0.7:
        rewrite(path, rng.choice(CONTENTS)(rng, path, path.read_bytes()))
    elif kind < 0.8:
        other = rng.choice(files)
        mine, theirs = path.read_bytes(), other.read_bytes()
        rewrite(path, theirs)
        rewrite(other, mine)
    elif kind < 0.86:
        path.unlink()
    elif kind < 0.94:
        path.unlink()
        rng.choice(STRANGE)(root, path)
    else:
        path.rename(path.with_name(path.name + "x"))


def outcome(root, device):
    """What check would exit with: 0, 1, or 2 with its sentence."""
    try:
        manifest = io.read_manifest(root / "golden")
        court = io.Court(
            golden=root / "golden",
            device=root / device,
            manifest=manifest,
            dut=io.dut_of(manifest.device),
        )
        reports = [io.judge_case(court, entry) for entry in manifest.cases]
        reports += [io.judge_sequence(court, each) for each in manifest.sequences]
    except ValueError as error:
        return 2, str(error)
    errors = [error for report in reports for error in report.errors]
    if errors:
        return 2, "; ".join(errors)
    return int(any(report.wrong for report in reports)), ""


def copies(original, folder):
    root = Path(tempfile.mkdtemp(dir=folder))
    for name in ("golden", "device", "wrong"):
        shutil.copytree(original / name, root / name, copy_function=os.link)
    (root / "outside").mkdir()
    return root


def near(original, entry, tensor, got):
    """Whether a float output is within its bound: then other bits may stand."""
    if tensor.role != "output" or not FORMATS[tensor.format].floating:
        return False
    place, names = original / "golden" / entry.id, bound_names(entry.operator, tensor.name)
    reference, bound = (np.load(place / f"{name}.npy") for name in names)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values_of(got, FORMATS[tensor.format]) - reference) <= bound).all())


def right(original, root, device):
    """Whether a device's outputs and memories are the original golden ones, by any kind."""
    manifest = io.read_manifest(original / "golden")
    for entry in manifest.cases:
        for tensor in entry.tensors:
            if tensor.role not in {"stage", "output"}:
                continue
            for path, kind in io.device_files(root / device, entry.id, tensor.name):
                try:
                    got = io.read_device(path, kind, tensor)
                except (ValueError, UnknownBitsError):
                    return False
                expected = io.read_tensor(original / "golden", tensor)
                if got.tobytes() != expected.tobytes() and not near(original, entry, tensor, got):
                    return False
    return True


@pytest.mark.parametrize("where", ["golden", "device", "wrong"])
@given(seed=st.integers(0, 2**48))
@settings(
    deadline=None,
    max_examples=EXAMPLES // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_mutated_set_or_device_is_judged_or_refused_and_never_passes_wrongly(
    original, tmp_path, where, seed
):
    rng = random.Random(seed)  # noqa: S311 - a test
    root = copies(original, tmp_path)
    for _ in range(rng.randint(1, 3)):
        mutate(rng, root, where)
    for device in ("device", "wrong"):
        status, sentence = outcome(root, device)
        assert "\n" not in sentence
        assert (status == 2) == bool(sentence)
        if status == 0:  # then the device must really be right
            assert right(original, root, device)
    assert list((root / "outside").iterdir()) == []
    shutil.rmtree(root)


def reseal(root):
    """What a careful forger does: every hash of the manifest that of the file, and the seal."""
    manifest = root / "golden" / "manifest.json"
    if manifest.is_symlink() or not manifest.is_file():
        return
    document = json.loads(manifest.read_text())
    for line in lines(document):
        path = root / "golden" / line["path"]
        if path.is_file() and not path.is_symlink():
            raw = path.read_bytes()
            line.update(sha256=sha256(raw).hexdigest(), size_bytes=len(raw))
    document["digest"] = seal(document)
    rewrite(manifest, json.dumps(document).encode())


def lines(node):
    if isinstance(node, dict) and "sha256" in node and isinstance(node.get("path"), str):
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from lines(inner)


def computable(root):
    """A manifest without what is taken on trust; attributes are judged by what they compute."""
    document = json.loads((root / "golden" / "manifest.json").read_text())
    for key in ("command", "tool_version", "device", "excluded", "digest"):
        del document[key]
    for case in document["cases"]:
        del case["stimulus"], case["attributes"]
    return document


@given(seed=st.integers(0, 2**48))
@settings(
    deadline=None,
    max_examples=EXAMPLES // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_forged_and_resealed_set_is_never_what_would_be_written(original, tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311 - a test
    root = copies(original, tmp_path)
    for _ in range(rng.randint(1, 2)):
        mutate(rng, root, "golden")
    with suppress(OSError, ValueError, TypeError, AttributeError, RuntimeError):
        reseal(root)  # a manifest that is no object cannot be
    try:
        manifest = io.read_manifest(root / "golden")
        io.verify_files(root / "golden", manifest)
        io.recompute(root / "golden", manifest)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert computable(root) == computable(original)
    assert "\n" not in sentence
    shutil.rmtree(root)


def test_the_originals_are_what_they_are_said_to_be(original, tmp_path):
    root = copies(original, tmp_path)
    assert outcome(root, "device") == (0, "")
    assert outcome(root, "wrong") == (1, "")
    assert right(original, Path(root), "device")
    assert not right(original, Path(root), "wrong")
