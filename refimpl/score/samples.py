"""What coverage points see of a case: its samples, as arrays."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import Stages
from refimpl.score.catalogue import CATALOGUE
from refimpl.score.events import macs_of, products_of, sizes_of, window_sizes
from refimpl.score.models import operator_of, run_probed
from refimpl.score.seen import Macs, Seen, Values, divided
from refimpl.score.site import HEALTHY, Probe
from refimpl.score.summation import SMALLEST_NORMAL, SUMMATIONS
from refimpl.vectors.case import Case

if TYPE_CHECKING:
    from collections.abc import Callable

KERNELS = ("w", "w_c", "w_a")
FLAGS = frozenset({"above", "below", "left", "right", "outside", "circular", "subnormal"})


def look(case: Case, stages: Stages) -> Seen:
    """Collect the samples of a case whose ``stages`` are known."""
    own = CATALOGUE[operator_of(case)].look
    if own is not None:
        return own(case, stages)
    convolutions = _convolutions(case, stages)
    events: dict[str, list[Values]] = {"output": [], "product": [], "sum": [], "branch": []}
    for each in convolutions:
        events["output" if case.arithmetic == "int8" else "sum"].append(each.outputs(case))
    if case.operator != "conv2d":
        prefix = "attention_" if case.operator == "xvolution" else ""
        events["product"] += products_of(case, stages, prefix)
    if case.operator == "xvolution":
        events["branch"].append(_branches(case, stages))
    return Seen(_sizes(case, convolutions), events, [each.macs(case) for each in convolutions])


class _Convolution(NamedTuple):
    """One convolution inside an operator: its image, zero points, kernels and stages."""

    image: Array
    zero: Array
    end: str
    stages: Stages

    def macs(self, case: Case) -> Macs:
        """Operands of every multiply-accumulate, and where each was read."""
        return macs_of(self.image, self.zero, case.tensors[f"w{self.end}"], case.attributes)

    def outputs(self, case: Case) -> Values:
        """Every output element from its accumulator on."""
        if case.arithmetic != "int8":
            return _sums(case, self)
        own = {
            name: self.stages[name].astype(np.int64)
            for name in ("accumulator", "biased", "before_clip")
        }
        bias, multiplier, shift = (
            case.tensors[f"{name}{self.end}"].astype(np.int64)[:, None, None]
            for name in ("b", "multiplier", "shift")
        )
        zero = 0 if self.end else case.attributes["y_zero"]
        return own | {"bias": bias, "zero": zero} | divided(own["biased"], multiplier, shift)


def _convolutions(case: Case, stages: Stages) -> list[_Convolution]:
    x, attributes = case.tensors["x"], case.attributes
    x_zero = np.full(x.shape[1], attributes.get("x_zero", 0))
    if case.operator == "conv2d":
        return [_Convolution(x, x_zero, "", stages)]
    if case.operator == "shift_product":
        return []
    if case.operator == "xvolution":
        conv, attention = (
            {
                name.removeprefix(which): array
                for name, array in stages.items()
                if name.startswith(which)
            }
            for which in ("conv_", "attention_")
        )
        product = attention["product"]
        t_zero = np.full(product.shape[1], attributes.get("t_zero", 0))
        return [
            _Convolution(x, x_zero, "_c", conv),
            _Convolution(product, t_zero, "_a", attention),
        ]
    product = stages["product"]
    t_zero = np.full(product.shape[1], attributes.get("t_zero", 0))
    if case.operator == "pssa":
        return [_Convolution(product, t_zero, "", stages)]
    augmented = np.concatenate([x, product], axis=1)
    return [_Convolution(augmented, np.concatenate([x_zero, t_zero]), "", stages)]


def _sizes(case: Case, convolutions: list[_Convolution]) -> Values:
    values = sizes_of(case)
    if convolutions:
        first = convolutions[-1]
        values |= window_sizes(first.image, case.tensors[f"w{first.end}"], case.attributes)
    return values


def _branches(case: Case, stages: Stages) -> Values:
    names = {"conv": "conv_output", "attention": "attention_output", "result": "output"}
    if case.arithmetic == "int8":
        names["before_clip"] = "before_clip"
    wide = np.int64 if case.arithmetic == "int8" else np.float64
    return {name: stages[stage].astype(wide) for name, stage in names.items()} | {
        "zero": case.attributes.get("y_zero", 0)
    }


def _sums(case: Case, of: _Convolution) -> Values:
    """The declared sums, and what other orders make of the same products."""
    end, attributes = of.end, case.attributes
    alone = Case(
        id=case.id,
        operator="conv2d",
        arithmetic="fp32",
        attributes=attributes,
        tensors={"x": of.image, "w": case.tensors[f"w{end}"]}
        | ({"b": case.tensors[f"b{end}"]} if f"b{end}" in case.tensors else {}),
        stimulus={},
    )

    def summed(name: str, site: str, value: Any) -> Array:
        return run_probed(alone, Probe(site, lambda _, **__: value))[name]

    order = "uvc" if attributes.get("order", "cuv") == "cuv" else "cuv"
    moved = "first" if attributes.get("bias_at", "last") == "last" else "last"
    declared = run_probed(alone, HEALTHY)
    magnitude: Callable[[Array], Array] = np.abs
    absolute = run_probed(
        Case(
            id=case.id,
            operator="conv2d",
            arithmetic="fp32",
            attributes=attributes,
            stimulus={},
            tensors={name: magnitude(alone.tensors[name]) for name in ("x", "w")},
        ),
        HEALTHY,
    )
    return {
        "accumulator": declared["accumulator"],
        "result": declared["output"],  # "output" is a keyword where points are written out
        **{
            name: summed("accumulator", "summation", SUMMATIONS[name])
            for name in ("backwards", "pairwise", "tiled", "fused")
        },
        "other_order": summed("accumulator", "order", order),
        "bias_moved": summed("output", "bias_at", moved),
        "magnitude": absolute["accumulator"],
        "subnormal": (np.abs(declared["accumulator"]) < SMALLEST_NORMAL)
        & (declared["accumulator"] != 0),
    }
