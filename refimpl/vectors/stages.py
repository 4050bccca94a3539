"""Every stage of a case by name, in the order of computation: what files are written of.

The operator's own pipeline gives its stages; a convolution inside it also shows

    padded         what is convolved, with each channel's zero point around it
    columns        the same as im2col, where the case declares the attribute ``im2col`` (an order)
    partial_sums   (tiles, n, o, h, w): the accumulator after each K tile, where the case declares
                   ``k_tile``; K runs over the taps in the declared order

NaNs are the canonical ones: which payload an operation returns is a CPU's own business.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulate import kernel_rows, sum_float32, sum_int32
from refimpl.vectors.case import Case, pipeline
from refimpl.vectors.convolutions import (
    Convolution,
    convolutions_of,
    geometry,
    input_of,
    padded_input,
    zeros_of,
)
from refimpl.vectors.formats import canonical_nans, format_of
from refimpl.vectors.im2col import to_columns


def stages(case: Case) -> dict[str, Array]:
    """Every stage of a case by name, in the order of computation; the last is the output."""
    computed = pipeline(case)
    arrays = {**case.tensors, **computed}
    shown: dict[str, Array] = {}
    for name, array in computed.items():
        for each in convolutions_of(case.operator):
            if name == f"{each.prefix}accumulator":
                shown |= dict(_before(each, arrays, case.attributes, array))
        shown[name] = array
    return {
        name: canonical_nans(array, format_of(array, case.formats.get(name)))
        for name, array in shown.items()
    }


def partial_sums(
    convolution: Convolution, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> Array:
    """The accumulator after each tile of ``k_tile`` taps: (tiles, n, o, h, w)."""
    order, size = attributes.get("order", "cuv"), attributes["k_tile"]
    rows = kernel_rows(arrays[convolution.kernels], order)
    centred = input_of(convolution, arrays)
    where = geometry(convolution, arrays, attributes)
    integer = np.issubdtype(centred.dtype, np.integer)
    if integer:
        zeros = zeros_of(convolution, arrays, attributes)
        centred = centred.astype(np.int64) - zeros[:, None, None]
    columns = to_columns(where.pad(centred), where, order)
    bias = arrays.get(convolution.bias) if attributes.get("bias_at") == "first" else None
    ends = [*range(size, rows.shape[1], size), rows.shape[1]]
    sums = [
        sum_int32(rows[:, :end], columns[:, :end])
        if integer
        else sum_float32(rows[:, :end], columns[:, :end], bias)
        for end in ends
    ]
    return np.stack(sums).reshape(len(ends), len(centred), len(rows), *where.output)


def _before(
    convolution: Convolution,
    arrays: Mapping[str, Array],
    attributes: Mapping[str, Any],
    accumulator: Array,
) -> Iterator[tuple[str, Array]]:
    """What a convolution shows before its accumulator."""
    padded = padded_input(convolution, arrays, attributes)
    yield f"{convolution.prefix}padded", padded
    if "im2col" in attributes:
        where = geometry(convolution, arrays, attributes)
        yield f"{convolution.prefix}columns", to_columns(padded, where, attributes["im2col"])
    if "k_tile" in attributes:
        sums = partial_sums(convolution, arrays, attributes)
        yield f"{convolution.prefix}partial_sums", sums.astype(accumulator.dtype)
