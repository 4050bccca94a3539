"""What the catalogue knows of an operator: its model, its bugs, its points, its stimuli.

One file in ``catalogue/`` holds the entries of one operator; nothing else need be touched to add
one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from refimpl.bitexact.operators import Attributes, Stages, Tensors
from refimpl.score.mutant import Mutant
from refimpl.score.point import Point
from refimpl.score.recipe import Recipe
from refimpl.score.seen import Seen
from refimpl.score.site import Probe
from refimpl.vectors.case import Case, Choices

Model: TypeAlias = Callable[[Tensors, Attributes, Probe], Stages]
Cook: TypeAlias = Callable[[Recipe, Choices], Case]
Look: TypeAlias = Callable[[Case, Stages], Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operator in one arithmetic, "conv2d.int8" and the like.

    ``model`` is the bit-exact model opened up; ``recipes`` are the designed cases from which its
    default set is chosen. ``cook`` and ``look``, where an operator needs its own, make a case of a
    recipe and collect what points see of a case.
    """

    operator: str
    model: Model
    mutants: tuple[Mutant, ...]
    points: tuple[Point, ...]
    recipes: tuple[Recipe, ...]
    cook: Cook | None = None
    look: Look | None = None
