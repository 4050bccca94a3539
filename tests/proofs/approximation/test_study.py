"""The measurement: what is fitted can be found, what cannot be predicted is not, intervals hold."""

from pathlib import Path

import numpy as np
import pytest

from proofs.approximation import populations
from proofs.approximation.figure import approximation_figure
from proofs.approximation.page import approximation_page, written
from proofs.approximation.populations import POPULATIONS, SIDE, Sample, correlated_noise, draw
from proofs.approximation.predict import PREDICTORS, patches, projections, r_squared
from proofs.approximation.steps import measured
from proofs.approximation.study import SEEDS, Row, Summary, summarise, values
from proofs.io import read_results, write_results
from refimpl import conv2d, global_attention, pssa, shift_product

DOCS = Path(__file__).parents[3] / "docs"


def images(count, seed, channels=3):
    return np.random.default_rng(seed).standard_normal((count, channels, 6, 5))


@pytest.mark.parametrize(
    ("see", "operator"),
    [
        (patches, lambda x, w: conv2d(x, w, padding=1)),
        (lambda x: patches(shift_product(x)), pssa),
    ],
)
def test_what_an_operator_computes_is_explained_by_what_it_sees(see, operator):
    x = [images(12, 1), images(6, 2)]
    channels = see(x[0]).shape[1] // 9
    w = np.random.default_rng(3).standard_normal((2, channels, 3, 3))
    assert r_squared([see(each) for each in x], [operator(each, w) for each in x]) > 0.999


def test_noise_explains_nothing_and_the_ridge_keeps_it_at_zero():
    x, noise = [images(12, 1), images(6, 2)], [images(12, 3), images(6, 4)]
    assert -0.02 < r_squared([patches(each) for each in x], noise) < 0.02


def test_neighbours_correlate_as_they_are_told_to():
    for correlation in (0.0, 0.5, 0.9):
        x = correlated_noise(1, correlation=correlation).train
        apart = (x[..., 1:] * x[..., :-1]).mean() / np.square(x).mean()
        assert apart == pytest.approx(correlation, abs=0.03)
        assert np.square(x).mean() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("population", POPULATIONS)
def test_a_population_draws_other_images_for_training_than_for_testing(population):
    one, again, other = (draw(population, seed) for seed in (1, 1, 2))
    assert one.train.shape[1:] == one.test.shape[1:] == (one.train.shape[1], SIDE, SIDE)
    assert np.array_equal(one.train, again.train)
    assert not np.array_equal(one.train, other.train)
    rows = {image.tobytes() for image in one.train}
    assert not any(image.tobytes() in rows for image in one.test)


def test_standardised_channels_have_mean_0_and_variance_1_and_idle_ones_stay_0():
    x = images(8, 1)
    x[:, 1] = 7.0
    sample = populations._standardised(x, x)
    assert np.allclose(sample.train[:, [0, 2]].mean(axis=(0, 2, 3)), 0)
    assert np.allclose(sample.train[:, [0, 2]].std(axis=(0, 2, 3)), 1)
    assert not sample.train[:, 1].any()


def test_the_steps_are_exact_where_they_must_be():
    flat = np.ones((4, 2, 6, 6)) * np.arange(1.0, 5)[:, None, None, None]
    found = measured(Sample(flat, flat), projections(2, 1))
    assert found["neighbours", ""] < 1e-12  # every pixel is its neighbours
    assert found["neighbours, attention", "none"] < 1e-9
    assert found["truncation", "none"] == pytest.approx(1 - 9 / 36)  # nine pixels of thirty-six


def test_attention_of_neighbours_is_what_the_matrix_makes_of_the_residual():
    x, weights = images(3, 1), projections(3, 2)
    y = global_attention(x, *weights, normalise="none")
    for image, attended in zip(x, y, strict=True):
        pixels = image.reshape(3, -1)
        matrix = (weights.w_v @ pixels) @ (weights.w_k @ pixels).T @ weights.w_q
        assert np.allclose((matrix @ pixels).reshape(attended.shape), attended)


def test_an_interval_holds_its_median_and_shrinks_with_more_seeds():
    few = summarise([0.0, 1.0, 2.0, 3.0])
    assert few.low <= few.median <= few.high
    assert few.median == 1.5
    many = summarise([0.0, 1.0, 2.0, 3.0] * 50)
    assert many.high - many.low < few.high - few.low
    assert summarise([2.0] * 5)[:3] == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="at least one number"):
        summarise([])


def test_committed_results_are_complete():
    rows = read_results()
    for population in POPULATIONS:
        for target in ("none", "softmax"):
            for what in (*PREDICTORS, "neighbours, attention", "truncation"):
                assert len(values(rows, population, target, what)) == len(SEEDS)
        assert len(values(rows, population, "", "neighbours")) == len(SEEDS)


def test_results_are_read_as_they_were_written(tmp_path, monkeypatch):
    rows = (Row("white noise", "none", "PSSA", 1, 0.125), Row("features", "", "x", 2, -1e-9))
    write_results(tmp_path / "results.json", rows)
    monkeypatch.setattr("proofs.io.files", lambda _: tmp_path)
    monkeypatch.setattr("proofs.io.RESULTS", "results.json")
    assert read_results() == rows


def test_the_page_in_the_documentation_is_what_the_code_generates():
    page = (DOCS / "approximation.md").read_text(encoding="utf-8")
    assert page == approximation_page(read_results()), "run: proofs measure docs"


def test_the_picture_shows_every_population():
    drawn = approximation_figure(read_results())
    assert drawn.startswith(b"<?xml")
    assert drawn == approximation_figure(read_results())
    assert (DOCS / "approximation.svg").read_bytes().startswith(b"<?xml")


def test_numbers_are_written_with_a_minus_and_without_negative_zero():
    assert written(Summary(-0.001, -0.456, 1.0, 3)) == "0.00 (−0.46 … 1.00)"
