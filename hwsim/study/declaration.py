"""What a study asks, and the thresholds of its rule: everything a reader may disagree with."""

from dataclasses import dataclass, field
from itertools import product

from hwsim.checks import at_least, instance_of, one_of
from hwsim.lowering import FORMS, Options
from hwsim.networks import NETWORKS, STAGES

PASSES = ("forward", "backward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a form is conv-friendly: ``hwsim.study.rule`` says what each number bounds.

    ``efficiency`` is a part of the plain convolution's utilisation at least to be reached,
    ``exposed_vector`` the part of all cycles at most spent in the vector unit alone;
    ``allow_emulated`` forgives primitives that the machine emulates.
    """

    efficiency: float = 0.9
    exposed_vector: float = 0.1
    allow_emulated: bool = False

    def __post_init__(self) -> None:
        for name in ("efficiency", "exposed_vector"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
                raise ValueError(f"thresholds.{name} must be a number from 0 to 2, not {value!r}")
        instance_of("thresholds.allow_emulated", self.allow_emulated, bool, "true or false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How far each hardware change of ``hwsim.study.changes`` goes: factors of what is there."""

    vector_factor: int = 4
    dram_factor: int = 2
    buffer_factor: int = 2

    def __post_init__(self) -> None:
        for name in ("vector_factor", "dram_factor", "buffer_factor"):
            at_least(f"changes.{name}", getattr(self, name), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Forms × stages of networks × batches × machines; and the rule's thresholds.

    ``vary`` are further values of both thresholds, to see what the verdict hangs on;
    ``vector_lanes`` puts a hypothetical vector unit on every machine; ``training`` names the
    machines whose backward pass is asked as well. ``options`` are those of the forms, ``changes``
    says how far the hardware changes go that are tried; ``growth_sides`` and ``growth_channels``
    are the images and channels over which some forms are followed.
    """

    networks: tuple[str, ...] = ("resnet34", "resnet50", "resnet50-fpn")
    stages: tuple[str, ...] = STAGES
    batches: tuple[int, ...] = (1, 8, 32)
    machines: tuple[str, ...] = ()
    forms: tuple[str, ...] = tuple(FORMS)
    training: tuple[str, ...] = ()
    vector_lanes: int | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    vary_efficiency: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95)
    vary_exposed_vector: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5)
    options: Options = field(default_factory=Options)
    changes: Changes = field(default_factory=Changes)
    growth_sides: tuple[int, ...] = (7, 14, 28, 56, 112)
    growth_channels: tuple[int, ...] = (64, 128, 256, 512)

    def __post_init__(self) -> None:
        for name, known in (("networks", NETWORKS), ("stages", STAGES), ("forms", FORMS)):
            for each in self._listed(name):
                one_of(f"each of {name}", str(each), known)
        for name in ("batches", "growth_sides", "growth_channels"):
            for each in self._listed(name):
                at_least(f"each of {name}", each, 1)
        instance_of("machines", self.machines, tuple, "a list of machines")
        if self.vector_lanes is not None:
            at_least("vector_lanes", self.vector_lanes, 1)
        for name in self.training:
            one_of("each of training", str(name), self.machines)
        for efficiency, exposed in self.variants:
            Thresholds(efficiency=efficiency, exposed_vector=exposed)

    @property
    def variants(self) -> tuple[tuple[float, float], ...]:
        """Every pair of efficiency and exposed vector time that the verdict is tried with."""
        return tuple(product(self.vary_efficiency, self.vary_exposed_vector))

    def _listed(self, name: str) -> tuple[object, ...]:
        values = getattr(self, name)
        instance_of(name, values, tuple, "a list")
        if not values:
            raise ValueError(f"{name} must have an entry, not be empty")
        return tuple(values)
