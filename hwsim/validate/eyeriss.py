"""AlexNet on the Eyeriss chip: the published mapping replayed, beside what was measured.

Chen, Krishna, Emer and Sze, "Eyeriss", IEEE JSSC 52(1), 2017: mapping from Table III, active
elements, processing time (200 MHz, batch of 4) and global-buffer traffic (10⁶ bytes of 16-bit
words) from Table V. Nothing here is fitted to a layer: the same closed form, with one filter word
per cycle to every set and four words per cycle of sums, holds for all five.

Two things do not come out of that table. CONV4 and CONV5 take the same passes, yet the chip needs
6.7 % longer for one of CONV4: a model of passes must miss one of them. And the traffic of CONV3 is
that of another mapping, three channels in two rows of sets as in CONV4 and CONV5, and not of four
channels in one, as the table says: that one predicts it to a tenth of a percent, like the others.
"""

from collections.abc import Iterator, Mapping, Sequence

from hwsim.cycles.row_stationary import Mapping as Placed
from hwsim.cycles.row_stationary import Shape, row_stationary_cost
from hwsim.validate.comparison import Comparison

CLOCK_HZ = 200_000_000
BATCH = 4
WORD_BYTES = 2
TIME_LIMIT, BUFFER_LIMIT = 0.10, 0.15
SAME_PASSES = "the same passes as CONV5, for which the chip needs 6.7 % less each"
OTHER_MAPPING = "the published traffic is that of q = 3, r = 2, t = 2; see the next line"


def eyeriss_comparisons(rows: Sequence[Mapping[str, str]]) -> Iterator[Comparison]:
    """Active elements, processing time and buffer traffic of every layer."""
    for row in rows:
        shape, placed = _shape(row), _placed(row)
        cost = row_stationary_cost(shape, placed)
        active = placed.r * placed.t * shape.R * placed.e
        yield _compared(row, "active elements", active, "active_elements", 0.0)
        time_ms = 1e3 * int(cost.total) / CLOCK_HZ
        reason = SAME_PASSES if row["layer"] == "CONV4" else ""
        yield _compared(row, "processing time, ms", time_ms, "processing_ms", TIME_LIMIT, reason)
        yield from _buffer(row, shape, placed)


def _buffer(row: Mapping[str, str], shape: Shape, placed: Placed) -> Iterator[Comparison]:
    quantity = "global-buffer traffic, MB"
    unexplained = row["layer"] == "CONV3"
    yield _compared(
        row,
        quantity,
        buffer_mb(shape, placed),
        "buffer_mb",
        None if unexplained else BUFFER_LIMIT,
        OTHER_MAPPING if unexplained else "",
    )
    if unexplained:
        other = placed._replace(q=3, r=2, t=2)
        quantity += ", mapped as CONV4"
        yield _compared(row, quantity, buffer_mb(shape, other), "buffer_mb", None, "our guess")


def buffer_mb(shape: Shape, placed: Placed) -> float:
    """Traffic between global buffer and array, 10⁶ bytes."""
    cost = row_stationary_cost(shape, placed)
    return float((cost.ifmap_words + cost.sum_words) * WORD_BYTES / 1e6)


def _compared(
    row: Mapping[str, str],
    quantity: str,
    ours: float,
    column: str,
    limit: float | None,
    reason: str = "",
) -> Comparison:
    return Comparison(
        target="eyeriss",
        case=row["layer"],
        quantity=quantity,
        ours=ours,
        theirs=float(row[column]),
        limit=limit,
        reason=reason,
    )


def _shape(row: Mapping[str, str]) -> Shape:
    side, kernel, out = int(row["H"]), int(row["R"]), int(row["E"])
    return Shape(
        N=BATCH,
        M=int(row["M"]),
        C=int(row["C"]),
        R=kernel,
        S=kernel,
        E=out,
        F=out,
        U=int(row["U"]),
        W=side,
    )


def _placed(row: Mapping[str, str]) -> Placed:
    return Placed(**{name: int(row[name]) for name in Placed._fields})
