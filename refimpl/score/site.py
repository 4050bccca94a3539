"""Where a bug sits: the model hands every value of every site through a probe.

A healthy model's probe returns what it is given. A faulty one changes the value at one site.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from refimpl.score.array import ARRAY, ArrayShape
from refimpl.score.changes import CHANGES
from refimpl.score.mutant import Mutant


@dataclass(frozen=True, slots=True)
class Probe:
    """Called with a site, its value and what else the hardware knows there.

    ``array`` is what the hardware works on at a time.
    """

    site: str = ""
    change: Callable[..., Any] | None = None
    scopes: tuple[str, ...] = ()
    array: ArrayShape = ARRAY

    def __call__(self, site: str, value: Any, **known: Any) -> Any:
        """The value as the hardware has it."""
        return self.change(value, **known) if self.change and self._is(site) else value

    def sits_at(self, *sites: str) -> bool:
        """Whether the bug is at one of these sites, so that they must be computed step by step."""
        return self.change is not None and any(map(self._is, sites))

    def inside(self, scope: str) -> "Probe":
        """The probe for a part of the hardware, whose site s is also called ``scope``.s."""
        return Probe(self.site, self.change, (*self.scopes, scope), self.array)

    def _is(self, site: str) -> bool:
        return self.site == site or any(self.site == f"{each}.{site}" for each in self.scopes)


@dataclass(frozen=True, slots=True)
class Noting(Probe):
    """A healthy probe that notes which sites a model has, each under all of its names."""

    met: set[str] = field(default_factory=set)

    def __call__(self, site: str, value: Any, **_: Any) -> Any:
        """The value as it is."""
        self._note(site)
        return value

    def sits_at(self, *sites: str) -> bool:
        """No bug sits anywhere."""
        for site in sites:
            self._note(site)
        return False

    def inside(self, scope: str) -> "Noting":
        """The probe for a part of the hardware, which notes in the same place."""
        return Noting(scopes=(*self.scopes, scope), met=self.met)

    def _note(self, site: str) -> None:
        self.met.update({site, *(f"{scope}.{site}" for scope in self.scopes)})


HEALTHY = Probe()


def probe_of(mutant: Mutant | None, array: ArrayShape = ARRAY) -> Probe:
    """The probe of a mutant on such an array; None is the healthy model.

    Raises
    ------
    ValueError
        If there is no change of that name.
    """
    if mutant is None:
        return Probe(array=array)
    if mutant.change not in CHANGES:
        raise ValueError(f"change must be one of {', '.join(CHANGES)}, not {mutant.change!r}")
    change, arguments = CHANGES[mutant.change], array.resolved(mutant.arguments)

    def changed(value: Any, **known: Any) -> Any:
        return change(value, known, **arguments)

    return Probe(mutant.site, changed, array=array)
