"""Formats that the type of an array does not name: what a case says, or the wire of a wide product.

A shift product that is kept wide is a wire of 2·b + 1 bits of inputs of b: int9, int17, int33. What
a convolution reads of it, padded or as columns, is as wide; x beside it lies in as many bits.
"""

from refimpl.arrays import Array
from refimpl.bitexact.integer_operators import is_wide, product_bits
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import convolutions_of
from refimpl.vectors.formats import Format, format_of
from refimpl.vectors.sums import is_integer


def form_of(case: Case, name: str, array: Array) -> Format:
    """Format of a tensor or stage of a case.

    Raises
    ------
    ValueError
        If vectors do not hold such an array.
    """
    return format_of(array, case.formats.get(name) or _wire(case, name))


def _wire(case: Case, name: str) -> str | None:
    """The format of a stage that carries a wide product."""
    if not (is_integer(case) and is_wide(case.attributes)):
        return None
    read = {
        f"{each.prefix}{stage}"
        for each in convolutions_of(case)
        for stage in ("padded", "columns")
        if any(source.endswith("wide_product") for source in each.sources)
    }
    if name in read or name.endswith("wide_product"):
        return f"int{product_bits(case.tensors['x'])}"
    return None
