"""Claims about the square form on int8: x·y = ¼[(x + y)² − (x − y)²]."""

import numpy as np

from proofs.article import ours
from proofs.claim import Hypothesis, claim
from proofs.domain import grid

INT8 = range(-128, 128)


def kept(values: np.ndarray, bits: int) -> np.ndarray:
    """Integers as a register of so many bits keeps them: saturated, two's complement."""
    return np.clip(values, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def product_by_squares(x: int, y: np.ndarray, bits: int) -> np.ndarray:
    """Four times the product by two squares, the sum and the difference kept in ``bits`` bits."""
    return kept(x + y, bits) ** 2 - kept(x - y, bits) ** 2


@claim(
    source=ours("A6"),
    status="conditional",
    evidence="exhaustive search",
    why="Sums of two int8 numbers reach from −256 to 254, differences to 255.",
    over=grid(x=INT8, bits=(9,)),
    hypotheses=(
        Hypothesis(
            text="sums and differences are kept in nine bits, one more than the operands",
            without=grid(x=(1,), bits=(8,)),
        ),
    ),
)
def squares_give_the_product_of_int8_in_nine_bits(x: int, bits: int) -> bool:
    """Two squares give every product of two int8 numbers exactly, with sums of nine bits.

    Each square is at most 2¹⁶, and their difference is a multiple of 4.
    """
    y = np.arange(-128, 128)
    squares = kept(x + y, bits) ** 2, kept(x - y, bits) ** 2
    exact = np.array_equal(product_by_squares(x, y, bits), 4 * x * y)
    return exact and max(each.max() for each in squares) <= 2**16
