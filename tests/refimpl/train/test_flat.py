"""Weights as one dictionary: nothing is lost, nothing foreign gets in."""

import numpy as np
import pytest

from refimpl.nets.graph import initialise
from refimpl.nets.small import small
from refimpl.train.flat import flatten, unflatten

NETWORK = small("xvolution", classes=3)
FLAT = flatten(initialise(NETWORK))


def test_flattening_and_back_gives_the_same_arrays():
    again = flatten(unflatten(NETWORK, FLAT))
    assert again.keys() == FLAT.keys()
    assert all(again[key] is FLAT[key] for key in FLAT)


def test_keys_say_node_array_and_member():
    assert {"conv1/w", "conv1.bn/bn.gamma", "conv2_1.conv1/bn_a.var", "fc/b"} <= FLAT.keys()


def test_a_missing_array_is_named():
    with pytest.raises(ValueError, match=r"weights must be those of the small network.*'fc/b'"):
        unflatten(NETWORK, {key: array for key, array in FLAT.items() if key != "fc/b"})


def test_a_foreign_array_is_named():
    with pytest.raises(ValueError, match="'another/w' does not fit"):
        unflatten(NETWORK, {**FLAT, "another/w": np.zeros(1)})


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"fc/b must have shape \(3,\), not \(4,\)"):
        unflatten(NETWORK, {**FLAT, "fc/b": np.zeros(4)})
