"""Every formula of a node's work against its definition, run on numbers that count."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from refimpl.nets.branches import ATTENTION
from refimpl.nets.definitions import DEFINITIONS
from refimpl.nets.graph import Network, Node, parameter_count
from refimpl.nets.shapes import node_shapes
from refimpl.nets.sites import OPERATORS, SHIFTS, batch_norm, biased_convolution, site

quickly = settings(deadline=None, derandomize=True, max_examples=15)


class Counting:
    """A number without a value that counts how often it is multiplied, and by what.

    By another such number or by the zero of padding: a product of two data. By any other number:
    a scaling.
    """

    data = scalings = 0

    def __mul__(self, other):
        if isinstance(other, Counting) or other == 0:
            Counting.data += 1
        else:
            Counting.scalings += 1
        return self

    __rmul__ = __mul__

    def same(self, *_):
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = __neg__ = same
    sqrt = exp = log = same

    def __gt__(self, _):
        return False

    __lt__ = __ge__ = __le__ = __gt__


ONE = Counting()


def counting(shape):
    return np.full(shape, ONE, object)


def weights_of(node):
    return {
        name: ref.BatchNorm(*[counting(shape)] * 4) if name.startswith("bn") else counting(shape)
        for name, shape in node.shapes.items()
    }


def counted(run):
    """(products of two data, scalings) that a call makes."""
    Counting.data = Counting.scalings = 0
    run()
    return Counting.data, Counting.scalings


def executed(node, shape):
    """What the definition of a node multiplies for one image of this shape."""
    x, weights = counting((1, *shape)), weights_of(node)
    return counted(lambda: DEFINITIONS[node.kind](weights, node.attributes, x))


def row_of(node, shape):
    channels, *sides = shape if len(shape) == 3 else (shape[0], 1, 1)
    kind = "relu" if len(shape) == 3 else "flatten"
    start = Node(name="start", kind=kind, inputs=("image",))
    nodes = start, replace(node, inputs=("start",))
    return node_shapes(Network(name="one", nodes=nodes), *sides, channels=channels)[-1]


sides = st.integers(1, 4)
shapes = st.tuples(st.integers(1, 3), sides, sides)


@pytest.mark.parametrize("operator", OPERATORS)
@given(shapes, st.integers(1, 3), st.integers(1, 2), st.sampled_from([1, 3]))
@quickly
def test_every_operator_multiplies_as_often_as_its_formula_says(
    operator, shape, outputs, stride, kernel
):
    node, *_ = site(operator, "one", "start", shape[0], outputs, stride=stride, kernel=kernel)
    row = row_of(node, shape)
    data, scalings = executed(node, shape)
    assert data + scalings == row.macs + row.products
    alone = 0
    if operator in {"pssa", "xvolution"}:
        alone += counted(lambda: ref.shift_product(counting((1, *shape)), **SHIFTS))[0]
    if operator in ATTENTION:
        alone += 2 * executed(batch_norm("one", outputs), row.output)[0]
    assert row.products == alone + scalings


@given(shapes, st.integers(1, 2), st.integers(1, 2), st.integers(0, 1), st.sampled_from([1, 2]))
@quickly
def test_a_convolution_in_groups_multiplies_as_often_as_its_formula_says(
    shape, outputs, stride, padding, groups
):
    channels, *rest = shape
    shape = (channels * groups, *rest)
    steps = {"side": 1 + padding, "stride": stride, "padding": padding, "groups": groups}
    node = biased_convolution("one", "start", shape[0], outputs * groups, **steps)
    assert executed(node, shape) == (row_of(node, shape).macs, 0)
    assert row_of(node, shape).products == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 4), (7, 1, 2)])
def test_a_response_normalisation_multiplies_as_often_as_its_formula_says(shape):
    attributes = {"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2}
    node = Node(name="n", kind="local_response_norm", inputs=("start",), attributes=attributes)
    row = row_of(node, shape)
    assert (row.macs, row.products) == (0, sum(executed(node, shape)))


@pytest.mark.parametrize(("features", "outputs"), [(1, 1), (5, 3)])
def test_a_linear_layer_and_a_normalisation_multiply_as_often_as_their_formulas_say(
    features, outputs
):
    shapes = {"w": (outputs, features), "b": (outputs,)}
    linear = Node(name="fc", kind="linear", inputs=("start",), shapes=shapes)
    row = row_of(linear, (features,))
    assert (row.macs, row.products) == executed(linear, (features,))
    norm = batch_norm("one", features)
    row = row_of(norm, (features, 2, 3))
    assert (row.macs, row.products) == (0, executed(norm, (features, 2, 3))[0])


@pytest.mark.parametrize("kind", ["relu", "add", "max_pool2d", "global_avg_pool", "flatten"])
def test_what_only_moves_numbers_multiplies_nothing(kind):
    attributes = {"kernel": 2, "stride": 1, "padding": 0} if kind == "max_pool2d" else {}
    node = Node(name="n", kind=kind, inputs=("image",), attributes=attributes)
    x = [np.ones((1, 2, 3, 3))] * (2 if kind == "add" else 1)
    assert DEFINITIONS[kind]({}, attributes, *x).shape[0] == 1
    if kind != "add":
        assert row_of(node, (2, 3, 3)).parts == ()


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_the_steps_parameters_are_those_of_the_arrays(operator, kernel):
    for node in site(operator, "one", "start", 3, 4, kernel=kernel):
        arrays = {node.name: weights_of(node)}
        assert row_of(node, (3 if node.kind == operator else 4, 5, 5)).parameters == (
            parameter_count(arrays)
        )


def test_the_window_and_the_image_make_the_difference_between_local_and_global_attention():
    """Where the window is larger than the image the two cost as many scores as pixels each sees."""
    local, *_ = site("local_attention", "one", "start", 2, 3, kernel=3)
    everywhere, *_ = site("global_attention", "one", "start", 2, 3)
    for side in (3, 6):
        rows = [row_of(node, (2, side, side)) for node in (local, everywhere)]
        scores = [{part.name: part.macs for part in row.parts}["scores"] for row in rows]
        assert [score // (side * side * 3) for score in scores] == [9, side * side]
        assert prod(rows[0].output) == 3 * side * side
