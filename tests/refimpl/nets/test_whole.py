"""A whole network fused: the same answers, counted before and after, and judged."""

from dataclasses import replace

import numpy as np
import pytest

from refimpl.nets import whole
from refimpl.nets.branches import ATTENTION
from refimpl.nets.fold import fuse_network
from refimpl.nets.shapes import node_shapes, total
from refimpl.nets.small import small
from tests.refimpl.nets.blank import drawn_parameters

X = np.random.default_rng(3).standard_normal((2, 1, 10, 9))


@pytest.mark.parametrize("operator", ATTENTION)
def test_every_x_volution_and_the_network_are_counted_before_and_after(operator):
    network = small(operator, classes=3)
    done = whole.fuse_whole(network, drawn_parameters(network), X)
    assert done.passed
    assert done.of_bound < 1e-3
    names = [row.name for row in done.replaced]
    assert names == ["conv2_1.conv1", "conv2_1.conv2", "whole network"]
    form = "feature" if operator == "xvolution" else "branches"
    assert {row.form for row in done.replaced[:-1]} == {form}
    assert {row.attention for row in done.replaced[:-1]} == {ATTENTION[operator]}
    for row, before, after in zip(done.replaced[-1:], [network], [done.network], strict=True):
        counts = [total(node_shapes(each, 10, 9, channels=1)).macs for each in (before, after)]
        assert [row.macs_before, row.macs_after] == counts
    assert all(row.macs_before == row.macs_after > 0 for row in done.replaced)


def test_a_fused_weight_that_is_off_is_noticed(monkeypatch):
    def off(network, parameters):
        fused, folded = fuse_network(network, parameters)
        folded["conv2_1.conv1"]["w"][0, 0, 1, 1] *= 1.001
        return fused, folded

    monkeypatch.setattr(whole, "fuse_network", off)
    network = small("xvolution", classes=3)
    assert not whole.fuse_whole(network, drawn_parameters(network), X).passed


def test_a_network_that_answers_zero_must_answer_zero_fused():
    network = small("xvolution", classes=3)
    done = whole.fuse_whole(network, drawn_parameters(network), X)
    assert replace(done, difference=0.0, largest=0.0).passed
    assert not replace(done, difference=1e-300, largest=0.0).passed
    assert not replace(done, difference=float("nan")).passed
