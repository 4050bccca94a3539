"""Changes of backward passes and of a batch's statistics; see ``changes.py``."""

from typing import Any

import numpy as np

from refimpl.arrays import Array


def fill_holes(value: Any, of: Any) -> Any:
    """Between the steps of a stride the pixel before is read, where nothing is."""
    rows, cols = of["size"]
    return value._replace(
        row_there=(value.row >= 0) & (value.row < rows),
        col_there=(value.col >= 0) & (value.col < cols),
    )


def seen_beyond(value: Any, of: Any, *, side: str) -> Any:
    """Beyond one side the nearest pixel is read, where nothing is."""
    rows, cols = of["size"]
    beyond = {
        "top": value.row < 0, "bottom": value.row >= rows,
        "left": value.col < 0, "right": value.col >= cols,
    }[side]  # fmt: skip
    name = "row_there" if side in {"top", "bottom"} else "col_there"
    return value._replace(**{name: getattr(value, name) | beyond})


def last_image_only(value: Array, of: Any) -> Array:
    """Terms of the last image alone: sums start again with every image."""
    kept = np.arange(value.shape[1]) >= value.shape[1] - value.shape[1] // of["images"]
    return np.where(kept, value, 0)


def without_final_term(value: Array, _: Any) -> Array:
    """The last term of every sum counts for nothing."""
    return np.where(np.arange(value.shape[1]) < value.shape[1] - 1, value, 0)


def swap_pairs(value: list[Array], _: Any) -> list[Array]:
    """Terms two by two in the other order."""
    return [
        each
        for first, second in zip(value[::2], value[1::2], strict=True)
        for each in (second, first)
    ]


def one_fewer(_: Any, of: Any) -> Any:
    """1/(m − 1) where 1/m is declared."""
    return np.float64(np.float32(1 / max(of["terms"] - 1, 1)))


GRADIENT_CHANGES = {
    each.__name__: each
    for each in (
        fill_holes, seen_beyond, last_image_only, without_final_term, swap_pairs, one_fewer,
    )
}  # fmt: skip
