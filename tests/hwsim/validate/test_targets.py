"""What the model is held against, and that each comparison can fail."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwsim.cli import app
from hwsim.cycles.row_stationary import Files, Wires, fitting_mapping
from hwsim.io.published import published
from hwsim.report.validation import summary, validation_json, validation_markdown
from hwsim.validate import Comparison, arrays, eyeriss, nvdla, tpu
from hwsim.validate.targets import TARGETS, validate
from hwsim.workload import Convolution

DOCS = Path(__file__).parents[3] / "docs"


def misses(found):
    return [each for each in found if each.verdict == "misses"]


@pytest.mark.parametrize("target", ["rtl", "scalesim", "eyeriss", "nvdla", "tpu"])
def test_the_model_is_within_every_limit_of(target):
    found = validate([target])
    assert misses(found) == []
    assert any(each.verdict == "holds" for each in found)


def test_every_comparison_beyond_its_limit_names_a_reason():
    assert all(each.reason for each in misses(validate()))


def test_runs_are_compared_that_exist():
    """54 products on SystemVerilog arrays and 30 layers by SCALE-Sim per dataflow."""
    found = validate(["rtl", "scalesim"])
    assert {(each.target, each.theirs) for each in found} == {("rtl", 54), ("scalesim", 30)}
    sides = {(row["rows"], row["cols"]) for row in published("scalesim_3_0_0")}
    assert all(rows != cols for rows, cols in sides)
    assert len(sides) == 3


def test_processing_time_on_eyeriss_is_within_five_percent_for_each_layer():
    errors = [e.error for e in validate(["eyeriss"]) if e.quantity.startswith("processing")]
    assert len(errors) == 5
    assert max(map(abs, errors)) < 0.05


def test_buffer_traffic_on_eyeriss_is_within_one_percent_but_for_conv3():
    buffer = [e for e in validate(["eyeriss"]) if e.quantity.startswith("global-buffer")]
    far = [each for each in buffer if abs(each.error) > 0.01]
    assert [(each.case, each.verdict) for each in far] == [("CONV3", "shown")]
    (other,) = [each for each in buffer if each.quantity.endswith("mapped as CONV4")]
    assert abs(other.error) < 0.001


def test_conv4_and_conv5_take_the_same_passes_but_not_the_same_time():
    rows = {row["layer"]: row for row in published("eyeriss_alexnet")}
    four, five = rows["CONV4"], rows["CONV5"]
    assert all(four[name] == five[name] for name in ("H", "R", "E", "C", "U", *"nepqrt"))
    per_filter = [float(row["processing_ms"]) / int(row["M"]) for row in (four, five)]
    assert per_filter[1] / per_filter[0] == pytest.approx(0.9375, abs=0.01)


def test_another_reading_of_the_wires_is_seen_to_miss(monkeypatch):
    rows = published("eyeriss_alexnet")
    monkeypatch.setattr(
        eyeriss,
        "row_stationary_cost",
        lambda shape, placed: EXACT_COST(shape, placed, Wires(4, 4)),
    )
    assert misses(eyeriss.eyeriss_comparisons(rows))


EXACT_COST = eyeriss.row_stationary_cost
EXACT_CYCLES, EXACT_REPORT = arrays.array_cycles, arrays.report


def test_a_mapping_of_our_own_in_place_of_the_published_one_is_seen_to_miss(monkeypatch):
    """The published mapping is replayed; the one that we would choose uses other elements."""
    files = Files(12, 14, 12, 224, 24)

    def chosen(row):
        return fitting_mapping(eyeriss._shape(row), files)

    monkeypatch.setattr(eyeriss, "_placed", chosen)
    missed = misses(validate(["eyeriss"]))
    assert {each.quantity for each in missed} >= {"active elements", "global-buffer traffic, MB"}


def test_a_broken_model_is_seen_to_miss_rtl_and_scalesim(monkeypatch):
    def late(gemm, array, flow):
        cycles = EXACT_CYCLES(gemm, array, flow)
        return cycles._replace(total=cycles.total + 1)

    def short(*sizes):
        return EXACT_REPORT(*sizes)._replace(ifmap_reads=1)

    monkeypatch.setattr(arrays, "array_cycles", late)
    monkeypatch.setattr(arrays, "report", short)
    found = validate(["rtl", "scalesim"])
    assert {each.target for each in misses(found)} == {"rtl", "scalesim"}
    assert {each.ours for each in misses(found)} == {0}


def test_serial_folds_are_seen_to_miss_the_shape_of_the_tpu(monkeypatch):
    """Loads, use and shift one after another: a CNN would wait for its weights."""

    def serial(streamed):
        period = 1350 + 256 + streamed
        return {
            "active": 100 * streamed / period,
            "weight_stall": 135_000 / period,
            "weight_shift": 25_600 / period,
        }

    monkeypatch.setattr(tpu, "breakdown", serial)
    assert "CNN0" in {each.case for each in misses(tpu.tpu_comparisons(published("tpu_v1")))}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_channels", lambda conv: nvdla._filled(conv.in_channels, 16)),
        ("WINOGRAD_PRODUCTS", 1),
        ("WINOGRAD_WEIGHTS", 1),
        ("SUMMED", ("conv3",)),
        ("IMAGES_PER_WEIGHT_LOAD", 1),
    ],
)
def test_nvidias_estimator_is_missed_without_each_of_its_rules(monkeypatch, name, value):
    monkeypatch.setattr(nvdla, name, value)
    assert misses(validate(["nvdla"]))


def test_a_strided_kernel_of_nvdla_works_on_the_channels_of_all_pixels_it_skips():
    """1 × 1, stride 2, 1024 → 2048 channels, 14 × 14: 4096 channels of 7 × 7 pixels."""
    conv = Convolution(
        in_channels=1024, out_channels=2048, height=14, width=14, kernel_h=1, kernel_w=1, stride=2
    )
    moved = nvdla.bytes_of(conv)
    assert moved.ifmap == 4096 * 7 * 7
    assert moved.filter == 4096 * 2048
    assert moved.group == 4096 * 32
    assert nvdla.products_of(conv) == 1024 * 2048 * 7 * 7


def test_a_3x3_kernel_of_nvdla_has_the_products_and_weights_of_winograd():
    """64 → 64 channels of 56 × 56: kernels filled up to 128 for products alone."""
    conv = Convolution(
        in_channels=64, out_channels=64, height=56, width=56, kernel_h=3, kernel_w=3, padding=1
    )
    assert nvdla.products_of(conv) == 64 * 4 * 128 * 56 * 56
    assert nvdla.bytes_of(conv).filter == 64 * 64 * 16


def test_bytes_by_hand():
    """x = 100, w = 400, z = 10; groups of 64 in 128: 64 left, so w twice. Else x twice."""
    moved = nvdla.Moved(ifmap=100, filter=400, ofmap=10, lines=30, group=64)
    assert nvdla.dram_bytes(moved, 128) == 100 + 2 * 400 + 10
    swapped = moved._replace(ifmap=400, filter=100)
    assert nvdla.dram_bytes(swapped, 128) == 2 * 400 + 100 + 10
    assert nvdla.dram_bytes(moved, 1000) == 510


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match=r"^target must be one of rtl, .* \(did you mean tpu\?\)$"):
        validate(["tpv"])


@pytest.mark.parametrize(
    ("ours", "theirs", "limit", "verdict"),
    [
        (104, 100, 0.05, "holds"),
        (106, 100, 0.05, "misses"),
        (9, 1, None, "shown"),
        (1, 0, 9, "misses"),
    ],
)
def test_a_verdict_is_about_the_relative_error(ours, theirs, limit, verdict):
    compared = Comparison(target="t", case="c", quantity="q", ours=ours, theirs=theirs, limit=limit)
    assert compared.verdict == verdict


def test_the_command_ends_with_zero_or_one(monkeypatch):
    runner = CliRunner()
    fine = runner.invoke(app, ["validate", "--target", "eyeriss"])
    assert fine.exit_code == 0
    assert "14 within their limits, 0 beyond" in fine.stdout
    monkeypatch.setattr(nvdla, "SUMMED", ())
    beyond = runner.invoke(app, ["validate", "--target", "nvdla", "--format", "json"])
    assert beyond.exit_code == 1
    assert json.loads(beyond.stdout)["comparisons"][0]["verdict"] == "misses"


def test_the_page_and_the_data_file_are_what_the_command_prints():
    found = validate()
    page = (DOCS / "validation.md").read_text("utf-8")
    assert validation_markdown(found) in page
    assert f"{summary(found)}." in page
    assert (DOCS / "validation.json").read_text("utf-8") == validation_json(found)
    assert all(sentence in page for sentence in TARGETS)
