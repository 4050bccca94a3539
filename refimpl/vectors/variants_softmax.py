"""Known deviations of attention and of normalisation."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import accumulation_of
from refimpl.bitexact.call import Attributes
from refimpl.bitexact.float_operators import operand, rounded
from refimpl.bitexact.formats import cast_of, format_named, format_of
from refimpl.bitexact.mac import add_rounded
from refimpl.bitexact.softmax import denominator_of
from refimpl.vectors.case import Case
from refimpl.vectors.local import Arrays, steps_of
from refimpl.vectors.step import Compute
from refimpl.vectors.sums import is_integer
from refimpl.vectors.variant import FLOATS, Change, Variant, attributes

DENOMINATORS = (127, 128, 255, 256)


def softmax_variants() -> Iterator[Variant]:
    """Every known deviation of a softmax unit."""
    yield Variant(
        name="no-maximum",
        says="takes exponentials without subtracting the row maximum",
        otherwise=_without_maximum,
    )
    yield Variant(name="no-scale", says="does not scale the scores", change=attributes(scale=1.0))
    yield Variant(
        name="no-scale-of-depth",
        says="leaves 1/√d out of the scale of the scores",
        change=_without_depth,
    )
    yield Variant(
        name="probabilities-truncated",
        says="truncates probabilities",
        change=_probabilities(rounding="toward_zero"),
    )
    for many in DENOMINATORS:
        yield Variant(
            name=f"probabilities-over-{many}",
            says=f"stores a probability of 1 as {many}",
            change=_over(many),
        )


def norm_variants() -> Iterator[Variant]:
    """Every known deviation of a normalisation in floats."""
    yield Variant(
        name="no-epsilon",
        says="adds no ε to the variance",
        change=attributes(eps=0.0),
    )
    yield Variant(
        name="variance-unbiased",
        says="divides the batch's squares by one less than their number",
        otherwise=_unbiased,
    )
    yield Variant(
        name="normalisation-folded",
        says="multiplies by the factor before it adds the offset: x·f + (β − μ·f)",
        otherwise=_folded,
        arithmetics=FLOATS,
    )


def _without_maximum(case: Case) -> Mapping[str, Compute]:
    step = steps_of(case).get("exp_input")
    if step is None:
        return {}

    def compute(arrays: Arrays, own: Attributes) -> Array:
        zeros = np.zeros_like(arrays["row_maximum"])
        return step.compute({**arrays, "row_maximum": zeros}, own)

    return {"exp_input": compute}


def _without_depth(case: Case) -> Case | None:
    if "score_scale" not in case.attributes:
        return None
    depth = case.tensors["w_q"].shape[0] // int(case.attributes.get("heads", 1))
    scale = case.attributes["score_scale"] * float(np.sqrt(depth))
    return (
        None if depth == 1 else replace(case, attributes={**case.attributes, "score_scale": scale})
    )


def _has_probabilities(case: Case) -> bool:
    return "probabilities" in steps_of(case)


def _declared(case: Case) -> dict[str, Any]:
    name = "uint8" if is_integer(case) else format_of(case.tensors["x"]).name
    return {"format": name, **(case.attributes.get("probabilities") or {})}


def _probabilities(**field: Any) -> Change:
    def change(case: Case) -> Case | None:
        if not _has_probabilities(case) or _integer_softmax(case):
            return None
        declared = _declared(case)
        cast = {key: value for key, value in declared.items() if key != "denominator"}
        if cast_of({**cast, **field}, declared["format"]) == cast_of(cast, declared["format"]):
            return None
        return replace(case, attributes={**case.attributes, "probabilities": {**declared, **field}})

    return change


def _integer_softmax(case: Case) -> bool:
    return case.attributes.get("softmax", {}).get("kind", "float") == "integer"


def _over(many: int) -> Change:
    """Another denominator, of probabilities that are integers with room for it, or all but."""

    def change(case: Case) -> Case | None:
        if not _has_probabilities(case) or _integer_softmax(case):
            return None
        declared = _declared(case)
        of = format_named(declared["format"])
        if of.kind == "float" or denominator_of(declared) == many or many > of.limits[1] + 1:
            return None
        chosen = {**declared, "denominator": many}
        return replace(case, attributes={**case.attributes, "probabilities": chosen})

    return change


def _unbiased(case: Case) -> Mapping[str, Compute]:
    """Variances of a batch over one element less."""
    of = accumulation_of(case.attributes, "accumulation_statistics", loops="nij")
    found: dict[str, Compute] = {}
    for stage, step in steps_of(case).items():
        if not stage.endswith("var"):
            continue

        def compute(arrays: Arrays, own: Attributes, step: Any = step) -> Array:
            x = arrays[step.needs[0]]
            count = x.size // x.shape[1]
            return rounded(operand(step.compute(arrays, own), of) * (count / (count - 1)), of)

        found[stage] = compute
    return found


def _folded(case: Case) -> Mapping[str, Compute]:
    """Outputs of each normalisation by one multiplication and one addition a pixel."""
    of = accumulation_of(case.attributes, "accumulation_statistics", loops="nij")
    steps, found = steps_of(case), {}
    for stage in steps:
        prefix = stage.removesuffix("scaled")
        if stage == prefix or f"{prefix}centred" not in steps:
            continue
        source, mean = steps[f"{prefix}centred"].needs
        beta = next(name for name in steps[f"{prefix}output"].needs if name.startswith("beta"))
        right = steps[f"{prefix}output"].compute

        def compute(
            arrays: Arrays,
            own: Attributes,
            names: tuple[str, str, str, str] = (source, mean, beta, f"{prefix}factor"),
            right: Compute = right,
            scaled: str = stage,
        ) -> Array:
            x, mu, offset, factor = (operand(arrays[name], of) for name in names)
            moved = rounded(mu * factor, of)
            added = rounded(add_rounded(offset, -operand(moved, of), of), of)
            product = rounded(x * factor[:, None, None], of)
            return right({**arrays, scaled: product, names[2]: added}, own)

        found[f"{prefix}output"] = compute
    return found
