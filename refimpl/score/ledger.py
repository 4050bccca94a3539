"""What became of the held-out half: which bugs left it, and what each release scored.

The rule. Stimuli and selections are made from the design half alone. The held-out half is scored
once per release, and the score is printed as it is. Whoever then uses a held-out bug to improve a
stimulus enters a ``Move`` here: from that release on the bug belongs to the design half, and a new
bug, written before anybody looks at its kill, replaces it in the catalogue.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A bug that left the held-out half, since which release, why, and which bug replaced it."""

    bug: str
    release: str
    because: str
    replaced_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What the default sets of a release scored on the held-out half, and what survived them."""

    release: str
    killed: int
    counted: int
    survivors: tuple[str, ...]


MOVES: tuple[Move, ...] = ()
MOVED = frozenset(move.bug for move in MOVES)
SCORED: tuple[Scored, ...] = (
    Scored(
        release="0.1.0",
        killed=900,
        counted=941,
        survivors=(
            "global_attention.int8/w-minus-128",
            "global_attention.int8/table-half",
            "global_attention.int8/table-96",
            "global_attention.fp32/sum-flushing",
            "global_attention.fp32/output-flushed",
            "local_attention.int8/w-minus-128",
            "local_attention.int8/multiplier-23",
            "local_attention.int8/table-half",
            "local_attention.int8/table-96",
            "local_attention.int8/exp-small-lost",
            "local_attention.fp32/sum-flushing",
            "local_attention.fp32/output-flushed",
            "batch_norm.int8/x-minus-128",
            "batch_norm.fp32/statistics-flush",
            "conv2d.int8/multiplier-23",
            "conv2d.int8/stale-bias",
            "conv2d.int8/stale-multiplier",
            "conv2d.fp32/sum-flushing",
            "conv2d.fp32/output-flushed",
            "conv2d_backward.int8/multiplier-23",
            "pssa_backward.int8/multiplier-23",
            "pssa_backward.int8/wide-16-clip",
            "pssa_backward.int8/t-multiplier-16",
            "xvolution_backward.int8/multiplier-23",
            "xvolution_backward.int8/wide-16-clip",
            "xvolution_backward.int8/t-multiplier-16",
            "pssa.int8/wide-16-clip",
            "pssa.int8/tile-cin-skipped",
            "pssa.fp32/sum-flushing",
            "pssa.fp32/output-flushed",
            "shift_product.int8/wide-16-clip",
            "shift_product.int8/x-minus-128",
            "shift_product.int8/t-multiplier-16",
            "xvolution.int8/wide-16-clip",
            "xvolution.int8/tile-cin-skipped",
            "xvolution.fp32/sum-flushing",
            "xvolution.fp32/output-flushed",
            "xvolution_fused.int8/wide-16-clip",
            "xvolution_fused.int8/multiplier-23",
            "xvolution_fused.fp32/sum-flushing",
            "xvolution_fused.fp32/output-flushed",
        ),
    ),
)
