"""A device's declaration decides the cases, and says why the rest is left out."""

import pytest
from pydantic import ValidationError

from refimpl import io
from refimpl.bitexact.adders import Adders
from refimpl.vectors.dut import Dut, dut_cases, observable, plan_of

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


def test_a_device_that_can_do_all_is_left_nothing_out():
    _, excluded = dut_cases(
        Dut(name="all", features={"roundings": ["half_up", "half_even", "floor", "tflite_double"]})
    )
    assert excluded == ()


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
    assert "posit" in Dut(name="d", adders={"accumulator": "posit16"}).adder_class


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
    with pytest.raises(io.UnusableError, match="must be a device's declaration in TOML"):
        io.read_dut(tmp_path / "none.toml")
