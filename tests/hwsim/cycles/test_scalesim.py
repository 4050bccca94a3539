"""SCALE-Sim's convention by hand; ``tests/oracles/test_scalesim.py`` runs the package itself."""

import numpy as np
import pytest
from hypothesis import given, settings

from hwsim.cycles.scalesim import DATAFLOWS, output_size, report
from tests.hwsim.strategies import arrays, gemms


def test_a_product_by_hand():
    """10 x 6 x 5 on 4 x 3: os has 3 x 2 folds of 5 + 4 + 3 - 2, ws 2 x 2 of 10 + 8 + 3 - 2."""
    output, weight = (report(10, 6, 5, 4, 3, flow) for flow in ("os", "ws"))
    assert output.total_cycles == 6 * 10 - 1
    assert weight.total_cycles == 4 * 19 - 1
    assert output[3:] == (2 * 10 * 5, 3 * 5 * 6, 10 * 6 + 6 * 7)
    assert weight[3:] == (2 * 10 * 5, 5 * 6, 2 * 10 * 6)
    assert output.mapping_efficiency == pytest.approx(100 * 60 / 72)
    assert output.compute_utilisation == pytest.approx(100 * 60 / 72 * 5 / 10)
    assert weight.compute_utilisation == pytest.approx(100 * 30 / 48 * 10 / 21)


@settings(deadline=None)
@given(gemms, arrays)
def test_its_own_efficiency_never_exceeds_the_whole(gemm, array):
    for flow in DATAFLOWS:
        said = report(*gemm, array.rows, array.cols, flow)
        assert 0 < said.compute_utilisation <= said.mapping_efficiency <= 100


def test_arrays_give_what_their_elements_give():
    sizes = np.random.default_rng(0).integers(1, 90, (5, 30))
    for flow in DATAFLOWS:
        whole = report(*sizes, flow)
        each = [report(*column, flow) for column in sizes.T]
        for name in whole._fields:
            assert list(getattr(whole, name)) == [getattr(one, name) for one in each]


@pytest.mark.parametrize(("size", "kernel", "stride", "rows"), [(227, 11, 4, 55), (7, 3, 2, 3)])
def test_output_sizes_as_it_rounds_them(size, kernel, stride, rows):
    assert output_size(size, kernel, stride) == rows


def test_an_unknown_dataflow_is_refused():
    with pytest.raises(
        ValueError, match=r"^SCALE-Sim dataflow must be one of os, ws, is, not 'rs'"
    ):
        report(1, 1, 1, 1, 1, "rs")
