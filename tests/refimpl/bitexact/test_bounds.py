"""The bound against devices simulated in exact fractions, rounding where a device would."""

from fractions import Fraction
from math import isinf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.bounds import bound_output
from refimpl.bitexact.operators import PIPELINES
from tests.refimpl.bitexact import literal
from tests.refimpl.bitexact.softfloat import pack, unpack
from tests.refimpl.bitexact.test_operators import fp32_calls

CONVOLVING = ["conv2d", "pssa", "xvolution_fused", "xvolution"]
SHIFTS = {"directions": [[0, 1], [-1, 0]], "length": 1, "boundary": "circular"}
ETA = Fraction(1, 2**150)


def fl(value: Fraction) -> Fraction:
    return unpack(pack(value))


def exactly(value) -> Fraction:
    return Fraction(float(value))


class Device:
    """A member of the class, or exact: how it rounds, and in which tree it adds."""

    def __init__(self, rng, *, fused=False, tree=False, rounds=True):
        self.rng, self.fused, self.tree = rng, fused, tree
        self.fl = fl if rounds else lambda value: value

    def dot(self, pairs, bias):
        pairs = [pairs[at] for at in self.rng.permutation(len(pairs))]
        addends = [] if bias is None else [bias]
        if self.tree:
            addends += [self.fl(a * b) for a, b in pairs]
            while len(addends) > 1:
                at = int(self.rng.integers(len(addends) - 1))
                addends[at : at + 2] = [self.fl(addends[at] + addends[at + 1])]
            return addends[0] if addends else Fraction(0)
        total = addends[0] if addends else Fraction(0)
        for a, b in pairs:
            total = self.fl(total + (a * b if self.fused else self.fl(a * b)))
        return total


def augmented(operator, x, attributes, device):
    """What the convolution sees, as fractions; the shift product rounded as the device does."""
    plain = fractions(x)
    if operator == "conv2d":
        return plain
    shifted = fractions(literal.shifted_copies(x, attributes, np.float32(0)))
    repeated = np.concatenate([plain] * len(attributes["directions"]), axis=1)
    products = elementwise(lambda a, b: device.fl(a * b), repeated, shifted)
    return products if operator == "pssa" else np.concatenate([plain, products], axis=1)


def fractions(array):
    return elementwise(exactly, array)


def elementwise(function, *arrays):
    out = np.empty(arrays[0].shape, object)
    for at in np.ndindex(out.shape):
        out[at] = function(*(array[at] for array in arrays))
    return out


def convolved(operator, tensors, attributes, device):
    seen = augmented(operator, tensors["x"], attributes, device)
    w, b = fractions(tensors["w"]), tensors.get("b")
    rows, cols, pixel = literal.sides(seen, w, attributes)
    out = np.empty((len(seen), len(w), rows, cols), object)
    for n, o, i, j in np.ndindex(out.shape):
        places = [(tap, pixel(i, j, *tap[1:])) for tap in np.ndindex(w.shape[1:])]
        pairs = [(w[o, *tap], seen[n, tap[0], *at]) for tap, at in places if at is not None]
        out[n, o, i, j] = device.dot(pairs, None if b is None else exactly(b[o]))
    return out


def output_of(operator, tensors, attributes, device):
    if operator == "shift_product":
        return augmented("pssa", tensors["x"], attributes, device)
    if operator != "xvolution":
        return convolved(operator, tensors, attributes, device)
    branches = []
    for which, kind in (("c", "conv2d"), ("a", "pssa")):
        own = {"x": tensors["x"], "w": tensors[f"w_{which}"]}
        if f"b_{which}" in tensors:
            own["b"] = tensors[f"b_{which}"]
        branch = convolved(kind, own, attributes, device)
        for at in np.ndindex(branch.shape):
            s, t = (exactly(tensors[f"{each}_{which}"][at[1]]) for each in "st")
            product = branch[at] * s
            branch[at] = device.fl((product if device.fused else device.fl(product)) + t)
        branches.append(branch)
    return elementwise(lambda left, right: device.fl(left + right), *branches)


def magnitudes(tensors):
    return {name: np.abs(array) for name, array in tensors.items()}


def within(values, of):
    """Whether each exact value is within the bound of the reference, decided in fractions."""
    return [
        abs(values[at] - exactly(of.reference[at])) <= exactly(of.bound[at])
        for at in np.ndindex(values.shape)
    ]


def longest_path(operator, tensors, attributes):
    """Roundings on the longest path, counted by hand from the formulas; generous by two."""
    taps = max((array[0].size for name, array in tensors.items() if name[0] == "w"), default=0)
    return taps + 7


@pytest.mark.parametrize("operator", ["shift_product", *CONVOLVING])
@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_any_order_tree_or_fusion_of_the_class_stays_within_the_bound(operator, data, seed):
    tensors, attributes = data.draw(fp32_calls(operator))
    of = bound_output(operator, tensors, attributes)
    fused, tree = data.draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    device = Device(np.random.default_rng(seed), fused=fused, tree=tree)
    assert all(within(output_of(operator, tensors, attributes, device), of))


@pytest.mark.parametrize("operator", ["shift_product", *CONVOLVING])
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_the_reference_is_the_exact_value_within_its_own_claim(operator, data):
    tensors, attributes = data.draw(fp32_calls(operator))
    of = bound_output(operator, tensors, attributes)
    exact_device = Device(np.random.default_rng(0), rounds=False)
    exact = output_of(operator, tensors, attributes, exact_device)
    magnitude = output_of(operator, magnitudes(tensors), attributes, exact_device)
    m = longest_path(operator, tensors, attributes)
    share = (1 + Fraction(1, 2**53)) ** m - 1
    for at in np.ndindex(exact.shape):
        assert abs(exact[at] - exactly(of.reference[at])) <= share * magnitude[at]
    assert all(within(exact, of))


@pytest.mark.parametrize("operator", ["shift_product", *CONVOLVING])
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_our_own_output_is_within_the_bound(operator, data):
    tensors, attributes = data.draw(fp32_calls(operator))
    *_, output = PIPELINES[operator, "fp32"](tensors, attributes).values()
    assert all(within(fractions(output), bound_output(operator, tensors, attributes)))


def ordinary(operator, seed=0, side=4):
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    attributes = {} if operator == "conv2d" else dict(SHIFTS)
    inputs = {"conv2d": 2, "pssa": 4, "xvolution_fused": 6}.get(operator)
    tensors = {"x": numbers(1, 2, side, side)}
    if operator == "xvolution":
        tensors |= {"w_c": numbers(2, 2, 3, 3), "w_a": numbers(2, 4, 3, 3)}
        tensors |= {f"{name}_{of}": numbers(2) for name in "bst" for of in "ca"}
    else:
        tensors |= {"w": numbers(2, inputs, 3, 3), "b": numbers(2)}
    return tensors, attributes


@pytest.mark.parametrize("operator", CONVOLVING)
def test_the_bound_is_not_vacuous_on_ordinary_numbers(operator):
    """Below a thousandth of the sum of magnitudes, and within 1 % of the stated formula's m·u·M."""
    tensors, attributes = ordinary(operator)
    of = bound_output(operator, tensors, attributes)
    exact_device = Device(np.random.default_rng(0), rounds=False)
    magnitude = output_of(operator, magnitudes(tensors), attributes, exact_device)
    m = longest_path(operator, tensors, attributes)
    for at in np.ndindex(magnitude.shape):
        assert exactly(of.bound[at]) < magnitude[at] / 1000
        assert exactly(of.bound[at]) < Fraction(101, 100) * m * Fraction(1, 2**24) * magnitude[at]


@pytest.mark.parametrize("operator", CONVOLVING)
def test_a_device_with_products_in_half_precision_goes_outside(operator):
    tensors, attributes = ordinary(operator)
    of = bound_output(operator, tensors, attributes)
    sloppy = Device(np.random.default_rng(0))
    plain = sloppy.dot
    sloppy.dot = lambda pairs, bias: plain(
        [(exactly(np.float16(float(a * b))), Fraction(1)) for a, b in pairs], bias
    )
    inside = within(output_of(operator, tensors, attributes, sloppy), of)
    assert inside.count(False) > len(inside) / 2


@pytest.mark.parametrize("operator", CONVOLVING)
def test_a_device_that_drops_one_tap_goes_outside_everywhere(operator):
    tensors, attributes = ordinary(operator)
    of = bound_output(operator, tensors, attributes)
    kernels = "w_c" if operator == "xvolution" else "w"
    dropped = tensors[kernels].copy()
    dropped[:, 0, 1, 1] = 0  # the middle tap: every output sees it
    device = Device(np.random.default_rng(0))
    wrong = output_of(operator, tensors | {kernels: dropped}, attributes, device)
    assert not any(within(wrong, of))


@pytest.mark.small
def test_subnormal_products_need_and_get_more_than_the_relative_part():
    """Two products of 0.75·2⁻¹⁴⁹ round up by a quarter of a subnormal each."""
    tensors = {
        "x": np.full((1, 2, 1, 1), 2.0**-75, np.float32),
        "w": np.full((1, 2, 1, 1), 0.75 * 2.0**-74, np.float32),
    }
    of = bound_output("conv2d", tensors, {})
    output = PIPELINES["conv2d", "fp32"](tensors, {})["output"]
    off = abs(exactly(output.item()) - exactly(of.reference.item()))
    assert off == Fraction(1, 2) * Fraction(1, 2**149)
    assert off > Fraction(1, 1000) * exactly(of.reference.item())  # no relative bound allows that
    assert off <= exactly(of.bound.item()) <= Fraction(21, 10) * ETA


@pytest.mark.small
def test_an_underflow_in_the_shift_product_is_carried_through_a_large_weight():
    tensors = {
        "x": np.array([[[[0.75 * 2.0**-74, 2.0**-75]]]], np.float32),
        "w": np.full((1, 1, 1, 1), 2.0**100, np.float32),
    }
    attributes = {**SHIFTS, "directions": [[0, 1]]}
    of = bound_output("pssa", tensors, attributes)
    output = PIPELINES["pssa", "fp32"](tensors, attributes)["output"]
    assert output[0, 0, 0, 0] == 2.0**-49
    assert of.reference[0, 0, 0, 0] == 0.75 * 2.0**-49
    assert all(within(fractions(output), of))
    assert exactly(of.bound[0, 0, 0, 0]) < Fraction(101, 100) * 2**100 * ETA


@pytest.mark.small
def test_where_the_sum_of_magnitudes_may_overflow_there_is_no_bound():
    tensors = {
        "x": np.array([[[[2.0**127]], [[-(2.0**127)]]]], np.float32),
        "w": np.ones((1, 2, 1, 1), np.float32),
    }
    of = bound_output("conv2d", tensors, {})
    assert of.reference.item() == 0
    assert isinf(of.bound.item())


@pytest.mark.parametrize("operator", ["pssa", "xvolution_fused"])
@pytest.mark.parametrize("weight", [2.0**-60, 0.0])
def test_where_an_intermediate_product_overflows_there_is_no_bound_either(operator, weight):
    """x·x' = 2¹⁴⁰ is infinite on every device, however small the weight after it."""
    channels = {"pssa": 2, "xvolution_fused": 3}[operator]
    tensors = {
        "x": np.full((1, 1, 2, 2), 2.0**70, np.float32),
        "w": np.full((1, channels, 1, 1), weight, np.float32),
    }
    assert np.isinf(bound_output(operator, tensors, SHIFTS).bound).all()


@pytest.mark.parametrize("s", [2.0**-60, 0.0])
@pytest.mark.small
def test_an_overflow_before_the_scale_of_a_branch_leaves_no_bound(s):
    tensors = {
        "x": np.full((1, 1, 1, 1), 2.0**60, np.float32),
        "w_c": np.full((1, 1, 1, 1), 2.0**90, np.float32),
        "w_a": np.zeros((1, 2, 1, 1), np.float32),
        **{f"{name}_{of}": np.full(1, s, np.float32) for name in "st" for of in "ca"},
    }
    assert np.isinf(bound_output("xvolution", tensors, SHIFTS).bound).all()


@pytest.mark.small
def test_an_operator_without_a_float_form_is_refused():
    with pytest.raises(ValueError, match="operator must be one of conv2d, shift_product, pssa"):
        bound_output("softmax", {}, {})
