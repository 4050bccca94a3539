"""Rows are what estimates say, under one rule; the page says what the rows say."""

import csv
import json
from dataclasses import replace
from io import StringIO

import pytest
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.evaluate import compare_forms
from hwsim.io import preset, preset_names
from hwsim.io.studies import answers_from, read_answers, read_study
from hwsim.lowering import FORMS, Options
from hwsim.report.study import (
    packed,
    study_csv,
    study_document,
    study_json,
    study_picture,
    unpacked,
)
from hwsim.study import Answers, Row, Study, answered, crossings, parts, rows, together
from hwsim.study.summary import friendly_under
from hwsim.study.words import page

FORMS_SHOWN = (
    "convolution",
    "attention",
    "xvolution-training",
    "xvolution-fused",
    "xvolution-sa",
    "xvolution-kernel-local",
)
SMALL = Study(
    networks=("resnet34",),
    stages=("conv5_x",),
    batches=(1, 8),
    machines=("tpu-v1",),
    forms=FORMS_SHOWN,
    training=("tpu-v1",),
)


@pytest.fixture(scope="module")
def found():
    return list(rows(SMALL, [preset("tpu-v1")]))


def test_there_is_a_row_for_every_form_batch_and_pass(found):
    asked = [
        (batch, direction, form)
        for batch in (1, 8)
        for direction in ("forward", "backward")
        for form in FORMS_SHOWN
    ]
    assert [(row.batch, row.direction, row.form) for row in found] == asked


def test_cycles_are_work_over_efficiency(found):
    for row in found:
        assert row.cycles_ratio == pytest.approx(row.work_ratio / row.efficiency_ratio, rel=1e-12)


def test_the_plain_convolution_is_its_own_measure_and_friendly(found):
    for row in found:
        if row.form == "convolution":
            ratios = (row.cycles_ratio, row.work_ratio, row.efficiency_ratio, row.dram_ratio)
            assert ratios == (1, 1, 1, 1)
            assert row.friendly


def test_a_row_costs_what_the_estimate_of_the_stage_costs(found):
    """A network's layers have a ReLU as well, of which some may not hide under the array."""
    compared = compare_forms("resnet34", "conv5_x", preset("tpu-v1"))
    for row in found:
        if row.batch == 1 and row.direction == "forward":
            cost = compared[row.form].cost
            assert (row.array_macs, row.dram_bytes) == (cost.macs, cost.dram_bytes)
            assert cost.cycles - cost.vector_cycles <= row.cycles <= cost.cycles


def test_weights_are_told_apart_and_do_not_grow_with_the_batch(found):
    by_place = {(row.form, row.batch, row.direction): row for row in found}
    one, eight = (by_place["convolution", batch, "forward"] for batch in (1, 8))
    assert 0 < one.weight_bytes < one.dram_bytes
    assert eight.weight_bytes < 8 * one.weight_bytes
    per_image = by_place["xvolution-sa", 1, "forward"]
    assert per_image.weight_bytes < per_image.dram_bytes / 2
    assert "kernels from data" in per_image.kinds


def test_backward_takes_about_twice_the_work_of_forward(found):
    by_place = {(row.form, row.batch, row.direction): row for row in found}
    forward, back = (by_place["convolution", 1, each] for each in ("forward", "backward"))
    assert 2 * forward.array_macs <= back.array_macs < 3 * forward.array_macs


def test_what_does_not_fit_is_a_row_with_the_reason():
    unit = preset("scalesim-default")
    tiny = replace(unit, buffers=replace(unit.buffers, ifmap_bytes=8))
    small = replace(SMALL, machines=(), training=(), batches=(1,))
    for row in rows(small, [tiny]):
        assert row.reason.startswith("buffers of scalesim-default must hold")
        assert not row.friendly


def test_the_page_has_the_verdict_and_its_conditions(found):
    text = page(SMALL, Answers(rows=tuple(found), crossings=crossings(64)))
    fused = [row for row in found if row.form == "xvolution-fused" and row.direction == "forward"]
    friendly = sum(row.friendly for row in fused)
    assert f"conv-friendly in {friendly} of 2 cases" in text
    assert all(f"| `{form}` |" in text for form in FORMS_SHOWN)
    assert all(FORMS[form].sentence in text for form in FORMS_SHOWN)


def test_a_verdict_follows_its_rows(found):
    def said(*asked):
        return page(SMALL, Answers(rows=tuple(asked)))

    fused = [row for row in found if row.form == "xvolution-fused"]
    yes = [replace(row, failed=(), reason="") for row in fused]
    no = [replace(row, failed=(("efficiency", "0.10"),)) for row in fused]
    assert "**Verdict: yes.**" in said(*yes)
    assert "It holds in every case on tpu-v1." in said(*yes)
    assert "**Verdict: no.**" in said(*no)
    assert "It holds in no case on tpu-v1, though everything it needs is executed." in said(*no)
    assert "**Verdict: it depends.**" in said(*yes, *no)
    assert "does not ask" in said()


def test_other_thresholds_change_what_they_bound_and_nothing_else(found):
    row = replace(
        next(row for row in found if row.form == "xvolution-fused"),
        efficiency_ratio=0.85,
        exposed_share=0.15,
        failed=(("efficiency", "0.85"), ("exposed vector", "15%")),
    )
    assert friendly_under(row, 0.8, 0.2)
    assert not friendly_under(row, 0.9, 0.2)
    assert not friendly_under(row, 0.8, 0.1)
    assert not friendly_under(replace(row, failed=(("native", "shift"),)), 0.8, 0.2)


def test_files_carry_the_rows(found):
    answers = Answers(rows=tuple(found), crossings=crossings(64))
    written = study_document(SMALL, answers)
    document = json.loads(study_json(written))
    assert [row["cycles"] for row in document["rows"]] == [row.cycles for row in found]
    read = list(csv.DictReader(StringIO(study_csv(found))))
    assert [int(row["cycles"]) for row in read] == [row.cycles for row in found]
    assert {row["conv_friendly"] for row in read} <= {"True", "False"}
    assert study_picture(found) == study_picture(found)


def test_answers_are_read_back_as_they_were(found, tmp_path):
    answers = Answers(rows=tuple(found), crossings=crossings(64))
    document = json.loads(study_json(study_document(SMALL, answers)))
    assert answers_from(document) == (SMALL, answers)
    assert unpacked(json.loads(json.dumps(packed(document)))) == document
    path = tmp_path / "study.json"
    for text, sentence in (
        ("{}", "no 'study'"),
        ("{", "Expecting property name"),
        (json.dumps({**document, "rows": [{}]}), r"rows\.0\.machine: field required"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"must be JSON of hwsim study, and it is.*{sentence}"):
            read_answers(path)


def test_answers_are_a_frame_and_a_picture_in_one_call(found):
    answers = Answers(rows=tuple(found))
    for frame in (hwsim.to_pandas(answers), hwsim.to_polars(answers)):
        assert list(frame["cycles"]) == [row.cycles for row in found]
        assert list(frame["conv_friendly"]) == [row.friendly for row in found]
    machines = tuple(each for part in parts(SMALL, [preset("tpu-v1")]) for each in [about(part)])
    whole = answers._replace(machines=machines)
    assert len(hwsim.plot(whole, "roofline").axes) == 1
    assert len(hwsim.plot(whole).axes) == 1
    with pytest.raises(ValueError, match="what must be one of budget, roofline, not 'traffic'"):
        hwsim.plot(whole, "traffic")
    with pytest.raises(ValueError, match="a study must have rows to be drawn, not none"):
        hwsim.plot(Answers())


def about(part):
    """What a page says of a part's machine, with no row asked."""
    small = replace(part.study, networks=("resnet34",), stages=("conv5_x",), batches=(1,))
    asked = part._replace(study=replace(small, forms=("convolution",), training=()))
    return answered(asked._replace(study=replace(asked.study, growth_sides=(7,)))).machines[0]


def test_parts_together_are_the_whole_study(found):
    asked = replace(SMALL, networks=("resnet34", "resnet50"), batches=(1,), training=())
    each = parts(asked, [preset("tpu-v1")])
    assert [(part.study.networks, part.growth) for part in each] == [
        (("resnet34",), True),
        (("resnet50",), False),
    ]
    small = [replace(part.study, growth_sides=(7,), growth_channels=(64,)) for part in each]
    answers = together(
        asked, (answered(part._replace(study=s)) for part, s in zip(each, small, strict=True))
    )
    assert list(answers.rows) == list(rows(asked, [preset("tpu-v1")]))
    assert {place.machine for place in answers.curves} == {"tpu-v1"}
    assert len(answers.curves) == 6


def test_two_runs_write_the_same_bytes(tmp_path):
    line = "study --machine tpu-v1 --batch 1 --network resnet34 --stage conv5_x"
    path = tmp_path / "small.toml"
    path.write_text("growth_sides = [7]\ngrowth_channels = [64]\n")
    words = [*line.split(), "--form", "convolution", "--form", "xvolution-fused"]
    words += ["--assumptions", str(path), "--out"]
    for name in ("a", "b"):
        result = CliRunner().invoke(app, [*words, str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert "2 rows; the verdict is in " in result.output
    files = ("study.md", "study.html", "study.json", "study.csv", "study.svg")
    assert sorted(each.name for each in (tmp_path / "a").iterdir()) == sorted(files)
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_printed_assumptions_are_the_packaged_ones_and_can_be_given_back(tmp_path):
    printed = CliRunner().invoke(app, ["study", "--print-assumptions"]).output
    path = tmp_path / "mine.toml"
    path.write_text(printed.replace("length = 1", "length = 2"), encoding="utf-8")
    changed = read_study(path)
    path.write_text(path.read_text("utf-8").replace("[7, 14, 28, 56, 112]", "[7]"), "utf-8")
    assert changed == replace(read_study(), options=Options(length=2))
    words = f"study --assumptions {path} --machine tpu-v1 --batch 1 --network resnet34"
    words += f" --stage conv5_x --form xvolution-fused --no-html --no-picture --out {tmp_path}"
    assert CliRunner().invoke(app, words.split()).exit_code == 0
    study, answers = read_answers(tmp_path / "study.json")
    assert study.options.length == 2
    assert [row.form for row in answers.rows] == ["xvolution-fused"]


def test_the_packaged_study_asks_everything():
    study = read_study()
    assert study.forms == tuple(FORMS)
    assert study.machines == preset_names()
    assert study.batches == (1, 8, 32)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batches = []", "batches must have an entry, not be empty"),
        ("batches = 1", "batches must be a list, not 1"),
        ("batches = [0]", "each of batches must be an integer of at least 1, not 0"),
        ("forms = ['dense']", "each of forms must be one of convolution, "),
        ("stages = ['conv9_x']", "each of stages must be one of "),
        ("training = ['tpu-v1']", "each of training must be one of "),
        ("vector_lanes = 0", "vector_lanes must be an integer of at least 1, not 0"),
        ("machins = []", "key machins must be one of "),
        ("[thresholds]\nefficiency = 9", "thresholds.efficiency must be a number from 0 to 2"),
        ("vary_efficiency = [-1]", "thresholds.efficiency must be a number from 0 to 2, not -1"),
        ("batches = [", ""),
        ("[options]\nlength = 0", "length must be an integer of at least 1, not 0"),
        ("[options]\ndirections = [[0]]", "each of options.directions must be a pair as in [0, 1]"),
        ("options = 3", "options must be a table, not 3"),
        ("[changes]\ndram_factor = 0", "changes.dram_factor must be an integer of at least 1"),
        ("growth_sides = [0]", "each of growth_sides must be an integer of at least 1, not 0"),
    ],
)
def test_a_declaration_that_is_none_gets_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"study\.toml") as error:
        read_study(path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_row_without_numbers_is_not_friendly():
    place = {"network": "resnet34", "stage": "conv5_x", "batch": 1, "direction": "forward"}
    assert not Row(machine="m", form="attention", **place, reason="no tile fits").friendly
