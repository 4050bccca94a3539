"""Six small cases on which every bug of the device shows at least once, as a set of vectors.

Random cases of every operator the device runs, six output channels (a ragged tile); a convolution
of stride 2; and a shift product whose zero point is a rail, because no other product needs 17 bits.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from refimpl import io
from refimpl.score.measure import covered
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

OPERATORS = ("conv2d", "shift_product", "pssa", "xvolution_fused")
INT8 = Choices(arithmetics=("int8",))
COMMAND = "proofs device"


def six_cases() -> Iterator[Case]:
    """The cases, in the order they run."""
    sizes = Sizes(outputs=6)
    yield from random_cases(OPERATORS, sizes, INT8)
    yield from random_cases(["conv2d"], replace(sizes, stride=2), INT8)
    (rail,) = random_cases(["shift_product"], sizes, INT8, seed="rail")
    yield replace(rail, attributes={**rail.attributes, "x_zero": -128})


def write_six_cases(root: Path) -> Path:
    """Write the set into a new directory ``root``; return it."""
    about = About(command=COMMAND, tool_version=io.tool_version())
    written = Written(kinds=("npy", "hex"))
    io.write_directory(root, set_files(six_cases(), about=about, written=written, coverage=covered))
    return root
