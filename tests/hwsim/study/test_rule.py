"""Every criterion of the rule can fail alone, and dropping it lets the case pass."""

import pytest

from hwsim.io import preset
from hwsim.lowering import backward, write
from hwsim.machine import Support
from hwsim.study import Growth, Thresholds, judge
from hwsim.study.rule import CRITERIA, DYNAMIC, PRODUCT, kinds_of
from hwsim.workload import Convolution
from tests.hwsim.strategies import machine

SITE = Convolution(
    in_channels=8, out_channels=8, height=5, width=5, kernel_h=3, kernel_w=3, padding=1
)
FINE = Growth(1.0, 2.0, None, None)


def verdict(**changes):
    graph = write("xvolution-fused", SITE)
    asked = {
        "efficiency_ratio": 1.0,
        "exposed_share": 0.0,
        "grows": FINE,
        "kinds": kinds_of(graph.steps, graph),
        "plain_kinds": ("convolution",),
        "primitives": graph.primitives,
        "machine": machine(),
        "thresholds": Thresholds(),
    }
    return judge(**(asked | changes))


BREAKS = {
    "efficiency": {"efficiency_ratio": 0.89},
    "exposed vector": {"exposed_share": 0.11},
    "no n x n": {"grows": FINE._replace(quadratic="scores")},
    "no C2K2n": {"grows": FINE._replace(kernels="kernels")},
    "primitives": {"kinds": ("convolution", "softmax")},
    "native": {"machine": machine(support={"convolution": Support(level="emulated", how="so")})},
}


def test_every_criterion_has_a_case_that_breaks_it():
    assert tuple(BREAKS) == CRITERIA
    assert verdict().friendly


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_criterion_fails_alone(criterion):
    found = verdict(**BREAKS[criterion])
    assert not found.friendly
    assert set(found.failed) == {criterion}


@pytest.mark.parametrize(
    ("criterion", "thresholds"),
    [
        ("efficiency", Thresholds(efficiency=0.8)),
        ("exposed vector", Thresholds(exposed_vector=0.2)),
        ("native", Thresholds(allow_emulated=True)),
    ],
)
def test_another_threshold_lets_it_pass(criterion, thresholds):
    assert verdict(**BREAKS[criterion], thresholds=thresholds).friendly


def test_what_is_not_executable_is_never_forgiven():
    bare = preset("scalesim-default")
    assert "native" in verdict(machine=bare, thresholds=Thresholds(allow_emulated=True)).failed


def test_a_shift_by_address_is_native_enough_and_a_copied_one_is_not():
    copying = machine(support={"shift": Support(level="emulated", how="a copy by the mover")})
    assert verdict(machine=machine()).friendly
    assert verdict(machine=copying).failed == {"native": "shift"}


def test_products_of_activations_and_kernels_from_data_are_no_convolutions():
    def kinds(form):
        graph = write(form, SITE)
        return kinds_of(graph.steps, graph)

    assert kinds("xvolution-fused") == ("shift", "elementwise", "convolution")
    assert PRODUCT in kinds("attention-unnormalised")
    assert DYNAMIC in kinds("xvolution-sa")
    assert kinds("xvolution-kernel-local") == ("convolution", "per-pixel")


def test_a_backward_pass_may_need_what_that_of_a_convolution_needs():
    plain, fused = (backward(write(form, SITE)) for form in ("convolution", "xvolution-fused"))
    kinds = [kinds_of(each.graph.steps[each.first :], each.graph) for each in (plain, fused)]
    assert "product of activations" in kinds[0]
    assert verdict(kinds=kinds[1], plain_kinds=kinds[0]).friendly
    assert not verdict(kinds=kinds[1]).friendly


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"efficiency": -1}, "thresholds.efficiency must be a number from 0 to 2, not -1"),
        ({"exposed_vector": "x"}, "thresholds.exposed_vector must be a number from 0 to 2"),
        ({"allow_emulated": 1}, "thresholds.allow_emulated must be true or false, not 1"),
    ],
)
def test_thresholds_that_are_none_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        Thresholds(**changes)
