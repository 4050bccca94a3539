"""The contract of a fused X-volution: one kernel in the place of two trained branches."""

from collections.abc import Callable

import numpy as np

from proofs.conformance.contract import Arguments, Array, Contract, Property, Stages, Suspect
from proofs.strategies import trained_arguments
from refimpl import BatchNorm, xvolution


def reference(arguments: Arguments) -> Stages:
    """Both trained branches, normalised and summed."""
    given = dict(arguments)
    for name in ("bn_c", "bn_a"):
        given[name] = BatchNorm(*given[name])
    return {"y": xvolution(**given)}


def _without(branch: str, place: int) -> Callable[[Arguments], Stages]:
    """The reference with γ, β, μ or σ² of one branch as if it had not been read."""
    neutral = (1.0, 0.0, 0.0, 1.0)[place]

    def run(arguments: Arguments) -> Stages:
        members = list(arguments[branch])
        value = neutral if place < 3 else neutral - arguments["eps"]
        members[place] = np.full_like(members[place], value)
        return reference({**arguments, branch: tuple(members)})

    return run


def _without_bias(name: str) -> Callable[[Arguments], Stages]:
    return lambda arguments: reference({**arguments, name: arguments[name] * 0})


def _mean_after_scaling(arguments: Arguments) -> Stages:
    """b·s − μ + β in both branches, in the place of (b − μ)·s + β."""
    y = reference(arguments)["y"].copy()
    for name in ("bn_c", "bn_a"):
        gamma, _, mean, var = arguments[name]
        scale = gamma / np.sqrt(var + arguments["eps"])
        y = y + (mean * scale - mean)[:, None, None]
    return {"y": y}


def _moves_with_biases(run: Callable[[Arguments], Array], arguments: Arguments) -> bool:
    """Adding 1 to β adds 1 to every output."""
    gamma, beta, mean, var = arguments["bn_c"]
    moved = run({**arguments, "bn_c": (gamma, beta + 1, mean, var)})
    return bool(np.array_equal(moved, run(arguments) + 1))


def _of_branches(what: str, place: int) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(f"{what} of the {name} branch's normalisation is forgotten", _without(key, place))
        for key, name in (("bn_c", "convolution"), ("bn_a", "attention"))
    )


FUSED = Contract(
    name="fused-xvolution",
    takes="(x, w_c, w_a, b_c, b_a, bn_c, bn_a, eps, boundary), bn_c and bn_a being (γ, β, μ, σ²)",
    claims=(
        "training-form-equals-the-fused-feature-form",
        "every-form-computes-what-was-trained",
        "batch-norm-folds-into-the-convolution",
    ),
    draw=trained_arguments,
    reference=reference,
    options={"boundary": "circular", "sides": (3, 3)},
    suspects=(
        *_of_branches("β", 1),
        *_of_branches("μ", 2),
        *_of_branches("γ", 0),
        *_of_branches("σ²", 3),
        Suspect("the bias of the convolution branch is forgotten", _without_bias("b_c")),
        Suspect("the bias of the attention branch is forgotten", _without_bias("b_a")),
        Suspect("μ is subtracted after scaling: b·s − μ + β", _mean_after_scaling),
    ),
    properties=(
        Property(
            "β + 1 gives every output + 1",
            "batch-norm-folds-into-the-convolution",
            _moves_with_biases,
        ),
    ),
)
