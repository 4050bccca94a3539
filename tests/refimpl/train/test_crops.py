"""Crops: train and test share no pixel, brightness tells nothing, a seed decides everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.train.crops import GAP, LARGEST, SIDE, regions, resample, split

RNG = np.random.default_rng(0)
NOISE = {"wide": RNG.uniform(0, 255, (200, 400)), "tall": RNG.uniform(0, 255, (420, 64))}


def mask(shape, use):
    found = np.zeros(shape, bool)
    for place in regions(shape, use):
        found[place] = True
    return found


def same(one, other):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in ((one.train, other.train), (one.test, other.test))
        for name in ("images", "labels")
    )


@given(long=st.integers(350, 700), short=st.integers(LARGEST, 300), upright=st.booleans())
def test_no_pixel_for_training_is_within_the_gap_of_one_for_testing(long, short, upright):
    shape = (long, short) if upright else (short, long)
    train, test = (mask(shape, use).any(axis=1 if upright else 0) for use in ("train", "test"))
    apart = np.abs(np.flatnonzero(train)[:, None] - np.flatnonzero(test)[None])
    assert apart.min() > GAP
    assert train.sum() > test.sum() > long / 4


@pytest.mark.parametrize("use", ["train", "test"])
def test_crops_never_look_outside_their_regions(use):
    blind = {
        name: np.where(mask(picture.shape, use), picture, np.nan) for name, picture in NOISE.items()
    }
    other = {name: np.nan_to_num(picture, nan=7.0) for name, picture in blind.items()}
    seen = getattr(_both(blind, use), use).images
    assert np.isfinite(seen).all()
    np.testing.assert_array_equal(seen, getattr(_both(other, use), use).images)


def _both(pictures, use):
    """Crops of one use; of the other, one from noise that is there."""
    other = "test" if use == "train" else "train"
    inside = {name: np.where(mask(p.shape, other), NOISE[name], p) for name, p in pictures.items()}
    return split(inside, train=20, test=20)


def test_every_crop_has_mean_zero_and_variance_one():
    for crops in (split(NOISE, train=9, test=5).train, split(NOISE, train=9, test=5).test):
        np.testing.assert_allclose(crops.images.mean(axis=(1, 2, 3)), 0, atol=1e-6)
        np.testing.assert_allclose(crops.images.std(axis=(1, 2, 3)), 1, atol=1e-6)


def test_brightness_and_contrast_do_not_change_a_crop():
    dimmer = {name: 0.25 * picture + 90 for name, picture in NOISE.items()}
    one, other = split(NOISE, train=6, test=2), split(dimmer, train=6, test=2)
    np.testing.assert_allclose(one.train.images, other.train.images, atol=1e-5)


def test_a_seed_decides_everything():
    once = split(NOISE, train=6, test=3, seed="a")
    assert same(once, split(NOISE, train=6, test=3, seed="a"))
    assert not same(once, split(NOISE, train=6, test=3, seed="b"))


def test_crops_have_the_promised_shapes_and_labels():
    data = split(NOISE, train=6, test=3)
    assert data.classes == ("wide", "tall")
    assert data.train.images.shape == (12, 1, SIDE, SIDE)
    assert data.train.images.dtype == np.float32
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_ramp_turned_any_way_is_seen_in_all_eight_ways():
    rows, cols = np.indices((400, 500))
    crops = split({"ramp": 3.0 * rows + cols}, train=200, test=1).train.images[:, 0]
    slopes = {
        (np.sign(np.diff(c, axis=0).mean()), np.sign(np.diff(c, axis=1).mean()),
         abs(np.diff(c, axis=0).mean()) > abs(np.diff(c, axis=1).mean()))
        for c in crops
    }  # fmt: skip
    assert len(slopes) == 8


@given(side=st.integers(SIDE, LARGEST), down=st.floats(-3, 3), right=st.floats(-3, 3))
def test_resampling_a_ramp_gives_the_ramp_at_the_new_points(side, down, right):
    rows, cols = np.indices((side, side))
    at = (np.arange(SIDE) + 0.5) * side / SIDE - 0.5
    expected = down * at[:, None] + right * at
    np.testing.assert_allclose(resample(down * rows + right * cols), expected, atol=1e-10)


def test_resampling_at_the_same_size_changes_nothing():
    square = RNG.uniform(0, 255, (SIDE, SIDE))
    np.testing.assert_allclose(resample(square), square, rtol=1e-14)


def test_a_flat_picture_is_refused():
    with pytest.raises(ValueError, match="picture dull must have 3 crops that are not flat, not 0"):
        split({"dull": np.full((400, 400), 9.0)}, train=3, test=1)


@pytest.mark.parametrize("shape", [(47, 500), (200, 300)])
def test_a_picture_without_room_is_refused(shape):
    with pytest.raises(ValueError, match="a picture must have regions of at least 48 pixels"):
        regions(shape, "test")
