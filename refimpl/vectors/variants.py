"""Known ways in which devices deviate: what is changed, and which operators it concerns.

``diagnose.py`` runs them and looks which one gives the device's bits. What is of integers, of
floats or of a softmax stands in ``variants_integer.py``, ``variants_float.py`` and
``variants_softmax.py``; here is what any arithmetic may get wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.case import Case
from refimpl.vectors.variant import Change, Variant, attributes, run, tensors_named
from refimpl.vectors.variants_float import float_variants
from refimpl.vectors.variants_integer import integer_variants
from refimpl.vectors.variants_softmax import norm_variants, softmax_variants

__all__ = ["VARIANTS", "Variant", "applicable", "run"]
ZEROS = {
    "x": "input",
    "t": "shift product",
    "y": "output",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "dy": "upstream gradient",
    "dx": "gradient of the input",
    "dproduct": "gradient of the shift product",
    "upstream": "scaled upstream gradient",
}


def applicable(case: Case, variants: Mapping[str, Variant] | None = None) -> Iterator[Variant]:
    """The variants that mean something for a case."""
    every = VARIANTS if variants is None else variants
    return (variant for variant in every.values() if variant.concerns(case))


def _kernels(turn: Callable[[Array], Array]) -> Change:
    """Other kernels, where turning them changes any."""

    def change(case: Case) -> Case | None:
        names = [name for name in tensors_named(case, r"w(_[ca])?") if case.tensors[name].ndim == 4]
        turned = {name: turn(case.tensors[name]) for name in names}
        same = (
            each.shape != case.tensors[name].shape or np.array_equal(each, case.tensors[name])
            for name, each in turned.items()
        )
        if not names or all(same):
            return None
        return replace(case, tensors={**case.tensors, **turned})

    return change


def _without_bias(case: Case) -> Case | None:
    names = list(tensors_named(case, r"(b|beta)(_[a-z])?"))
    if not any(case.tensors[name].astype(np.float64).any() for name in names):
        return None
    return replace(
        case,
        tensors={**case.tensors, **{name: np.zeros_like(case.tensors[name]) for name in names}},
    )


def _opposite_directions(case: Case) -> Case | None:
    if "directions" not in case.attributes:
        return None
    directions = [[-down, -right] for down, right in case.attributes["directions"]]
    if directions == case.attributes["directions"]:
        return None
    return replace(case, attributes={**case.attributes, "directions": directions})


def _other_boundary(case: Case) -> Case | None:
    if "boundary" not in case.attributes:
        return None
    other = "zero" if case.attributes["boundary"] == "circular" else "circular"
    return replace(case, attributes={**case.attributes, "boundary": other})


def _listed() -> Iterator[Variant]:
    for letter, what in ZEROS.items():
        yield Variant(
            name=f"no-{letter}-zero",
            says=f"leaves out the zero point of the {what}",
            change=attributes(**{f"{letter}_zero": 0}),
        )
    yield Variant(name="no-bias", says="leaves out the bias", change=_without_bias)
    yield Variant(
        name="kernel-rotated",
        says="reads the taps of each kernel backwards (a true convolution)",
        change=_kernels(lambda w: w[:, :, ::-1, ::-1]),
    )
    yield Variant(
        name="kernel-transposed",
        says="swaps rows and columns of each kernel",
        change=_kernels(lambda w: w.swapaxes(2, 3)),
    )
    yield Variant(
        name="kernel-mirrored",
        says="swaps left and right taps of each kernel",
        change=_kernels(lambda w: w[:, :, :, ::-1]),
    )
    yield Variant(
        name="input-channels-reversed",
        says="meets the input channels in reverse order",
        change=_kernels(lambda w: w[:, ::-1]),
    )
    yield Variant(
        name="shift-direction",
        says="shifts in the opposite directions",
        change=_opposite_directions,
    )
    yield Variant(
        name="shift-boundary",
        says="wraps where it must read zero, or reads zero where it must wrap",
        change=_other_boundary,
    )
    yield from integer_variants()
    yield from float_variants()
    yield from softmax_variants()
    yield from norm_variants()


VARIANTS = {each.name: each for each in _listed()}
