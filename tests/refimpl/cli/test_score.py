"""The commands on scores: what they print, write and exit with."""

import json

import pytest
from typer.testing import CliRunner

from refimpl.cli import app
from refimpl.io import read_manifest
from refimpl.score.select import default_cases

RUNNER = CliRunner()
OPERATOR = "shift_product.fp32"


def run(*words):
    return RUNNER.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def designed(tmp_path_factory):
    out = tmp_path_factory.mktemp("score") / "designed"
    done = run("designed", out, "--operator", OPERATOR)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("score") / "small"
    words = ("--operator", "conv2d", "--arithmetic", "fp32", "--batch", 1, "--outputs", 2)
    assert run("vectors", out, *words, "--height", 4, "--width", 4).exit_code == 0
    return out


def test_a_designed_set_holds_the_default_cases_and_their_coverage(designed):
    manifest = read_manifest(designed)
    assert [entry.id for entry in manifest.cases] == [case.id for case in default_cases([OPERATOR])]
    assert all(entry.coverage for entry in manifest.cases)
    assert manifest.command == f"refimpl designed SET --operator {OPERATOR}"
    assert run("verify", designed).exit_code == 0


def test_a_designed_set_scores_full_on_the_design_half_and_covers_every_point(designed):
    scored = run("score", designed, "--half", "design", "--fail-under", 1)
    assert scored.exit_code == 0, scored.output
    assert "100.0%" in scored.output
    covered = run("coverage", designed, "--fail-under", 1)
    assert covered.exit_code == 0, covered.output


def test_a_random_set_falls_short_names_survivors_and_what_would_kill_them(small, tmp_path):
    report = tmp_path / "score.json"
    scored = run("score", small, "--half", "design", "--fail-under", 1, "--json", report)
    assert scored.exit_code == 1
    assert "survives: conv2d.fp32/" in scored.output
    assert "would be killed by: " in scored.output
    assert "below 100.0%" in scored.output
    document = json.loads(report.read_text())
    outcomes = {row["outcome"] for row in document["mutants"]}
    assert {"killed", "survived", "equivalent"} <= outcomes
    assert document["killed"] == sum(row["outcome"] == "killed" for row in document["mutants"])
    assert all(row["killed_by"] for row in document["mutants"] if row["outcome"] == "killed")


def test_what_a_set_does_not_cover_is_said_with_a_case_that_would(small, tmp_path):
    report = tmp_path / "coverage.json"
    covered = run("coverage", small, "--fail-under", 0.99, "--json", report)
    assert covered.exit_code == 1
    assert "not covered: conv2d.fp32/steps.stride-padding-dilation" in covered.output
    assert "would be by: " in covered.output
    rows = json.loads(report.read_text())["points"]
    missed = [row for row in rows if row["applies"] and not row["hits"]]
    assert missed
    assert all(row["would_be_hit_by"] for row in missed)


def test_points_are_written_for_a_simulator_and_its_counts_read_back(tmp_path):
    source, log = tmp_path / "coverage.sv", tmp_path / "simulation.log"
    assert run("coverage", "--covergroup", source, "--operator", OPERATOR).exit_code == 0
    assert "class shift_product_fp32_product;" in source.read_text()
    log.write_text(f"{OPERATOR}/wrap.left 12\n{OPERATOR}/wrap.right 0\n")
    covered = run("coverage", "--hits", log, "--no-suggest")
    assert covered.exit_code == 0, covered.output
    assert f"not covered: {OPERATOR}/wrap.right" in covered.output
    assert f"not covered: {OPERATOR}/wrap.left:" not in covered.output


def test_the_catalogue_is_printed_and_written(tmp_path):
    report = tmp_path / "mutants.json"
    listed = run("mutants", "--operator", "conv2d.int8", "--json", report)
    assert listed.exit_code == 0
    assert "product-16 (width, " in listed.output
    assert "equivalent, not counted: |x − z| ≤ 255" in listed.output
    rows = json.loads(report.read_text())["mutants"]
    assert f"{len(rows)} mutants" in listed.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("score", "absent"), "must be a directory"),
        (("coverage",), "must be given a set, --hits or --covergroup"),
        (("coverage", "--hits", "absent"), "must be a readable file"),
        (
            ("designed", "out", "--operator", "conv9.int8"),
            "must be one of global_attention.int8",
        ),
        (("mutants", "--operator", "conv9.int8"), "must be one of global_attention.int8"),
    ],
)
def test_unusable_input_is_one_sentence_and_exit_code_2(words, says):
    done = run(*words)
    assert done.exit_code == 2
    assert says in done.output


@pytest.mark.parametrize("options", [("--half", "both"), ("--fail-under", "2")])
def test_odd_options_of_a_score_are_refused(designed, options):
    assert run("score", designed, *options).exit_code == 2


def test_a_designed_set_for_a_device_lies_as_in_its_memory(tmp_path):
    path = tmp_path / "dut.toml"
    path.write_text('name = "d"\n[memory]\nlayout = "nchw4c"\nlanes = 4\n')
    words = ("designed", tmp_path / "set", "--operator", "conv2d.int8", "--dut", path)
    refused = run(*words, "--layout", "nhwc")
    assert refused.exit_code == 2
    assert "--layout must be left out with --dut: the declaration says it, as memory.layout" in (
        " ".join(refused.output.split())
    )
    assert run(*words).exit_code == 0
    manifest = read_manifest(tmp_path / "set")
    laid = {
        (each.layout.name, each.layout.lanes)
        for case in manifest.cases
        for each in case.tensors
        if each.name == "x"
    }
    assert laid == {("NCHW4c", 4)}
    assert run("verify", tmp_path / "set").exit_code == 0
