"""A stranger's PyTorch kernel, held against a claim in five lines; a subtly wrong one is found."""

import pytest

from proofs import DisagreementError, hold
from refimpl import FOUR_DIRECTIONS

torch = pytest.importorskip("torch", reason="make test-oracles installs PyTorch")

ONLY = {
    "directions": FOUR_DIRECTIONS,
    "length": 1,
    "boundary": "circular",
    "stride": 1,
    "dilation": 1,
}


def kernel(x, w, *, sign):
    image, weights = torch.from_numpy(x.copy()), torch.from_numpy(w.copy())
    moved = [torch.roll(image, (sign * d[0], sign * d[1]), dims=(2, 3)) for d in FOUR_DIRECTIONS]
    products = torch.cat([image * each for each in moved], dim=1)
    return torch.nn.functional.conv2d(products, weights, padding="same").numpy()


def test_a_right_kernel_passes():
    hold(lambda x, w: kernel(x, w, sign=-1), "pssa", **ONLY)


def test_a_roll_the_wrong_way_is_found_and_named():
    with pytest.raises(DisagreementError, match="likely mistake: the shift goes the opposite way"):
        hold(lambda x, w: kernel(x, w, sign=1), "pssa", **ONLY)
