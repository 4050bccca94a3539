"""The same values, laid out in memory in other ways, and read-only."""

import numpy as np


def read_only(view):
    """A layout: it returns a locked view of equal values (of a copy, where there are no axes)."""

    def lay_out(array):
        seen = view(array) if array.ndim else array.copy()
        assert seen.shape == array.shape
        assert np.all(seen == array)
        seen.flags.writeable = False
        return seen

    return lay_out


LAYOUTS = {
    "contiguous": read_only(np.array),
    "every second element": read_only(lambda array: np.repeat(array, 2, axis=-1)[..., ::2]),
    "transposed": read_only(lambda array: np.array(array.T).T),
    "reversed": read_only(
        lambda array: np.array(np.flip(array))[(slice(None, None, -1),) * array.ndim]
    ),
    "inside a larger array": read_only(
        lambda array: np.pad(array, 1)[(slice(1, -1),) * array.ndim]
    ),
}
"""By name; each is a function from an array to another with the same values."""
