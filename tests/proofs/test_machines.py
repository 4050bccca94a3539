"""What the page says of each machine is read off the study, and off nothing else."""

from hwsim import preset
from proofs.answers import ANSWERS
from proofs.machines import FORMS, FUSED, MACHINES, PLAIN, STAGES, row, runs, support, tables


def test_some_machines_run_x_volution_and_some_do_not_as_the_answer_says():
    able = {each for each in MACHINES if runs(each, FUSED)}
    assert set() < able < set(MACHINES)
    assert {support(each, FUSED) for each in able} == {"native"}
    assert "some of those modelled only convolve" in ANSWERS["A6"].why


def test_support_is_that_of_the_weakest_kind_a_form_needs():
    assert {support(each, PLAIN) for each in MACHINES} == {"native"}
    assert support("gemmini-default", FUSED) == "not executable"
    assert str(preset("gemmini-default").supports("multiply").level) == "not executable"
    assert support("davinci-310p", "attention") == "emulated"


def test_an_address_is_no_copy_and_counts_as_native():
    assert "emulated: a second read at another address" in dict(
        row("tpu-v1", "conv5_x", FUSED).supports
    ).get("shift", "")
    assert support("tpu-v1", FUSED) == "native"


def test_the_tables_have_a_row_for_every_form_and_a_column_for_every_machine():
    lines = [line for line in tables().splitlines() if line.startswith("|")]
    assert len(lines) == 3 * (2 + len(FORMS) - 1)
    assert {line.count("|") for line in lines} == {len(MACHINES) + 2}


def test_a_cell_counts_the_stages_in_which_a_form_is_friendly():
    named = f"| {FORMS[FUSED]} |"
    cells = next(line for line in tables().splitlines() if line.startswith(named)).split(" | ")
    tpu = cells[1 + MACHINES.index("tpu-v1")]
    assert tpu.strip(" |") == str(sum(row("tpu-v1", stage, FUSED).friendly for stage in STAGES))
