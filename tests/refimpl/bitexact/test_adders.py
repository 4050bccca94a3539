"""Classes of adders against devices simulated in exact fractions, and devices outside of them."""

from fractions import Fraction
from math import isinf

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.bitexact.adders import ACCUMULATORS, BINARY32, Adders, adders_of
from refimpl.bitexact.bounds import bound_output
from tests.refimpl.bitexact.test_bounds import Device, ordinary, output_of, within
from tests.refimpl.bitexact.test_operators import fp32_calls

OPERATORS = ["conv2d", "pssa", "xvolution_fused", "xvolution"]


def exponent(value: Fraction) -> int:
    """The e of 2^e ≤ |value| < 2^(e+1)."""
    e = abs(value.numerator).bit_length() - value.denominator.bit_length()
    return e if abs(value) >= Fraction(2) ** e else e - 1


def rounding(adders: Adders, rng):
    """How the class rounds one result, in fractions: not to nearest, in any direction each time."""

    def fl(value: Fraction) -> Fraction:
        if value == 0:
            return value
        least = adders.smallest_exponent
        if adders.flushes_subnormals and abs(value) < Fraction(2) ** least:
            return Fraction(0)
        step = Fraction(2) ** (max(exponent(value), least) - adders.precision + 1)
        quotient = value / step
        if adders.truncates:
            up = int(rng.integers(2)) if quotient.denominator > 1 else 0
            return step * (quotient.numerator // quotient.denominator + up)
        return step * round(quotient)

    return fl


class Simulated(Device):
    """A member of a class: rounds as it says; aligned adders cut the terms of each step."""

    def __init__(self, rng, adders, *, tree=False):
        super().__init__(rng, tree=tree)
        self.adders, self.fl = adders, rounding(adders, rng)

    def read(self, value):
        small = abs(value) < Fraction(2) ** self.adders.smallest_exponent
        return Fraction(0) if self.adders.flushes_subnormals and small else value

    def dot(self, pairs, bias):
        pairs = [(self.read(a), self.read(b)) for a, b in pairs]
        bias = None if bias is None else self.read(bias)
        if self.adders.kind == "rounded":
            if not self.adders.products_rounded:
                return self._exact_tree(pairs, bias)
            return super().dot(pairs, bias)
        products = [a * b for a, b in (pairs[at] for at in self.rng.permutation(len(pairs)))]
        total, size = Fraction(0), self.adders.products_per_step
        for at in range(0, len(products), size):
            total = self._aligned([total, *products[at : at + size]])
        return total if bias is None else self._aligned([total, bias])

    def _exact_tree(self, pairs, bias):
        addends = [self.fl(a * b) for a, b in pairs] + ([] if bias is None else [bias])
        while len(addends) > 1:
            at = int(self.rng.integers(len(addends) - 1))
            addends[at : at + 2] = [self.fl(addends[at] + addends[at + 1])]
        return addends[0] if addends else Fraction(0)

    def _aligned(self, terms):
        largest = max((exponent(each) for each in terms if each), default=0)
        unit = Fraction(2) ** (largest - self.adders.width_bits)
        cut = [unit * (abs(t) // unit) * (1 if t > 0 else -1) for t in terms]
        return self.fl(sum(cut, Fraction(0)))


CLASSES = {
    "binary32": BINARY32,
    "truncating": Adders(truncates=True),
    "flushing": Adders(flushes_subnormals=True),
    "exact products": Adders(products_rounded=False),
    "fp16 accumulator": adders_of({"accumulator": "fp16"}),
    "bf16 truncated": adders_of({"accumulator": "bf16", "rounding": "truncate"}),
    "aligned": Adders(
        kind="aligned-truncate", width_bits=24, products_per_step=4, products_rounded=False
    ),
    "narrow aligned": Adders(
        kind="aligned-truncate", width_bits=12, products_per_step=8, products_rounded=False
    ),
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("tree", [False, True])
@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=8)
def test_every_member_of_a_class_stays_within_its_bound(name, tree, data, seed):
    operator = data.draw(st.sampled_from(OPERATORS))
    tensors, attributes = data.draw(fp32_calls(operator))
    if any((np.abs(each) > 2.0**60).any() for each in tensors.values()):
        return  # products that overflow have no bound in any class
    if name == "exact products":
        if operator != "conv2d":
            return  # a product of three numbers is no number of binary32
        halves = {key: each.astype(ml_dtypes.bfloat16) for key, each in tensors.items()}
        tensors = {key: each.astype(np.float32) for key, each in halves.items()}
    of = bound_output(operator, tensors, attributes, CLASSES[name])
    device = Simulated(np.random.default_rng(seed), CLASSES[name], tree=tree)
    assert all(
        isinf(bound) or ok
        for bound, ok in zip(
            of.bound.reshape(-1).tolist(),
            bounded(output_of(operator, tensors, attributes, device), of),
            strict=True,
        )
    )


def bounded(values, of):
    finite = of._replace(bound=np.where(np.isinf(of.bound), 0, of.bound))
    return within(values, finite)


@pytest.mark.parametrize(
    "name", ["truncating", "fp16 accumulator", "bf16 truncated", "narrow aligned"]
)
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_member_of_a_coarser_class_goes_outside_the_finer_bound(name, operator):
    tensors, attributes = ordinary(operator, side=6)
    fine = bound_output(operator, tensors, attributes)
    device = Simulated(np.random.default_rng(5), CLASSES[name])
    values = output_of(operator, tensors, attributes, device)
    own = bound_output(operator, tensors, attributes, CLASSES[name])
    assert all(bounded(values, own))
    if name != "truncating":
        assert not all(within(values, fine))


@pytest.mark.parametrize("name", CLASSES)
def test_the_bound_of_every_class_is_of_some_use(name):
    tensors, attributes = ordinary("conv2d")
    of = bound_output("conv2d", tensors, attributes, CLASSES[name])
    magnitude = bound_output("conv2d", {k: np.abs(v) for k, v in tensors.items()}, attributes)
    assert (of.bound < 0.2 * magnitude.reference).all()


def test_a_pixel_at_the_border_counts_fewer_additions():
    x, w = np.ones((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32)
    of = bound_output("conv2d", {"x": x, "w": w}, {})
    units = of.bound[0, 0] / of.reference[0, 0] / 2.0**-24
    assert np.round(units).tolist()[0] == [4, 6, 6, 6, 4]  # taps − 1 additions, and the product
    assert np.round(units).tolist()[2] == [6, 9, 9, 9, 6]


def test_flushed_operands_are_in_the_bound():
    tiny = np.float32(2.0**-130)
    tensors = {
        "x": np.full((1, 1, 1, 1), tiny),
        "w": np.full((1, 1, 1, 1), 2.0**20, np.float32),
    }
    of = bound_output("conv2d", tensors, {}, CLASSES["flushing"])
    assert of.bound.item() >= 2.0**-110  # the whole product may be missing
    assert bound_output("conv2d", tensors, {}).bound.item() < 2.0**-130


@pytest.mark.parametrize("terms", [1, 2, 7])
def test_every_product_and_every_addition_may_be_flushed(terms):
    """Of magnitudes far below λ nothing else is left of the bound: terms and terms − 1 of them."""
    x = np.full((1, terms, 1, 1), 2.0**-100, np.float32)
    of = bound_output("conv2d", {"x": x, "w": x}, {}, CLASSES["flushing"])
    assert of.bound.item() / 2.0**-126 == pytest.approx(2 * terms - 1, rel=1e-5)


@pytest.mark.parametrize(("products", "steps"), [(4, 2), (8, 1), (3, 3)])
def test_an_aligned_step_cuts_its_products_and_the_accumulator(products, steps):
    adders = Adders(
        kind="aligned-truncate", width_bits=16, products_per_step=products, products_rounded=False
    )
    x = np.ones((1, products * steps, 1, 1), np.float32)
    of = bound_output("conv2d", {"x": x, "w": x}, {}, adders)
    cut = steps * ((products + 1) * 2.0**-16 + 2.0**-24)
    assert (of.bound / of.reference).item() == pytest.approx(cut, rel=1e-2)


def test_too_many_roundings_for_a_coarse_accumulator_leave_no_bound():
    x = np.ones((1, 200, 1, 1), np.float32)
    of = bound_output("conv2d", {"x": x, "w": x}, {}, adders_of({"accumulator": "bf16"}))
    assert isinf(of.bound.item())


def test_where_the_accumulator_may_overflow_there_is_no_bound():
    x = np.full((1, 4, 1, 1), 100, np.float32)
    of = bound_output("conv2d", {"x": x, "w": x}, {}, adders_of({"accumulator": "fp16"}))
    assert isinf(of.bound.item())


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"rounding": "stochastic"}, "its adders round stochastic, which has no bound"),
        ({"accumulator": "other"}, "its accumulator is other, which has no class of adders"),
        ({"kind": "logarithmic"}, "its adders are logarithmic, which is no class that has a bound"),
    ],
)
def test_a_device_outside_every_class_says_why(declared, why):
    assert adders_of(declared) == why


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"speed": 1}, "adders must have no speed"),
        ({"products": "lost"}, "products must be rounded or exact, not 'lost'"),
        ({"subnormals": "no"}, "subnormals must be kept or flushed, not 'no'"),
        ({"kind": "aligned-truncate"}, "width_bits of an aligned adder must be at least 1"),
        ({"products_per_step": 0}, "products_per_step must be from 1 to 65536, not 0"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(declared, sentence):
    with pytest.raises(ValueError, match=sentence):
        adders_of(declared)


def test_the_text_names_the_class():
    assert BINARY32.text == (
        "binary32 multiply and add, round to nearest, subnormals kept; any order and tree of "
        "additions; products rounded or fused"
    )
    for name, adders in CLASSES.items():
        assert (adders.text == BINARY32.text) == (name == "binary32")
    assert set(ACCUMULATORS) == {"fp32", "bf16", "fp16"}


@pytest.mark.parametrize("rounding", ["truncate", "upward", "downward"])
def test_a_device_that_rounds_in_one_direction_errs_by_twice_as_much(rounding):
    one_way = adders_of({"rounding": rounding})
    assert one_way.unit == 2 * BINARY32.unit
    assert "rounded in any direction" in one_way.text
