"""The published networks by name, and the one function that builds them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from hwsim.checks import at_least, one_of
from hwsim.lowering import FORMS
from hwsim.networks.maps import Map
from hwsim.networks.pyramid import pyramid
from hwsim.networks.residual import STAGES, VERSIONS, Built, Choice, Family, residual
from hwsim.networks.sequential import alexnet, vgg16
from hwsim.workload import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How to build a network, and the input it is published at, in pixels.

    Exactly one of ``staged`` and ``sequential`` is there: only a ResNet has stages and versions.
    """

    staged: Callable[[Map, Choice], Iterator[Built]] | None = None
    sequential: Callable[[Map], Iterator[Layer]] | None = None
    height: int = 224
    width: int = 224


RESNET34, RESNET50 = Family(expansion=1), Family(expansion=4)
NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        "resnet34": Entry(staged=partial(residual, RESNET34)),
        "resnet50": Entry(staged=partial(residual, RESNET50)),
        "resnet50-fpn": Entry(staged=partial(pyramid, RESNET50), height=800, width=1333),
        "alexnet": Entry(sequential=alexnet, height=227, width=227),
        "vgg16": Entry(sequential=vgg16),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Layers in order; ``sites`` names the 3 × 3 convolutions of ``stage``, now in ``form``.

    A network from a file has the shapes of its ``inputs``, and says which nodes take nothing and
    why (``free``).
    """

    name: str
    layers: tuple[Layer, ...]
    stage: str | None = None
    form: str = "convolution"
    version: str = "1.5"
    sites: tuple[str, ...] = ()
    batch: int = 1
    height: int = 224
    width: int = 224
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    free: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """What it is given, in words: images, or the shapes of its inputs."""
        if self.inputs:
            return ", ".join(f"{name} {'x'.join(map(str, s))}" for name, s in self.inputs.items())
        return f"{self.batch} x {self.height}x{self.width}"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    def only(self, *names: str) -> "Network":
        """The same network reduced to the named layers; ``ValueError`` if there is no such."""
        known = [layer.name for layer in self.layers]
        for name in names:
            one_of(f"layer of {self.name}", name, known)
        return replace(self, layers=tuple(layer for layer in self.layers if layer.name in names))


def network(
    name: str,
    *,
    stage: str | None = None,
    form: str = "convolution",
    version: str = "1.5",
    batch: int = 1,
    height: int | None = None,
    width: int | None = None,
) -> Network:
    """A published network for ``batch`` images of ``height`` × ``width`` pixels.

    The size is that of the publication unless told. The 3 × 3 convolutions of ``stage`` are
    computed in ``form``. Raises ``ValueError`` for a name, stage, form or version that does not
    exist, a form without a stage, a stage or version of a network without any, and sizes below one.
    """
    entry = NETWORKS[one_of("network", name, NETWORKS)]
    choice = _checked(name, entry, Choice(stage=stage, form=form, version=version))
    height = entry.height if height is None else height
    width = entry.width if width is None else width
    for what, value in (("batch", batch), ("input height", height), ("input width", width)):
        at_least(what, value, 1)
    built = tuple(_built(entry, Map(batch, 3, height, width), choice))
    return Network(
        name=name if version == VERSIONS[0] else f"{name} v{version}",
        layers=tuple(each.layer for each in built),
        stage=stage,
        form=form,
        version=version,
        sites=tuple(each.layer.name for each in built if each.is_site),
        batch=batch,
        height=height,
        width=width,
    )


def _checked(name: str, entry: Entry, choice: Choice) -> Choice:
    one_of("form", choice.form, FORMS)
    one_of("version", choice.version, VERSIONS)
    if entry.staged is None and (choice.stage is not None or choice.version != VERSIONS[0]):
        raise ValueError(f"{name} must come without a stage or version, which only a ResNet has")
    if choice.stage is not None:
        one_of("stage", choice.stage, STAGES)
    elif choice.form != "convolution":
        raise ValueError(f"form {choice.form} must come with a stage, one of {', '.join(STAGES)}")
    return choice


def _built(entry: Entry, image: Map, choice: Choice) -> Iterator[Built]:
    if entry.staged is not None:
        yield from entry.staged(image, choice)
    if entry.sequential is not None:
        yield from (Built(layer) for layer in entry.sequential(image))
