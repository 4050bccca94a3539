"""Bounds of the stages before an output, for devices that sum in their own order."""

from dataclasses import replace
from math import isinf

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.adders import BINARY32
from refimpl.bitexact.bounds import bound_stages, class_of, is_ordered
from refimpl.bitexact.formats import FORMATS, decode
from refimpl.bitexact.outputs import is_output
from refimpl.vectors.case import pipeline
from refimpl.vectors.stages import stages
from tests.refimpl.bitexact.fractions_model import nearest
from tests.refimpl.bitexact.test_adders import CLASSES as ADDERS
from tests.refimpl.bitexact.test_adders import Simulated, bounded
from tests.refimpl.bitexact.test_bounds import Device, exactly, ordinary, output_of, within
from tests.refimpl.bitexact.test_bounds_of_outputs import (
    CLASSES,
    SAME_CLASS,
    by_id,
    declared,
    inside,
)
from tests.refimpl.bitexact.test_operators import fp32_calls

SUMMING = ["conv2d", "pssa", "xvolution_fused"]
MOVED = ("shifted", "product", "padded", "columns")


def before(case):
    """Every stage of a case but its outputs."""
    return {
        name: decode(array)
        for name, array in pipeline(case).items()
        if not is_output(case.operator, name, case.attributes)
    }


@by_id
def test_every_stage_has_a_bound_or_is_only_moved_or_is_known_to_have_none(case):
    found = bound_stages(case.operator, case.tensors, case.attributes)
    for name, array in stages(case).items():
        if (
            is_output(case.operator, name, case.attributes)
            or name.rpartition("_")[2] in MOVED
            or is_ordered(name)
        ):
            assert name not in found
        else:
            assert found[name].reference.shape == found[name].bound.shape == array.shape
            assert np.isfinite(found[name].bound).all()


@by_id
@pytest.mark.parametrize("order", [{}, *SAME_CLASS.values()], ids=["declared", *SAME_CLASS])
def test_stages_of_any_other_order_of_the_class_stay_within_their_bounds(case, order):
    found = bound_stages(case.operator, case.tensors, case.attributes)
    for name, got in before(declared(case, order) if order else case).items():
        if name in found:
            assert inside(got, found[name]).all(), name


@by_id
@pytest.mark.parametrize("name", CLASSES)
def test_stages_of_any_declared_sum_are_within_the_bounds_of_its_class(case, name):
    coarse = declared(case, CLASSES[name])
    adders = class_of(coarse.operator, coarse.attributes)
    found = bound_stages(coarse.operator, coarse.tensors, coarse.attributes, adders)
    for stage, got in before(coarse).items():
        if stage in found:
            assert inside(got, found[stage]).all(), stage


@pytest.mark.parametrize("name", ADDERS)
@pytest.mark.parametrize("tree", [False, True])
@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=8)
def test_an_accumulator_summed_in_a_random_order_of_the_class_is_within_its_bound(
    name, tree, data, seed
):
    """In exact fractions; the sum as it is before a bias that comes last."""
    operator = data.draw(st.sampled_from(SUMMING))
    tensors, attributes = data.draw(fp32_calls(operator))
    if any((np.abs(each) > 2.0**60).any() for each in tensors.values()):
        return  # products that overflow have no bound in any class
    if name == "exact products":
        if operator != "conv2d":
            return  # a product of three numbers is no number of binary32
        tensors = {
            key: each.astype(ml_dtypes.bfloat16).astype(np.float32) for key, each in tensors.items()
        }
    attributes = {**attributes, "accumulation": {"bias": "last"}}
    of = bound_stages(operator, tensors, attributes, ADDERS[name])["accumulator"]
    device = Simulated(np.random.default_rng(seed), ADDERS[name], tree=tree)
    alone = {key: array for key, array in tensors.items() if key != "b"}
    values = output_of(operator, alone, attributes, device)
    allowed = zip(of.bound.reshape(-1).tolist(), bounded(values, of), strict=True)
    assert all(isinf(bound) or ok for bound, ok in allowed)


@pytest.mark.parametrize("name", ["fp16 accumulator", "bf16 truncated", "narrow aligned"])
@pytest.mark.parametrize("operator", SUMMING)
def test_an_accumulator_of_a_coarser_class_goes_outside(name, operator):
    tensors, attributes = ordinary(operator, side=6)
    alone = {key: array for key, array in tensors.items() if key != "b"}
    device = Simulated(np.random.default_rng(5), ADDERS[name])
    values = output_of(operator, alone, attributes, device)
    own = bound_stages(operator, tensors, attributes, ADDERS[name])["accumulator"]
    fine = bound_stages(operator, tensors, attributes)["accumulator"]
    assert all(bounded(values, own))
    assert within(values, fine).count(False) > len(within(values, fine)) / 2


@pytest.mark.parametrize("operator", SUMMING)
def test_an_accumulator_has_the_bias_only_where_it_comes_first(operator):
    tensors, attributes = ordinary(operator)
    exact = Device(np.random.default_rng(0), rounds=False)
    alone = {key: array for key, array in tensors.items() if key != "b"}
    for order, right, wrong in (("last", alone, tensors), ("first", tensors, alone)):
        of = bound_stages(operator, tensors, {**attributes, "accumulation": {"bias": order}})
        assert all(within(output_of(operator, right, attributes, exact), of["accumulator"]))
        assert not any(within(output_of(operator, wrong, attributes, exact), of["accumulator"]))
        assert all(within(output_of(operator, tensors, attributes, exact), of["biased"]))


@by_id
def test_an_accumulator_that_lost_a_channel_goes_outside(case):
    found = bound_stages(case.operator, case.tensors, case.attributes)
    x = case.tensors["x"].copy()
    x[:, 0] = 0
    wrong = before(replace(case, tensors={**case.tensors, "x": x}))
    for name in found:
        if name.endswith("accumulator"):
            assert not inside(wrong[name], found[name]).all(), name


@pytest.mark.small
def test_a_stage_in_a_narrower_format_than_the_sums_of_the_device_is_the_cast_of_its_sum():
    tensors, attributes = ordinary("conv2d")
    narrow = {**attributes, "accumulation": {"format": "bf16"}}
    of = bound_stages("conv2d", tensors, narrow, BINARY32)["accumulator"]
    device = Device(np.random.default_rng(2))
    alone = {key: array for key, array in tensors.items() if key != "b"}
    for value, reference, bound in zip(
        output_of("conv2d", alone, narrow, device).flat,
        of.reference.flat,
        of.bound.flat,
        strict=True,
    ):
        assert abs(nearest(value, FORMATS["bf16"]) - exactly(reference)) <= exactly(bound)
    assert (of.bound == 0).mean() > 0.5  # both ends of the sum cast to one number
