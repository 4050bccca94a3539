"""Logical arrays to the order of words in a file, and back: invertible permutations.

A ``.npy`` file always holds the logical array. ``.bin`` and ``.hex`` hold its words in the physical
order of a layout, which the manifest names together with the formula of a word's position.
"""

from dataclasses import dataclass

from refimpl.arrays import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A permutation of axes, and the position of logical element (a, b, c, d) in words."""

    name: str
    axes: tuple[int, ...]
    formula: str


IMAGES = {
    "nchw": Layout(name="NCHW", axes=(0, 1, 2, 3), formula="((n*C + c)*H + h)*W + w"),
    "nhwc": Layout(name="NHWC", axes=(0, 2, 3, 1), formula="((n*H + h)*W + w)*C + c"),
}
KERNELS = {
    "nchw": Layout(name="OIHW", axes=(0, 1, 2, 3), formula="((o*I + i)*H + h)*W + w"),
    "nhwc": Layout(name="OHWI", axes=(0, 2, 3, 1), formula="((o*H + h)*W + w)*I + i"),
}
VECTOR = Layout(name="C", axes=(0,), formula="c")
BY_NAME = {each.name: each for each in (*IMAGES.values(), *KERNELS.values(), VECTOR)}


def layout_for(tensor: str, dimensions: int, family: str) -> Layout:
    """Layout of a tensor by its name (w, w_c and w_a are kernels) and number of axes.

    Raises
    ------
    ValueError
        If the family is not "nchw" or "nhwc", or the tensor has neither 1 nor 4 axes.
    """
    if family not in IMAGES:
        raise ValueError(f"layout must be one of {', '.join(IMAGES)}, not {family!r}")
    if dimensions == 1:
        return VECTOR
    if dimensions != 4:
        raise ValueError(f"tensor {tensor} must have 1 or 4 axes, not {dimensions}")
    return (KERNELS if tensor in {"w", "w_c", "w_a"} else IMAGES)[family]


def to_physical(array: Array, layout: Layout) -> Array:
    """Words in file order, one axis."""
    return array.transpose(layout.axes).reshape(-1)


def to_logical(words: Array, shape: tuple[int, ...], layout: Layout) -> Array:
    """Undo ``to_physical``."""
    permuted = words.reshape([shape[axis] for axis in layout.axes])
    inverse = sorted(range(len(shape)), key=lambda axis: layout.axes[axis])
    return permuted.transpose(inverse)


def word_of(index: tuple[int, ...], shape: tuple[int, ...], layout: Layout) -> int:
    """Position in words of the element at a logical index."""
    position = 0
    for axis in layout.axes:
        position = position * shape[axis] + index[axis]
    return position
