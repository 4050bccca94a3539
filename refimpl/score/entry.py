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
from refimpl.score.site import Probe

Model: TypeAlias = Callable[[Tensors, Attributes, Probe], Stages]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operator in one arithmetic, "conv2d.int8" and the like.

    ``model`` is the bit-exact model opened up; ``recipes`` are the designed cases from which its
    default set is chosen.
    """

    operator: str
    model: Model
    mutants: tuple[Mutant, ...]
    points: tuple[Point, ...]
    recipes: tuple[Recipe, ...]
