"""Training: every operator learns, a seed decides everything, statistics follow the batches."""

from math import log

import numpy as np
import pytest

from refimpl.nets.sites import OPERATORS
from refimpl.nets.small import small
from refimpl.ops.batch_norm import Normalised
from refimpl.train.crops import Crops, Split
from refimpl.train.fit import MOMENTUM, Recipe, fit, running
from refimpl.train.flat import flatten

CLASSES = 4


def noise(count, seed=0):
    """Random images with random labels: nothing to learn but by heart."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((count, 1, 32, 32)).astype(np.float32)
    return Crops(images=images, labels=np.arange(count) % CLASSES)


SIXTEEN = Split(classes=tuple("abcd"), train=noise(16), test=noise(4, seed=1))


def last(recipe, operator="conv2d", data=SIXTEEN):
    *_, epoch = fit(small(operator, classes=CLASSES), data, recipe)
    return epoch


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_learns_sixteen_images_by_heart(operator):
    """Ignorance costs log 4 nats; after forty steps less than a tenth of it is left."""
    epoch = last(Recipe(epochs=40, batch=16), operator)
    assert epoch.train.accuracy == 1
    assert epoch.train.loss < log(CLASSES) / 10


def test_a_seed_decides_every_byte_and_another_seed_another_network():
    once, again, other = (last(Recipe(epochs=2, batch=8, seed=seed)) for seed in "aab")
    weights = [flatten(each.parameters) for each in (once, again, other)]
    assert once.train == again.train != other.train
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])
    assert any((weights[0][key] != weights[2][key]).any() for key in weights[0])


def test_epochs_are_numbered_and_progress_is_told_of_every_step():
    told = []
    recipe = Recipe(epochs=3, batch=5)  # 16 crops: batches of 5, 5, 5, 1
    network = small("conv2d", classes=CLASSES)
    epochs = list(fit(network, SIXTEEN, recipe, progress=lambda: told.append(None)))
    assert [each.number for each in epochs] == [1, 2, 3]
    assert len(told) == 12


def test_test_crops_never_change_the_weights():
    elsewhere = Split(classes=SIXTEEN.classes, train=SIXTEEN.train, test=noise(7, seed=5))
    recipe = Recipe(epochs=2, batch=8)
    one, other = (flatten(last(recipe, data=data).parameters) for data in (SIXTEEN, elsewhere))
    assert all((one[key] == other[key]).all() for key in one)


def test_the_order_of_the_crops_is_drawn_anew_every_epoch():
    """With a rate of almost nothing, the scores of two epochs differ by their batches alone."""
    recipe = Recipe(epochs=2, batch=8, rate=1e-30, decay=0)
    first, second = fit(small("conv2d", classes=CLASSES), SIXTEEN, recipe)
    assert first.train != second.train


def test_running_statistics_approach_the_batches_by_their_momentum():
    batch = Normalised(np.zeros(1), np.array([3.0]), np.array([5.0]))
    weights = {"a/bn.mean": np.zeros(1), "a/bn.var": np.ones(1), "a/bn.gamma": np.ones(1)}
    for _ in range(7):
        weights |= running(weights, {"a/bn": batch})
    left = (1 - MOMENTUM) ** 7
    np.testing.assert_allclose(weights["a/bn.mean"], 3 * (1 - left))
    np.testing.assert_allclose(weights["a/bn.var"], 5 * (1 - left) + left)
    assert weights["a/bn.gamma"] == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"batch": -2}, "batch must be at least 1, not -2"),
        ({"rate": 0.0}, "rate must be positive, not 0.0"),
        ({"rate": float("nan")}, "rate must be positive, not nan"),
        ({"decay": -1.0}, "decay must not be negative, not -1.0"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Recipe(**wrong)
