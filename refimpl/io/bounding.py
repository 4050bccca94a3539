"""How far each float tensor of a device may be, in its class of adders: read off, or computed.

Reference and bound of an output lie in the set for the class of the case's own declared sums. For
another class they are computed of the case's inputs, and so are those of stages, where bits differ.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.bounds import Bound, bound_outputs, bound_stages, is_ordered, unbounded
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.io.sets import read_tensor
from refimpl.io.streams import Bounding
from refimpl.vectors.case import Case
from refimpl.vectors.explain import case_of, computable
from refimpl.vectors.formats import FORMATS, labelled, values_of
from refimpl.vectors.manifest import CaseEntry, Tensor
from refimpl.vectors.stages import stages
from refimpl.vectors.write import bound_class, bound_names

MOST_BOUNDED = 2**26  # ours: elements of a case whose stages' bounds are computed in memory
Computed = Callable[..., Mapping[str, Bound]]


class Limits(NamedTuple):
    """The bound of a tensor, if it has one; or why a device is outside every class that has."""

    bound: Bounding | Bound | None = None
    outside: str = ""


EQUAL = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A case, and the class of adders that its device declares; None where it declares none.

    ``given`` are inputs that the device had in place of the golden ones: outputs of its own of the
    case before. What is computed for one tensor is kept for the others.
    """

    golden: Path
    entry: CaseEntry
    adders: Adders | str | None
    given: Mapping[str, Array] = field(default_factory=dict)
    kept: dict[str, Mapping[str, Bound]] = field(default_factory=dict)

    @property
    def floats(self) -> bool:
        """Whether the case is one of floats: integers must be equal."""
        return bool(self.entry.arithmetic["name"] in FLOAT_ARITHMETICS)

    def of_output(self, tensor: Tensor) -> Limits:
        """For the device's own class, or that of the case's declared sums."""
        if tensor.role != "output" or not self.floats:
            return EQUAL
        own = bound_class(self.entry.operator, self.entry.attributes)
        adders = own if isinstance(own, str) or self.adders is None else self.adders
        if isinstance(adders, str):
            return Limits(outside=adders)
        by_name = {each.name: each for each in self.entry.tensors}
        names = bound_names(self.entry.operator, tensor.name)
        if adders == own and not self.given and all(name in by_name for name in names):
            return Limits(Bounding(*(by_name[name] for name in names)))
        return Limits(self._computed(bound_outputs, adders)[tensor.name])

    def of_stage(self, tensor: Tensor) -> Limits:
        """Of a stage whose bits differ, where the device declares that it sums in its own way."""
        if tensor.role != "stage" or not self.floats:
            return EQUAL
        if self.adders is None:
            return self._as_given(tensor)
        why = unbounded(self.entry.operator, self.entry.attributes)
        if why or isinstance(self.adders, str):
            return Limits(outside=why or str(self.adders))
        if is_ordered(tensor.name):
            return Limits(outside=f"{tensor.name} has no bound in another order than the declared")
        if sum(prod(each.shape) for each in self.entry.tensors) > MOST_BOUNDED:
            return Limits(
                outside=f"more than {MOST_BOUNDED:,} elements: too large for its bound in memory"
            )
        found = self._computed(bound_stages, self.adders)
        return Limits(found[tensor.name]) if tensor.name in found else self._as_given(tensor)

    def _as_given(self, tensor: Tensor) -> Limits:
        """Of a stage that must be equal: that of the given inputs, if there are any."""
        if not self.given:
            return EQUAL
        case = self._case()
        with computable(self.entry.id):
            must = values_of(stages(case)[tensor.name], FORMATS[tensor.format])
        return Limits(Bound(must, np.zeros(must.shape)))

    def _computed(self, bounds: Computed, adders: Adders) -> Mapping[str, Bound]:
        """Bounds of all tensors of a kind, computed of the case's inputs."""
        kind = bounds.__name__
        if kind not in self.kept:
            case = self._case()
            compute = partial(bounds, case.operator, case.tensors, case.attributes, adders)
            with computable(self.entry.id):
                self.kept[kind] = compute()
        return self.kept[kind]

    def _case(self) -> Case:
        arrays = {
            each.name: labelled(read_tensor(self.golden, each), FORMATS[each.format])
            for each in self._inputs()
        }
        return case_of(self.entry, {**arrays, **self.given})

    def _inputs(self) -> Iterator[Tensor]:
        return (tensor for tensor in self.entry.tensors if tensor.role == "input")
