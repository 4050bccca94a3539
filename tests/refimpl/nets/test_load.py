"""Anybody's keys become a network's weights, each once, or one sentence says what is wrong."""

import numpy as np
import pytest

from refimpl.checkpoint import KeyMap
from refimpl.nets.load import load
from refimpl.nets.small import small
from refimpl.train.flat import flatten
from tests.refimpl.nets.blank import drawn_parameters

NETWORK = small("xvolution_global", classes=3)


@pytest.fixture
def state():
    return {k: a.astype(np.float32) for k, a in flatten(drawn_parameters(NETWORK)).items()}


def test_our_own_keys_load_as_they_are_in_binary64(state):
    loaded = flatten(load(NETWORK, state, KeyMap()))
    assert set(loaded) == set(state)
    for key, array in loaded.items():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, state[key])


def test_a_mapping_comes_first_and_may_leave_keys_out(state):
    state["head"] = state.pop("fc/w")
    state["junk.1"] = np.ones(1, int)
    mapping = KeyMap(keys={"head": "fc/w", "junk.{i}": ""})
    np.testing.assert_array_equal(load(NETWORK, state, mapping)["fc"]["w"], state["head"])


def test_torchvision_s_keys_load_and_counters_are_left_out(state):
    state["conv1.weight"] = state.pop("conv1/w")
    state["bn1.running_var"] = state.pop("conv1.bn/bn.var")
    state["bn1.num_batches_tracked"] = np.array(3)
    loaded = load(NETWORK, state, KeyMap())
    np.testing.assert_array_equal(loaded["conv1"]["w"], state["conv1.weight"])
    np.testing.assert_array_equal(loaded["conv1.bn"]["bn"].var, state["bn1.running_var"])


def test_a_projection_may_be_a_1x1_convolution(state):
    state["conv2_1.conv1/w_q"] = state["conv2_1.conv1/w_q"][:, :, None, None]
    assert load(NETWORK, state, KeyMap())["conv2_1.conv1"]["w_q"].ndim == 2


@pytest.mark.parametrize(
    ("key", "array", "sentence"),
    [
        ("fc/ww", np.ones(1), "every key must be one of small .*, not 'fc/ww' .nearest: 'fc/w'"),
        ("fc.weight", np.ones((3, 32)), "fc/w must come from one key, not 'fc/w' and 'fc.weight'"),
        ("fc/w", np.ones((3, 31)), r"fc/w must have shape \(3, 32\), not \(3, 31\)"),
        ("fc/w", np.ones((3, 32), int), "fc/w must hold numbers of type float16, .* not int64"),
        ("conv1.bn/bn.var", -np.ones(16), "conv1.bn/bn.var must not be negative, not reach -1"),
    ],
)
def test_a_key_that_does_not_fit_is_named(state, key, array, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(NETWORK, state | {key: array}, KeyMap())


def test_a_missing_array_is_named_with_its_shape(state):
    del state["fc/w"]
    with pytest.raises(ValueError, match=r"small network .* must hold fc/w \(3, 32\)"):
        load(NETWORK, state, KeyMap())
