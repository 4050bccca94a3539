from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from hwsim.evaluate import compare_forms, estimate
from hwsim.io import preset, preset_names
from hwsim.machine import SUPPORTED_KINDS, constants, with_vector_unit
from hwsim.networks import network
from hwsim.report.machines import machine_table, machines_table, support_table
from hwsim.report.table import evidence_lines, forms_table, layer_table


def lines(table):
    console = Console(width=230, file=StringIO())
    console.print(table)
    return console.file.getvalue().splitlines()


def cells(line):
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def first_lines(table):
    """Cells of every row, of those that wrap the first line."""
    split = [line.split("│")[1:-1] for line in lines(table) if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in split if row[0].strip()]


def test_the_table_has_a_line_per_layer_and_the_total():
    result = estimate(network("resnet34"), preset("tpu-v1"))
    rows = [cells(line) for line in lines(layer_table(result)) if line.startswith("│")]
    assert [row[0] for row in rows] == [*(layer.name for layer in result.layers), "total"]
    for row, layer in zip(rows, result.layers, strict=False):
        total, *parts = (int(cell.replace(",", "")) for cell in row[2:9])
        assert total == sum(parts) == layer.cost.cycles
    assert rows[-1][2] == f"{result.cost.cycles:,}"


def test_a_hypothetical_vector_unit_is_named_in_the_title():
    unit = with_vector_unit(preset("scalesim-default"), 8)
    result = estimate(network("resnet34").only("conv1"), unit)
    assert "+ hypothetical vector unit of 8 lanes" in lines(layer_table(result))[0]


def test_cycles_relative_to_the_plain_form_are_work_over_efficiency():
    compared = compare_forms("resnet34", "conv5_x", preset("tpu-v1"))
    rows = [cells(line) for line in lines(forms_table(compared)) if line.startswith("│")]
    assert [row[0] for row in rows] == list(compared)
    assert [row[13:16] for row in rows if row[0] == "convolution"] == [["1.00", "1.00", "1.00"]]
    for row in rows:
        cycles, work, efficiency = (float(cell) for cell in row[13:16])
        if not compared[row[0]].cost.macs:  # all of it on the vector unit
            assert work == efficiency == 0
            continue
        rounded = 0.005 * (1 + 1 / efficiency + work / efficiency**2)  # of three printed numbers
        assert abs(cycles - work / efficiency) < 1.1 * rounded


def test_a_machine_is_shown_with_every_source():
    machine = preset("gemmini-default")
    shown = " ".join(" ".join(cells(line)) for line in lines(machine_table(machine)))
    for key in constants(machine):
        assert key in shown or key == "support"
    assert "Configs.scala" in shown


@pytest.mark.parametrize("name", preset_names())
def test_a_machine_is_shown_with_what_it_executes(name):
    machine = preset(name)
    rows = {row[0]: row[1] for row in first_lines(support_table(machine))}
    assert list(rows) == list(SUPPORTED_KINDS)
    for kind in SUPPORTED_KINDS:
        assert str(machine.supports(kind)).startswith(rows[kind])


def test_machines_are_listed_one_by_one():
    machines = [preset(name) for name in preset_names()]
    rows = first_lines(machines_table(machines))
    assert [row[0] for row in rows] == list(preset_names())
    arrays = {row[0]: row[1] for row in rows}
    assert arrays["nvdla-full"] == "32 trees of 64"
    assert arrays["davinci-310p"] == "16x16x16"
    assert arrays["eyeriss-v1"] == "12x14"


def test_the_letters_of_the_last_column_are_explained_and_so_is_the_energy():
    result = estimate(network("resnet34").only("conv1", "maxpool", "fc"), preset("tpu-v1"))
    rows = [cells(line) for line in lines(layer_table(result)) if line.startswith("│")]
    explained = evidence_lines(result)
    assert [row[-1] for row in rows] == ["a", "b", "c", "abc"]
    assert [line[:3] for line in explained[:3]] == ["a: ", "b: ", "c: "]
    assert all("horowitz-45nm (45 nm)" in line for line in explained[:3])
    assert explained[3].startswith("mappings: 572 into equal tiles and 556 others searched")
    assert explained[4].startswith("energy: without register, array")
    assert "horowitz-45nm (45 nm)" in lines(layer_table(result))[0]


def test_without_a_table_there_is_no_energy_and_it_says_how_to_get_one():
    unit = replace(preset("tpu-v1"), energy=None, sources={})
    result = estimate(network("resnet34").only("conv1"), unit)
    assert evidence_lines(result)[-1].startswith("energy: none, as the machine names no table")
