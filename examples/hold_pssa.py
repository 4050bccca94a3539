"""Two implementations of pixel-shift self-attention, held against the claims about it.

The first is right. The second shifts the image as one row of memory, so that what leaves a row
enters the next one: right in the middle, wrong at the border, and easy to miss.

    python examples/hold_pssa.py
"""

import numpy as np

from proofs import DisagreementError, hold

STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # left, right, up, down: where one reads
ONLY = {"directions": STEPS, "length": 1, "boundary": "circular", "stride": 1, "dilation": 1}


def convolve(z, w):
    """Sum over channels and taps, zeros around the image."""
    reach, (height, width) = w.shape[2] // 2, z.shape[2:]
    around = np.pad(z, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(around, w.shape[2:], axis=(2, 3))
    assert windows.shape[2:4] == (height, width)
    return np.einsum("nchwuv,ocuv->nohw", windows, w)


def right(x, w):
    """Shift by indexing, modulo height and width."""
    rows, cols = (np.arange(side) for side in x.shape[2:])
    shifted = [
        x[:, :, (rows + down) % len(rows)][:, :, :, (cols + right) % len(cols)]
        for down, right in STEPS
    ]
    return convolve(np.concatenate([x * each for each in shifted], axis=1), w)


def wrong(x, w):
    """Shift in memory: right, except where a row ends."""
    width = x.shape[3]
    memory = x.reshape(*x.shape[:2], -1)
    shifted = [
        np.roll(memory, -(down * width + right), axis=2).reshape(x.shape) for down, right in STEPS
    ]
    return convolve(np.concatenate([x * each for each in shifted], axis=1), w)


def main():
    """Hold both."""
    hold(right, "pssa", **ONLY)
    print("right: nothing found\n")
    try:
        hold(wrong, "pssa", **ONLY)
    except DisagreementError as found:
        print(f"wrong: {found}")


if __name__ == "__main__":
    main()
