from io import StringIO

from rich.console import Console

from hwsim.evaluate import compare_forms, estimate
from hwsim.io import preset
from hwsim.machine import constants, with_vector_unit
from hwsim.networks import network
from hwsim.report.table import forms_table, layer_table, machine_table


def lines(table):
    console = Console(width=170, file=StringIO())
    console.print(table)
    return console.file.getvalue().splitlines()


def cells(line):
    return [cell.strip() for cell in line.strip("│ ").split("│")]


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
    assert [row[10:13] for row in rows if row[0] == "convolution"] == [["1.00", "1.00", "1.00"]]
    for row in rows:
        cycles, work, efficiency = (float(cell) for cell in row[10:13])
        assert abs(cycles - work / efficiency) < 0.02 * cycles


def test_a_machine_is_shown_with_every_source():
    machine = preset("gemmini-default")
    shown = " ".join(" ".join(cells(line)) for line in lines(machine_table(machine)))
    for key in constants(machine):
        assert key in shown
    assert "Configs.scala" in shown
