"""What a contract is: cases to draw, what is right, usual mistakes, and laws to be kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Arguments: TypeAlias = dict[str, Any]
Stages: TypeAlias = Mapping[str, Array]
Implementation: TypeAlias = Callable[..., Array | Stages]


class DisagreementError(AssertionError):
    """An implementation that is not what its contract says; ``case`` is the smallest one found."""

    def __init__(self, sentence: str, case: Arguments) -> None:
        super().__init__(sentence)
        self.case = case


class Suspect(NamedTuple):
    """A usual mistake: a sentence on it, and the reference with it made."""

    sentence: str
    run: Callable[[Arguments], Stages]


class Property(NamedTuple):
    """A law that a claim proves: its sentence, the claim's id, and whether it is kept on a case.

    ``kept`` is given a function from arguments to the implementation's last stage.
    """

    sentence: str
    claim: str
    kept: Callable[[Callable[[Arguments], Array], Arguments], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract.

    ``draw`` is a Hypothesis strategy of arguments, with some options held fixed. ``reference``
    returns the stages in the order of computation, the last one being the output. ``claims`` are
    the claims that say the same of the shipped definitions. ``options`` may be held fixed; those
    that are, are not passed to the implementation.
    """

    name: str
    takes: str
    claims: tuple[str, ...]
    draw: Callable[[Arguments], Any]
    reference: Callable[[Arguments], Stages]
    options: Mapping[str, Any]
    suspects: tuple[Suspect, ...] = ()
    properties: tuple[Property, ...] = ()
