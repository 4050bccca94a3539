"""Released sets are frozen: bytes change only with a new arithmetic version."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from refimpl.vectors.manifest import ARITHMETIC_VERSION
from tests.refimpl.vectors.released.sets import committed, extended, hashes, list_of


def told(now, then):
    """What a changed byte is told as; a stage that is shown in addition changes none."""
    gone = sorted(set(then) - set(now))
    changed = sorted(path for path in set(now) & set(then) if now[path] != then[path])
    kinds = (("changed", changed), ("gone", gone))
    return [f"{what}: {', '.join(paths)}" for what, paths in kinds if paths]


def test_every_byte_of_a_released_set_is_as_it_was_or_the_arithmetic_version_is_new():
    assert list_of().exists(), (
        f"arithmetic version {ARITHMETIC_VERSION} is new: release it with "
        f"python -m tests.refimpl.vectors.released"
    )
    assert told(hashes(), committed()) == []


WIDER = {
    *(f"{which}_{stage}" for which in "qkv" for stage in ("accumulator", "biased")),
    *("scores", "context", "softmax_multiplier", "softmax_shift"),
}
"""Of attention in int16: sums that have 48 bits now, and a factor that goes with them."""


def test_version_2_gives_ids_of_their_own_and_changes_the_sums_of_int16_attention_alone():
    """Of a C header the names change: they begin with the id."""
    before, now = (
        {re.sub(r"-[0-9a-f]{8}(?=[/.])", "", path): sha for path, sha in committed(version).items()}
        for version in (1, 2)
    )
    sets = {path.partition("/")[0] for path in before}
    now = {path: sha for path, sha in now.items() if path.partition("/")[0] in sets}
    assert now.keys() == before.keys()
    assert len(now) == len(committed(1))
    moved = {path for path, sha in now.items() if sha != before[path]}
    named = {path for path in moved if Path(path).suffix == ".h"}
    assert all(path.startswith("chain/chain-1-") for path in named)
    attention = "widths/global-attention-int16-n1c3o2h5w4k3s1-0"
    assert moved - named == {f"{attention}/{name}.npy" for name in WIDER}


def test_one_changed_byte_is_told_by_its_path():
    then = committed()
    path = sorted(then)[3]
    now = {**then, path: "0" * 64}
    assert told(now, then) == [f"changed: {path}"]
    del now[path]
    assert told(now, then) == [f"gone: {path}"]


def test_a_list_is_extended_by_what_is_new_and_never_changed():
    then = committed()
    path = min(then)
    assert extended(then, {**then, "new/x.npy": "1"}) == {**then, "new/x.npy": "1"}
    for now in ({**then, path: "0"}, {each: then[each] for each in then if each != path}):
        with pytest.raises(ValueError, match=f"1 of its paths have other bytes, first {path}"):
            extended(then, now)


def test_every_path_of_the_released_sets_is_in_the_list():
    assert sorted(set(hashes()) - set(committed())) == []


def test_a_released_list_is_never_written_again():
    done = subprocess.run(
        [sys.executable, "-m", "tests.refimpl.vectors.released"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "its hashes stay as they are" in done.stderr
