"""The main job, as `make demo` does it, on a smaller input and of some claims.

Where DEMO names what `make demo` wrote, that is held to the same, with every claim.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hwsim
from proofs.catalogue import select
from refimpl import io
from refimpl.vectors.diagnose import MOST_PRODUCTS

ROOT = Path(__file__).parents[2]
DEMO = os.environ.get("DEMO")
IMAGE = "coffee" if DEMO is None else "astronaut"
SOME = () if DEMO else ("*degree*", "*-adds-no-*", "A5.1", "A8.1", "A12.1")


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    if DEMO is not None:
        return Path(DEMO), None
    out = tmp_path_factory.mktemp("demo") / "out"
    claims = [word for each in SOME for word in ("--claim", each)]
    smaller = ("--image", IMAGE, "--side", "64", "--crop", "4", *claims)
    result = demo(*smaller, "--out", str(out))
    assert result.returncode == 0, result.stderr
    return out, result.stdout


@pytest.fixture(scope="module")
def page(done):
    return (done[0] / "index.html").read_text(encoding="utf-8")


def test_it_says_what_it_is_doing_and_where_the_page_is(done):
    out, said = done
    if said is None:
        pytest.skip("it was said when `make demo` ran")
    assert said.count("== ") == 6
    assert f"open {out / 'index.html'}" in said


def test_the_page_needs_no_network(page):
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)


def test_the_page_shows_the_photograph_and_the_maps_before_and_after(page):
    assert page.count("data:image/png;base64,") == 1 + 16 + 3 * 5
    assert f"scikit-image: {IMAGE}" in page


def test_fusing_changed_no_answer_of_the_trained_network(page):
    assert re.search(r'changed <b class="good">0</b> of its answers', page)
    (before, after) = re.findall(r"<b>([\d.]+) %</b>", page)
    assert before == after
    assert float(before) > 3 * 100 / 16


def test_every_claim_is_on_the_page_with_its_verdict(page):
    chosen = {claim.id for claim in select(SOME)}
    shown = {claim.id for claim in select(()) if f"<b>{claim.id}</b>" in page}
    assert shown == chosen
    assert "SURPRISE" not in page


def test_the_page_shows_the_cost_of_four_forms_on_three_machines(page):
    forms = ("plain convolution", "global softmax attention", "training form", "fused")
    for name in ("scalesim-default", "gemmini-default", "tpu-v1"):
        machine = hwsim.preset(name)
        shape = {"in_channels": 128, "out_channels": 128, "height": 28, "width": 28}
        plain = hwsim.layer_forms(machine, **shape, relu=False)["convolution"].cost.cycles
        assert name in page
        assert f"{plain:,}".replace(",", "\u202f") in page
    assert all(form in page for form in forms)


def test_the_vectors_beside_the_page_are_a_valid_set(done):
    vectors = done[0] / "vectors"
    manifest = io.read_manifest(vectors)
    assert {entry.operator for entry in manifest.cases} == {
        "shift_product",
        "pssa",
        "xvolution",
        "xvolution_fused",
    }
    assert io.verify_files(vectors, manifest) > 100


def test_the_faithful_device_passes_the_reordering_one_too_and_the_truncating_one_fails(page):
    outcomes = re.findall(r">(passes|fails)</b>\s*— the device <b>([a-z-]+)</b>", page)
    assert outcomes == [
        ("passes", "faithful"),
        ("passes", "channels-innermost"),
        ("fails", "truncating"),
    ]
    assert "within bound" in page
    assert "must be" in page
    assert "(rounding-floor): every bit it left is reproduced" in page


def test_the_layer_at_its_own_size_is_small_enough_to_be_explained():
    outputs, channels, taps, pixels = 128, 5 * 128, 3 * 3, 14 * 14
    assert outputs * channels * taps * pixels <= MOST_PRODUCTS


def test_a_picture_that_is_not_there_is_one_sentence_and_exit_code_two(tmp_path):
    result = demo("--image", "no-such.png", "--out", str(tmp_path / "out"))
    assert result.returncode == 2
    assert result.stderr.strip().count("\n") == 0
    assert "image must be a file or one of astronaut, chelsea, coffee" in result.stderr


def test_a_claim_that_is_none_is_one_sentence_and_exit_code_two(tmp_path):
    result = demo("--image", "coffee", "--claim", "A44.1", "--out", str(tmp_path / "out"))
    assert result.returncode == 2
    assert "not 'A44.1'; the nearest is A4.1" in result.stderr


def test_a_picture_that_is_too_small_is_one_sentence_and_loses_nothing(done, tmp_path):
    out, _ = done
    result = demo("--image", "coffee", "--side", "4000", "--out", str(out))
    assert result.returncode == 2
    assert "at least 4000×4000" in result.stderr
    assert (out / "index.html").exists()
