import pytest
from hypothesis import given, settings

from hwsim.cycles import array_cycles
from hwsim.dataflow import DATAFLOWS, OUTPUT_STATIONARY, WEIGHT_STATIONARY
from hwsim.machine import Array
from hwsim.workload import Gemm
from tests.hwsim.strategies import arrays, dataflow_names, gemms


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        (1, 1, 2),  # one product, one cycle to drain it
        (2, 2, 6),  # 2 streamed + 2 skew + 2 drain
        (4, 2, 32),  # four folds of the next size up: 4 x (4 + 2 + 2)
    ],
)
def test_square_product_by_hand(size, side, expected):
    array = Array(rows=side, cols=side)
    assert array_cycles(Gemm(size, size, size), array, OUTPUT_STATIONARY).total == expected


def test_a_remainder_fold_by_hand():
    """K = 3 on two rows: folds of 2 and 1 rows, each streaming M = 5 past N = 2 columns."""
    first = 2 + 5 + (2 + 2 - 2)
    second = 1 + 5 + (1 + 2 - 2)
    cycles = array_cycles(Gemm(5, 2, 3), Array(rows=2, cols=2), WEIGHT_STATIONARY)
    assert cycles == (first + second, 5 + 5, 0)


@settings(deadline=None)
@given(gemm=gemms, array=arrays, name=dataflow_names)
def test_no_array_beats_its_peak(gemm, array, name):
    cycles = array_cycles(gemm, array, DATAFLOWS[name])
    assert gemm.macs <= cycles.streamed * array.macs_per_cycle
    assert cycles.streamed < cycles.total


@settings(deadline=None)
@given(gemm=gemms, array=arrays)
def test_swapping_the_operands_swaps_weight_and_input_stationary(gemm, array):
    swapped = Gemm(gemm.n, gemm.m, gemm.k)
    weight = array_cycles(gemm, array, DATAFLOWS["weight-stationary"])
    assert weight == array_cycles(swapped, array, DATAFLOWS["input-stationary"])
