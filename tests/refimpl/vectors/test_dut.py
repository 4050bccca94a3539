"""A device's declaration decides the cases, and says why the rest is left out."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from refimpl import io
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.operators import ALL_OPERATORS
from refimpl.bitexact.requantise import ROUNDINGS
from refimpl.vectors.case import KNOWN
from refimpl.vectors.dut import Dut, observable, plan_of
from refimpl.vectors.dut_cases import dut_cases
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import GROUPED

SMALL = {
    "name": "mac8",
    "tile": {"k": 16, "channels": 4, "outputs": 4, "pixels": 10},
    "features": {"operators": ["conv2d"], "strides": [1], "dilations": [1, 2], "kernels": [3]},
}


def cases_of(**changed):
    return dut_cases(Dut.model_validate(SMALL | changed))


def test_cases_have_only_what_the_device_can_do():
    cases, _ = cases_of()
    assert {case.operator for case in cases} == {"conv2d"}
    for case in cases:
        assert case.attributes["stride"] == [1, 1]
        assert case.tensors["w"].shape[2:] == (3, 3)
        assert case.attributes["k_tile"] == 16
    assert len({case.id for case in cases}) == len(cases)


def test_tiles_are_whole_and_ragged_in_outputs_channels_and_pixels():
    cases, _ = cases_of()
    outputs = {case.tensors["w"].shape[0] for case in cases}
    channels = {case.tensors["x"].shape[1] for case in cases}
    pixels = {case.tensors["x"].shape[2] * case.tensors["x"].shape[3] for case in cases}
    assert {4, 5, 3} <= outputs
    assert {4, 5, 3} <= channels
    assert {10, 15, 1} <= pixels


def test_what_is_left_out_is_listed_with_the_reason():
    _, excluded = cases_of(observe={"stages": ["accumulator"]}, adders={"rounding": "stochastic"})
    said = {each.what: each.reason for each in excluded}
    assert said["operator pssa"] == "features.operators of mac8 has conv2d only"
    assert said["stride 2"] == "features.strides of mac8 has 1 only"
    assert said["stages other than the output"] == "observe.stages of mac8 has accumulator"
    assert "stochastic" in said["bounds of float outputs"]
    assert "rounding floor" in said


def test_a_device_that_can_do_all_is_left_nothing_out_but_what_no_operator_has():
    everything = {
        "operators": [each for each in ALL_OPERATORS if each in GROUPED],
        "arithmetics": list(KNOWN),
        "roundings": list(ROUNDINGS),
        "groups": [1, 2],
    }
    cases, excluded = dut_cases(
        Dut(name="all", tile={"channels": 2, "outputs": 2}, features=everything)
    )
    said = {each.what: each.reason for each in excluded}
    others = {f"operator {each}" for each in ALL_OPERATORS if each not in GROUPED}
    assert set(said) == {*others, "xvolution_training of a single pixel"}
    assert {(case.operator, case.arithmetic) for case in cases} == {
        (operator, arithmetic) for operator in GROUPED for arithmetic in KNOWN
    }
    assert len({case.id for case in cases}) == len(cases)


@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_every_operator_a_device_has_gets_cases_in_every_arithmetic_it_has(operator):
    features = {"operators": [operator], "arithmetics": ["int16", "bf16"], "strides": [2]}
    cases, _ = cases_of(features=features)
    assert {case.operator for case in cases} == {operator}
    assert {case.arithmetic for case in cases} == {"int16", "bf16"}
    for case in cases[:2]:
        assert stages(case)


def test_groups_are_tried_where_an_operator_has_them():
    features = {"operators": ["conv2d", "global_attention"], "groups": [1, 4], "kernels": [3]}
    cases, excluded = cases_of(features=features)
    groups = {
        operator: {case.attributes.get("groups", 1) for case in cases if case.operator == operator}
        for operator in features["operators"]
    }
    assert groups == {"conv2d": {1, 4}, "global_attention": {1}}
    said = {each.what: each.reason for each in excluded}
    assert said["global_attention in 4 groups"] == "it has none"
    assert said["groups 2"] == "features.groups of mac8 has 1, 4 only"


def test_the_arithmetic_that_a_device_declares_is_that_of_its_cases():
    features = {"operators": ["conv2d", "global_attention"], "arithmetics": ["int8", "fp16"]}
    arithmetic = {
        "softmax": {"normalise": "divide"},
        "accumulator": {"bits": 24, "overflow": "saturate"},
        "accumulation": {"lanes": 4, "lane_order": "tree"},
    }
    cases, _ = cases_of(features=features, arithmetic=arithmetic)
    for case in cases:
        integer = case.arithmetic == "int8"
        assert ("accumulator" in case.attributes) == integer
        assert ("accumulation" in case.attributes) != integer
        assert ("softmax" in case.attributes) == (case.operator == "global_attention")
    with pytest.raises(ValueError, match=r"what is declared must be of .*, not 'rsqrt'"):
        cases_of(features=features, arithmetic={"rsqrt": {"kind": "table"}})


def test_the_order_that_a_device_declares_is_that_of_every_float_sum_over_taps():
    operators = ["conv2d", "xvolution_training", "xvolution_backward"]
    features = {"operators": operators, "arithmetics": ["fp32"], "order": "uvc", "kernels": [3]}
    cases, _ = cases_of(features=features)
    assert {case.attributes["order"] for case in cases} == {"uvc"}


def test_a_dilation_is_that_of_every_case_whose_id_says_so():
    features = {"operators": ["pssa_backward", "local_attention"], "dilations": [1, 2]}
    cases, _ = cases_of(features=features)
    apart = {case.attributes["dilation"][0] for case in cases}
    assert apart == {1, 2}
    for case in cases:
        assert ("k3s1d2" in case.id) == (case.attributes["dilation"] == [2, 2])


def test_tiles_that_are_left_out_are_the_array():
    array = {"rows": 6, "columns": 9}
    assert Dut(name="d", array=array).model_dump()["tile"]["outputs"] == 9
    cases, _ = cases_of(tile={"pixels": 5}, array=array)
    assert {6, 7, 5} <= {case.tensors["x"].shape[1] for case in cases}
    assert {9, 10, 8} <= {len(case.tensors["w"]) for case in cases}


def test_a_stage_that_no_case_shows_is_refused():
    with pytest.raises(ValueError, match=r"observe.stages of mac8 must be of .*, not 'acumulator'"):
        cases_of(observe={"stages": ["acumulator"]})


def test_every_rounding_rule_has_cases_of_its_own():
    cases, _ = cases_of(features=SMALL["features"] | {"roundings": ["floor", "half_even"]})
    rules = {case.attributes.get("rounding") for case in cases if case.arithmetic == "int8"}
    assert rules == {"floor", "half_even"}


def test_stages_are_observable_by_their_name_in_any_branch():
    dut = Dut(name="d", observe={"stages": ["accumulator"]})
    assert observable(dut, "accumulator")
    assert observable(dut, "attention_accumulator")
    assert not observable(dut, "biased")
    assert observable(Dut(name="d"), "biased")
    assert observable(None, "biased")


def test_the_memory_is_the_devices_own():
    plan = plan_of(Dut(name="d", memory={"word_bytes": 16, "base": 4096, "guard_words": 2}))
    assert (plan.word_bytes, plan.base, plan.guard_words) == (16, 4096, 2)


def test_the_class_of_adders_is_declared():
    assert Dut(name="d").adder_class == Adders()
    assert "other" in Dut(name="d", adders={"accumulator": "other"}).adder_class


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"features": {"operators": ["softmax"]}}, "operators must be of conv2d"),
        ({"features": {"roundings": []}}, "roundings must be of half_up"),
        ({"features": {"kernels": [2]}}, "kernels must have odd sides"),
        ({"features": {"strides": [0]}}, "greater than or equal to 1"),
        ({"memory": {"layout": "chwn"}}, "layout must be one of nchw"),
        ({"adders": {"speed": 1}}, "adders must have no speed"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
        ({"name": "../x"}, "String should match pattern"),
    ],
)
def test_a_declaration_that_no_device_may_make_is_refused(declared, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Dut.model_validate(SMALL | declared)


def test_the_declaration_on_the_page_is_one_and_its_cases_are_what_it_says():
    page = (Path(__file__).parents[3] / "docs" / "vectors.md").read_text("utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    dut = Dut.model_validate(tomllib.loads(text))
    cases, excluded = dut_cases(dut)
    assert {case.operator for case in cases} == {"conv2d", "pssa"}
    assert {case.attributes.get("groups", 1) for case in cases} == {1, 2}
    wide = {case.attributes.get("product") for case in cases if case.id.startswith("pssa-int8")}
    assert wide == {"wide"}
    assert "operator global_attention" in {each.what for each in excluded}


FLOATS = 'name = "d"\n[adders]\naccumulator = "fp32"\n[features]\narithmetics = ["fp32"]\n'


@pytest.mark.parametrize(
    ("stage", "operator", "says"),
    [
        ("partial_sums", "conv2d", "'partial_sums' beside"),
        ("partial_3", "conv2d", "'partial_3' beside"),
        ("attention_partial_sums", "xvolution", "'attention_partial_sums' beside"),
        ("exp_input", "local_attention", "'exp_input' beside"),
        ("output", "global_attention", "'output' (which names exp_output) beside"),
    ],
)
def test_a_stage_that_another_order_has_none_of_is_refused_beside_adders(
    tmp_path, stage, operator, says
):
    path = tmp_path / "dut.toml"
    shown = f'operators = ["{operator}"]\n[observe]\nstages = ["accumulator", "{stage}"]\n'
    path.write_text(FLOATS + shown)
    with pytest.raises(io.UnusableError) as refusal:
        io.read_dut(path)
    assert f"observe.stages of d must not have {says} [adders], for floats" in str(refusal.value)
    assert "any stage but partial_sums, partial_N, row_maximum" in str(refusal.value)
    for others in (
        (FLOATS + shown).replace("fp32", "int8").replace('accumulator = "int8"', ""),
        (FLOATS + shown).replace('[adders]\naccumulator = "fp32"\n', ""),
        (FLOATS + shown).replace(f', "{stage}"', ', "biased"'),
    ):
        path.write_text(others)
        assert io.read_dut(path).name == "d"


def test_a_file_is_read_or_refused_in_one_sentence(tmp_path):
    path = tmp_path / "dut.toml"
    path.write_text('name = "d"\n[tile]\nk = 8\n')
    assert io.read_dut(path).tile.k == 8
    for text, sentence in (
        ("name = ", "must be TOML"),
        ("[tile]\n", "name must be there"),
        ('name = "d"\nspeed = 3\n', "speed must not be there: no such key"),
        ('name = "d"\n[tile]\nk = "x"\n', "tile.k must be right"),
    ):
        path.write_text(text)
        with pytest.raises(io.UnusableError, match=sentence) as refusal:
            io.read_dut(path)
        assert "\n" not in str(refusal.value)
    with pytest.raises(
        io.UnusableError, match=r"declaration in TOML, as docs/vectors\.md shows one"
    ):
        io.read_dut(tmp_path / "none.toml")
