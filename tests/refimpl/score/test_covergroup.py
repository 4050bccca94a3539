"""Points in SystemVerilog: the same ids; a simulator's counts come back, and are ours."""

import pytest

from refimpl.score.catalogue import CATALOGUE
from refimpl.score.covergroup import covergroups, imported, read_hits


@pytest.mark.parametrize("operator", CATALOGUE)
def test_every_point_is_a_coverpoint_under_its_own_id(operator):
    text = covergroups([operator])
    for point in CATALOGUE[operator].points:
        assert text.count(f"\\{operator}/{point.id} : coverpoint") == 1
        assert f'"{operator}/{point.id} %0d"' in text


@pytest.mark.small
def test_counts_are_read_from_whatever_a_simulator_prints():
    text = "run 1\nconv2d.int8/pad.above 3\nconv2d.int8/pad.above 4\nnonsense 7\n- done 1ps"
    assert read_hits(text) == {"conv2d.int8/pad.above": 7}
    rows = {row.point.id: row for row in imported(read_hits(text))}
    assert (rows["pad.above"].hits, rows["pad.above"].first) == (7, "simulator")
    assert (rows["pad.below"].hits, rows["pad.below"].first) == (0, None)
    with pytest.raises(ValueError, match="none names a point"):
        read_hits("hello")
