"""Every stage of a case by name, in the order of computation: what files are written of.

The operator's own pipeline gives its stages; a convolution inside it also shows

    padded         what is convolved, with each channel's zero point around it
    columns        the same as im2col, where the case declares the attribute ``im2col`` (an order)
    partial_sums   (tiles, n, o, h, w): the accumulator after each K tile, where the case declares
                   ``k_tile``; K runs over the taps in the declared order

NaNs are the canonical ones: which payload an operation returns is a CPU's own business.
"""

from collections.abc import Iterator

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.case import Case, pipeline
from refimpl.vectors.convolutions import (
    Convolution,
    columns_of_padded,
    convolutions_of,
    padded_input,
)
from refimpl.vectors.formats import canonical_nans
from refimpl.vectors.sums import Arrays, tiles
from refimpl.vectors.wires import form_of


def stages(case: Case) -> dict[str, Array]:
    """Every stage of a case by name, in the order of computation; the last is the output."""
    computed = pipeline(case)
    arrays = {**case.tensors, **computed}
    first = {_first_sum(each, computed): each for each in convolutions_of(case)}
    shown: dict[str, Array] = {}
    for name, array in computed.items():
        if name in first:
            shown |= dict(_before(first[name], case, arrays))
        shown[name] = array
    return {
        name: canonical_nans(array, form_of(case, name, array)) for name, array in shown.items()
    }


def _first_sum(each: Convolution, computed: Arrays) -> str:
    """The first stage that a convolution's sum shows: a pass, or the accumulator."""
    first = f"{each.prefix}partial_0"
    return first if first in computed else f"{each.prefix}accumulator"


def _before(each: Convolution, case: Case, arrays: Arrays) -> Iterator[tuple[str, Array]]:
    """What a convolution shows before its sum."""
    name = f"{each.prefix}padded"
    padded = padded_input(each, arrays, case.attributes)
    yield name, padded
    shown = {**arrays, name: padded}
    if "im2col" in case.attributes:
        yield f"{each.prefix}columns", columns_of_padded(each, shown, case.attributes)
    if "k_tile" in case.attributes:
        sums = tiles(each, case, shown, name)
        yield f"{each.prefix}partial_sums", np.stack(list(sums))
