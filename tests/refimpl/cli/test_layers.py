"""`refimpl layers`: every network, in three formats that say the same."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from refimpl.cli import app
from refimpl.nets.catalogue import NETWORKS, build
from refimpl.nets.shapes import node_shapes, total
from refimpl.nets.sites import OPERATORS


def layers(line):
    done = CliRunner().invoke(app, ["layers", *line.split()])
    return done.exit_code, done.stdout, done.stderr


def rows_of(name, **options):
    entry = NETWORKS[name]
    return node_shapes(build(name, **options), entry.height, entry.width)


LINES = [
    *((name, f"{name}", {}) for name in NETWORKS),
    ("resnet50", "resnet50 --version 1", {"version": "1"}),
    *(
        (
            "resnet34",
            f"resnet34 --stage conv5_x --operator {operator}",
            {"stage": "conv5_x", "operator": operator},
        )
        for operator in OPERATORS
    ),
    (
        "resnet50-fpn",
        "resnet50-fpn --stage conv5_x --kernel 1",
        {"stage": "conv5_x", "kernel": 1},
    ),
]


@pytest.mark.parametrize(("name", "line", "options"), LINES, ids=str)
def test_the_lines_of_csv_add_up_to_its_total_which_is_the_networks(name, line, options):
    status, out, err = layers(f"{line} --format csv")
    assert (status, err) == (0, "")
    *lines, last = csv.DictReader(io.StringIO(out))
    assert last["layer"] == "total"
    sums = total(rows_of(name, **options))._asdict()
    for column in ("parameters", "macs", "products"):
        assert sum(int(each[column]) for each in lines) == int(last[column]) == sums[column]
    assert list(dict.fromkeys(each["layer"] for each in lines)) == [
        row.name for row in rows_of(name, **options)
    ]


def test_json_says_what_csv_says():
    line = "resnet50 --stage conv3_x --operator xvolution_global"
    found = json.loads(layers(f"{line} --format json")[1])
    *lines, last = csv.DictReader(io.StringIO(layers(f"{line} --format csv")[1]))
    assert found["network"] == "ResNet-50 with xvolution_global in conv3_x"
    assert found["input"] == [3, 224, 224]
    assert {name: int(last[name]) for name in found["total"]} == found["total"]
    steps = [
        (layer["layer"], layer["kind"], step["name"], step["macs"])
        for layer in found["layers"]
        for step in layer["steps"] or [{"name": "", "macs": 0}]
    ]
    assert steps == [
        (each["layer"], each["kind"], each["step"], int(each["macs"])) for each in lines
    ]
    for layer in found["layers"]:
        assert layer["macs"] == sum(step["macs"] for step in layer["steps"])


def test_the_table_shows_every_step_that_takes_something_and_the_totals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # its width is its own, so that nothing is cut off
    status, out, _ = layers("alexnet")
    rows = rows_of("alexnet")
    shown = [line.split() for line in out.splitlines()]
    assert status == 0
    assert [words[0] for words in shown if words and words[0] in {row.name for row in rows}] == [
        row.name for row in rows if row.parts
    ]
    assert ["total", "60,965,224", "724,406,816"] in [words[:3] for words in shown]
    assert "…" not in layers("resnet50 --stage conv3_x --operator xvolution_global")[1]


def test_another_size_is_another_network_where_a_product_follows():
    def fc6(line):
        *lines, _ = csv.DictReader(io.StringIO(layers(f"{line} --format csv")[1]))
        return next(each["in"] for each in lines if each["layer"] == "fc6")

    assert (fc6("vgg16"), fc6("vgg16 --input 64x96")) == ("25088", str(512 * 2 * 3))
    assert (fc6("alexnet"), fc6("alexnet --input 67x99")) == ("9216", str(256 * 1 * 2))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "resnet18",
            "network must be one of resnet34, resnet50, resnet50-fpn, alexnet, vgg16, not",
        ),
        ("resnet50 --stage conv1", "stage must be one of conv2_x, conv3_x, conv4_x, conv5_x or"),
        ("resnet50 --operator sum --stage conv3_x", "operator must be one of conv2d, pssa,"),
        ("resnet50 --kernel 2 --stage conv3_x", "the attention kernel's side must be odd, not 2"),
        ("resnet50 --version 3", "version must be one of 1.5, 1, not '3'"),
        ("resnet50 --input 224", "input must be height x width as in 224x224, not '224'"),
        ("resnet50 --input 0x4", "an image must be at least 1×1, not 0×4"),
        ("alexnet --stage conv3_x", "alexnet must be built without a stage"),
        ("alexnet --input 30x300", "an image for AlexNet must be at least 67×67, not 30×300"),
    ],
)
def test_what_there_is_not_is_one_sentence_and_status_2(line, sentence):
    status, out, err = layers(line)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 1


def test_help_has_examples_that_work():
    status, out, _ = layers("--help")
    assert status == 0
    examples = [line.strip(" │") for line in out.splitlines() if "refimpl layers " in line]
    examples = [line for line in examples if "Usage" not in line]
    assert len(examples) == 4
    for example in examples:
        assert layers(example.removeprefix("refimpl layers "))[0] == 0
