import json
import sys
from dataclasses import replace

import pytest

from hwsim import cli, estimate, network, preset
from hwsim.compare import METRICS, Recorded, compare
from hwsim.io.estimates import read_estimate
from hwsim.report.export import to_json


def recorded(cycles, *, costed=2, energy=5.0):
    layers = {
        name: {"cycles": each, "dram_bytes": 10, "energy_pj": 1.0} for name, each in cycles.items()
    }
    total = {"cycles": sum(cycles.values()), "dram_bytes": 10, "energy_pj": energy}
    return Recorded(title="x", total=total, layers=layers, costed=costed, asked=2)


BEFORE = recorded({"a": 100, "b": 100})


def test_the_same_estimate_is_no_worse():
    assert compare(BEFORE, BEFORE).sentences == ()


@pytest.mark.parametrize(("limit", "fails"), [(0.0, True), (0.0149, True), (0.015, False)])
def test_growth_above_the_limit_fails_and_growth_at_it_does_not(limit, fails):
    found = compare(BEFORE, recorded({"a": 103, "b": 100}), limit=limit)
    assert bool(found.sentences) == fails
    if fails:
        assert found.sentences[0].startswith("cycles of total must grow by at most ")
        assert "not by 1.50% (from 200 to 203)" in found.sentences[0]


def test_a_layer_may_grow_under_a_total_that_does_not_unless_every_layer_is_judged():
    after = recorded({"a": 120, "b": 80})
    assert compare(BEFORE, after).sentences == ()
    (sentence,) = compare(BEFORE, after, per_layer=True).sentences
    assert sentence.startswith("cycles of a must grow by at most 0.00%, not by 20.00%")


def test_only_the_metrics_asked_for_are_judged():
    after = recorded({"a": 100, "b": 100}, energy=6.0)
    assert compare(BEFORE, after, metrics=("cycles",)).sentences == ()
    assert "energy_pj of total" in compare(BEFORE, after).sentences[0]
    with pytest.raises(ValueError, match=r"^metric must be one of cycles, dram_bytes, energy_pj"):
        compare(BEFORE, after, metrics=("cycels",))


def test_an_estimate_does_not_get_better_by_leaving_something_out():
    less = recorded({"a": 100, "b": 1}, costed=1)
    (sentence,) = compare(BEFORE, less).sentences
    assert sentence == "what is not costed must not grow, but was 0 of 2 and is 1 of 2"
    (sentence,) = compare(BEFORE, recorded({"a": 100, "b": 100}, energy=None)).sentences
    assert sentence == "energy_pj of total must be known, as it was"


def test_something_from_nothing_is_more_than_any_limit():
    after = replace(BEFORE, total={**BEFORE.total, "cycles": 1})
    found = compare(replace(BEFORE, total={**BEFORE.total, "cycles": 0}), after, limit=99.0)
    assert "cycles of total" in found.sentences[0]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimates")
    asked = network("resnet34").only("conv1", "fc")
    unit = preset("tpu-v1")
    slow = replace(unit, dram=replace(unit.dram, latency_cycles=1000))
    for name, each in (("before", unit), ("after", slow)):
        (folder / f"{name}.json").write_text(to_json(estimate(asked, each)))
    return folder


def test_a_written_estimate_is_read_back(written):
    found = read_estimate(written / "before.json")
    assert list(found.layers) == ["conv1", "fc"]
    for metric in METRICS:
        parts = sum(layer[metric] for layer in found.layers.values())
        assert found.total[metric] == pytest.approx(parts)
    assert (found.costed, found.asked) == (3, 3)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("before.json before.json", 0),
        ("before.json after.json", 1),
        ("before.json after.json --fail-above 100000%", 0),
        ("after.json before.json --fail-above 2% --metric cycles", 0),
        ("before.json after.json --fail-above 2% --metric dram_bytes", 0),
        ("before.json none.json", 2),
        ("before.json after.json --fail-above lots", 2),
        ("before.json after.json --metric speed", 2),
    ],
)
def test_the_gate_ends_with_a_status(written, monkeypatch, capsys, line, status):
    monkeypatch.chdir(written)
    monkeypatch.setattr(sys, "argv", ["hwsim", "compare", *line.split()])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert (leaving.value.code or 0) == status
    printed = capsys.readouterr()
    assert ("must grow by at most" in printed.out) == (status == 1)
    assert bool(printed.err) == (status == 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.pop("total"), r"but of total we read: field required"),
        (lambda d: d["total"].update(cycles="many"), r"but of total\.cycles we read: input should"),
        (lambda d: d["total"].update(cycles=-1), r"but of total\.cycles we read: input should be"),
        (lambda d: d["layers"].append(3), r"but of layers\.2 we read: input should be an object"),
    ],
)
def test_what_is_no_estimate_is_refused_with_its_first_fault(written, tmp_path, change, sentence):
    read = json.loads((written / "before.json").read_text())
    change(read)
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(read))
    with pytest.raises(ValueError, match=f"must be JSON of hwsim estimate, {sentence}"):
        read_estimate(path)
