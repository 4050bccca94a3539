"""The numbers on docs/networks.md are those of the code."""

import re
from pathlib import Path

import pytest

from refimpl.nets.catalogue import NETWORKS, build
from refimpl.nets.resnet import STAGES
from refimpl.nets.shapes import node_shapes, total
from refimpl.nets.sites import OPERATORS

PAGE = (Path(__file__).parents[3] / "docs" / "networks.md").read_text()


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def table(start):
    """Rows of the table whose heading starts so, the heading first, the rule left out."""
    lines = iter(PAGE[PAGE.index(start) :].splitlines())
    rows = []
    for line in lines:
        if not line.startswith("|"):
            return [rows[0], *rows[2:]]
        rows.append(cells(line))
    raise AssertionError(start)


def sums(name, **options):
    entry = NETWORKS[name]
    return total(node_shapes(build(name, **options), entry.height, entry.width))


def test_the_totals_of_the_plain_networks_are_ours():
    _, *rows = table("| `refimpl layers` | input")
    known = set()
    for command, size, *counts in rows:
        name, *version = command.strip("`").split(" --version ")
        known.add(name)
        counted = sums(name, **({"version": version[0]} if version else {}))
        assert size == f"{NETWORKS[name].height}×{NETWORKS[name].width}"
        assert counts == [f"{count:,}" for count in counted[1:]]
    assert known == set(NETWORKS)


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "resnet50-fpn"])
def test_every_cell_of_the_tables_by_stage_is_ours(name):
    heading, *rows = table(f"| `{name}`, operator |")
    stages = heading[1:]
    assert set(stages) <= set(STAGES)
    assert [row[0] for row in rows] == [f"`{operator}`" for operator in OPERATORS]
    for operator, row in zip(OPERATORS, rows, strict=True):
        for stage, cell in zip(stages, row[1:], strict=True):
            counted = sums(name, stage=stage, operator=operator)
            assert cell == (
                f"{counted.parameters / 1e6:.2f} / {counted.macs / 1e9:.2f}"
                f" / {counted.products / 1e6:.1f}"
            )


@pytest.mark.parametrize(("inputs", "outputs", "stage"), [(64, 64, "conv2_x")])
def test_the_formulas_at_one_site_are_ours(inputs, outputs, stage):
    """c = o = 64 at 56×56: what a table of formulas says, evaluated."""
    pixels = 56 * 56
    _, *rows = table("| operator | parameters | MACs at stride 1")
    values = {"c": inputs, "o": outputs, "n": pixels}

    def evaluate(text):
        words = re.split(r"[:,]", text)[0].replace("·", "*")
        return eval(re.sub(r"(\d)\(", r"\1*(", words), {}, values)  # noqa: S307 - our own page

    for operator, parameters, macs in rows:
        name = operator.strip("`")
        network = build("resnet34", stage=stage, operator=name)
        row = {row.name: row for row in node_shapes(network, 224, 224)}["conv2_2.conv1"]
        norms = sum(part.parameters for part in row.parts if part.name == "normalisation")
        assert row.parameters - norms == evaluate(parameters), name
        assert row.macs == evaluate(macs), name
