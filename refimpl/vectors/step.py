"""A stage, what it is computed of, and the computation; and those that every arithmetic shares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import Attributes
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, columns_of_padded, padded_input
from refimpl.vectors.sums import Arrays, accumulated, is_integer, tiles

Compute: TypeAlias = Callable[[Arrays, Attributes], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage, the arrays it is computed of, and the computation."""

    stage: str
    needs: tuple[str, ...]
    compute: Compute


def sum_steps(each: Convolution, case: Case) -> list[Step]:
    """Padded input, columns, partial sums, passes and accumulator of a convolution."""
    p = each.prefix
    bias = (each.bias,) if each.bias in case.tensors and not is_integer(case) else ()
    needs = (*each.sources, each.kernels, *bias)
    source = f"{p}padded"
    steps = [Step(stage=source, needs=needs, compute=lambda a, t: padded_input(each, a, t))]
    if "im2col" in case.attributes:
        source = f"{p}columns"
        steps.append(
            Step(
                stage=source,
                needs=(f"{p}padded", *needs),
                compute=lambda a, t: columns_of_padded(each, a, t),
            )
        )
    if "k_tile" in case.attributes:
        steps.append(
            Step(
                stage=f"{p}partial_sums",
                needs=(source, *needs),
                compute=lambda a, _: np.stack(list(tiles(each, case, a, source))),
            )
        )
    names = [*_passes(each, case), "accumulator"]
    return steps + [_sum(each, case, source, needs, name) for name in names]


def _sum(each: Convolution, case: Case, source: str, needs: tuple[str, ...], name: str) -> Step:
    """One stage of the sum; after K tiles the accumulator is the last of them."""
    stage, last = f"{each.prefix}{name}", f"{each.prefix}partial_sums"
    if name == "accumulator" and "k_tile" in case.attributes:
        return Step(stage=stage, needs=(last,), compute=lambda a, _: a[last][-1])
    return Step(
        stage=stage,
        needs=(source, *needs),
        compute=lambda a, _: accumulated(each, case, a, source)[name],
    )


def _passes(each: Convolution, case: Case) -> list[str]:
    """Names of the passes that the declared arithmetic shows."""
    record = "accumulator" if is_integer(case) else "accumulation"
    size = case.attributes.get(record, {}).get("pass_terms", 0)
    taps = case.tensors[each.kernels][0].size
    count = -(-taps // size) if size else 1
    return [f"partial_{at}" for at in range(count)] if count > 1 else []
