"""A band of a shifted map reads its halo, and past an edge the rows of the other one."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import evaluate
from hwsim.bands import rows_read
from hwsim.evaluate import cost_layers
from hwsim.execute import execute
from hwsim.execute.memory import Memory, Shifted
from hwsim.lowering import Options, write
from hwsim.machine import Mover
from hwsim.workload import Convolution, Elementwise, Layer
from refimpl import shift
from tests.hwsim.strategies import buffers, machine
from tests.lowering.cases import cases, numbers


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(-7, 7),
    st.integers(-7, 7),
    st.booleans(),
)
def test_rows_of_a_shifted_map_are_those_of_the_shift(height, width, down, right, circular):
    x = np.arange(2 * height * width).reshape(1, 2, height, width)
    memory = Memory({"x": x})
    memory.shifted["s"] = Shifted("x", down, right, circular)
    boundary = "circular" if circular else "zero"
    assert (memory.whole("s") == shift(x, offset=(down, right), boundary=boundary)).all()


def test_the_first_band_of_a_map_shifted_up_reads_the_last_row():
    memory = Memory({"x": np.zeros((1, 1, 8, 3))})
    memory.shifted["up"] = Shifted("x", -1, 0, circular=True)
    touched = set()
    memory.rows("up", [0, 1], touched)
    assert touched == {("x", 7), ("x", 0)}


def loaded(options, mover=None):
    """Numbers that the shift product of a 1 × 2 × 8 × 3 map loads in bands of two rows."""
    site = Convolution(in_channels=2, height=8, width=3, out_channels=1)
    graph = write("pssa", site, options)
    given = numbers(graph, 0)
    unit = machine(buffers=replace(buffers(4096, double=False), ifmap_bytes=48), mover=mover)
    done = execute(graph, given, unit).measured
    place = [step.function for step in graph.steps].index("multiply")
    return done[place].loaded


ROW = 2 * 3


@pytest.mark.parametrize("length", [1, 2, 3])
def test_four_directions_read_every_row_once_and_a_halo_on_both_sides_of_a_band(length):
    """Four bands of two rows; its halo are the rows around it that it has not itself."""
    options = Options(length=length)
    halo = {1: 2, 2: 4, 3: 4}[length]
    assert loaded(options) == 4 * (2 + halo) * ROW


def test_past_the_edge_of_an_image_padded_with_zeros_nothing_is_read():
    assert loaded(Options(boundary="zero")) == (4 * (2 + 2) - 2) * ROW


def test_a_shift_by_copy_reads_the_copies_and_no_halo():
    copying = Mover(bytes_per_cycle=Fraction(1), shift="copy")
    assert loaded(Options(), copying) == 8 * (1 + 4) * ROW


SHIFTING = ("pssa", "xvolution-fused", "xvolution-square", "xvolution-shared")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SHIFTING).flatmap(cases))
def test_what_is_costed_as_read_is_what_running_it_loads(case):
    form, *_, graph, numbers_, unit = case
    measured = execute(graph, numbers_, unit).measured
    found = 0
    for step, each in zip(graph.steps, measured, strict=True):
        work = step.primitive
        if isinstance(work, Elementwise) and work.reads is not None:
            layer = Layer(name=form, form=form, primitives=(work,))
            (priced,) = cost_layers([layer], unit)
            assert priced.cost.dram_read_bytes == each.loaded * unit.operand_bytes
            found += 1
    assert found


def test_rows_that_forget_to_wrap_around_are_seen_to_differ(monkeypatch):
    def stopping(height, band, reach, *, circular):
        return rows_read(height, band, reach, circular=False)

    def read():
        site = Convolution(in_channels=2, height=8, width=3, out_channels=1)
        work = write("pssa", site).primitives[4]
        unit = machine(buffers=replace(buffers(4096, double=False), ifmap_bytes=48))
        layer = Layer(name="pssa", form="pssa", primitives=(work,))
        return cost_layers([layer], unit)[0].cost.dram_read_bytes

    assert read() == loaded(Options())
    monkeypatch.setattr(evaluate, "rows_read", stopping)
    assert read() != loaded(Options())
