"""Every form's backward pass, run as lowered and tiled, gives what the golden model's gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.execute import execute
from hwsim.execute.dynamic import WAYS
from hwsim.lowering import FORMS, Options, adjoint, backward, write
from hwsim.workload import Convolution
from tests.hwsim.strategies import machine
from tests.lowering.cases import GOLDEN, cases, numbers
from tests.lowering.golden import ROOTS, SOFTMAX
from tests.lowering.gradients import gradients


def run(graph, given, dy, unit, way="vector"):
    """Gradients by name."""
    both = backward(graph)
    results = execute(both.graph, given | {"d_y": dy}, unit, way=way).results
    return {name[2:]: each for name, each in results.items() if name.startswith("d_")}


def same(form, found, expected):
    """Equal; of forms with a softmax or a root, up to rounding: they round in other orders.

    Within 10⁻¹⁰ of the largest number, and with batch statistics 10⁻⁷: a channel that is nearly
    constant is divided by √ε three times over.
    """
    if form not in SOFTMAX | ROOTS:
        return found.shape == expected.shape and bool((found == expected).all())
    most = (1e-7 if form in ROOTS else 1e-10) * max(1, np.abs(expected).max())
    return found.shape == expected.shape and bool((np.abs(found - expected) <= most).all())


@pytest.mark.parametrize("form", GOLDEN)
def test_the_backward_primitives_give_the_gradients_of_the_golden_model(form):
    @settings(max_examples=6, deadline=None, database=None, derandomize=True)
    @given(cases(form), st.sampled_from(WAYS), st.integers(0, 99))
    def check(case, way, seed):
        form, site, options, graph, given, unit = case
        shape = graph.shape_of(graph.results["y"])
        dy = np.random.default_rng(seed).integers(-3, 4, shape)
        if form in SOFTMAX | ROOTS:
            given, dy = {name: 1.0 * each for name, each in given.items()}, 1.0 * dy
        found = run(graph, given, dy, unit, way)
        expected = gradients(form, site, options, given, dy)
        assert "x" in expected
        assert dict.fromkeys(expected, True) == {
            name: same(form, found[name], each) for name, each in expected.items()
        }

    check()


SITE = Convolution(
    in_channels=2, height=3, width=4, out_channels=12, kernel_h=3, kernel_w=3, padding=1, stride=2
)


@pytest.mark.parametrize("form", FORMS)
def test_every_gradient_is_the_slope_of_the_loss(form):
    """Also of operators that the golden model does not have: differences of Σ dy ⊙ y, in float64.

    All arguments move at once, 10⁻⁶ along a random direction; slopes agree to 10⁻⁶ of their size.
    """
    graph, random = write(form, SITE, Options(wide_window=3)), np.random.default_rng(3)
    given = {name: random.normal(size=each.shape) for name, each in numbers(graph, 0).items()}
    dy = random.normal(size=graph.shape_of(graph.results["y"]))
    found = run(graph, given, dy, machine())
    assert set(found) == set(given)
    along = {name: random.normal(size=each.shape) for name, each in given.items()}

    def loss(step):
        moved = {name: each + step * along[name] for name, each in given.items()}
        return (execute(graph, moved, machine()).results["y"] * dy).sum()

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    predicted = sum((found[name] * along[name]).sum() for name in given)
    assert abs(predicted - slope) < 1e-6 * (1 + abs(slope))


def test_a_kernel_that_is_not_flipped_is_seen_to_fail(monkeypatch):
    graph = write("convolution", SITE)
    given, dy = numbers(graph, 1), np.arange(48).reshape(1, 12, 2, 2)
    expected = gradients("convolution", SITE, Options(), given, dy)["x"]
    assert (run(graph, given, dy, machine())["x"] == expected).all()
    monkeypatch.setattr(adjoint.Ref, "flip", lambda self, *axes: self)
    assert not (run(graph, given, dy, machine())["x"] == expected).all()


def test_a_result_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"^result must be one of y, not 'z'$"):
        backward(write("convolution", SITE), "z")
