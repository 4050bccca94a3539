"""The shape of the TPU's breakdown: what its matrix unit does while it works on matrices.

Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing Unit", ISCA 2017: counters
of six applications (Table 3). Layer shapes are not published. What is: the operations per byte of
weights (Table 1), which are the rows t that stream through one 256 × 256 tile of weights. Tiles
arrive from the weight memory (34 GB/s, so in 65,536 bytes ÷ 48.6 bytes per cycle = 1,350 cycles),
are shifted in within 256, and are used for t; folds overlap, so the longest of the three is a
tile's period:

    active = t      shift = min(256, period − t)      stall = what remains

That all tiles are full and that all layers of an application are alike is ours. The counters are
divided by the share of time spent on matrices; only the order of the three parts is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence

from hwsim.validate.comparison import Comparison

SIDE = 256
CLOCK_HZ = 700_000_000
WEIGHT_BYTES_PER_SECOND = 34_000_000_000
PARTS = ("active", "weight_stall", "weight_shift")


def tpu_comparisons(rows: Sequence[Mapping[str, str]]) -> Iterator[Comparison]:
    """Per application: whether the parts come in the same order, and their shares in percent."""
    for row in rows:
        matrix = 100 - float(row["non_matrix"])
        theirs = {part: 100 * float(row[part]) / matrix for part in PARTS}
        ours = breakdown(int(row["operations_per_weight_byte"]))
        yield Comparison(
            target="tpu",
            case=row["application"],
            quantity="parts in the order of the counters",
            ours=float(in_the_same_order(ours, theirs)),
            theirs=1.0,
            limit=0.0,
        )
        for part in PARTS:
            yield Comparison(
                target="tpu",
                case=row["application"],
                quantity=f"{part.replace('_', ' ')}, % of matrix time",
                ours=ours[part],
                theirs=theirs[part],
                reason="layer shapes are unpublished",
            )


def breakdown(streamed: int) -> dict[str, float]:
    """Shares of a tile's period, in percent, when ``streamed`` rows use it."""
    fetch = SIDE * SIDE * CLOCK_HZ / WEIGHT_BYTES_PER_SECOND
    period = max(fetch, SIDE, streamed)
    shift = min(SIDE, period - streamed)
    cycles = {
        "active": streamed,
        "weight_stall": period - streamed - shift,
        "weight_shift": shift,
    }
    return {part: 100 * taken / period for part, taken in cycles.items()}


def in_the_same_order(ours: Mapping[str, float], theirs: Mapping[str, float]) -> bool:
    """Whether no part is larger than another with us and smaller with them, nor new with us."""
    absent = all(ours[part] < 1 for part in PARTS if not theirs[part])
    return absent and all(
        (ours[one] - ours[other]) * (theirs[one] - theirs[other]) >= 0
        for one in PARTS
        for other in PARTS
    )
