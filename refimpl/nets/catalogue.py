"""The networks by the names that commands and pages know them by, each with its published input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from refimpl.nets.alexnet import alexnet
from refimpl.nets.fpn import resnet50_fpn
from refimpl.nets.graph import Network
from refimpl.nets.resnet import resnet
from refimpl.nets.vgg import vgg16


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How to build a network, and the input it is published at, in pixels.

    A ``staged`` one has stages whose 3×3 convolutions can be replaced, and versions; of the others
    the first fully connected layer is made for one size of image.
    """

    build: Callable[..., Network]
    height: int = 224
    width: int = 224
    staged: bool = True


NETWORKS: Mapping[str, Entry] = MappingProxyType(
    {
        "resnet34": Entry(build=partial(resnet, 34)),
        "resnet50": Entry(build=partial(resnet, 50)),
        "resnet50-fpn": Entry(build=resnet50_fpn, height=800, width=1333),
        "alexnet": Entry(build=alexnet, height=227, width=227, staged=False),
        "vgg16": Entry(build=vgg16, staged=False),
    }
)


def build(
    name: str,
    *,
    stage: str | None = None,
    operator: str = "xvolution",
    kernel: int = 3,
    version: str = "1.5",
    height: int | None = None,
    width: int | None = None,
) -> Network:
    """Build a network for ``height`` × ``width`` pixels; its published input if None.

    Raises
    ------
    ValueError
        If there is no such network, stage, operator, kernel or version, or the network has none.
    """
    if name not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, not {name!r}")
    entry = NETWORKS[name]
    if entry.staged:
        return entry.build(stage=stage, operator=operator, kernel=kernel, version=version)
    if stage is not None:
        raise ValueError(f"{name} must be built without a stage, which only a ResNet has")
    if version != "1.5":
        raise ValueError(f"{name} must be built without a version, which only a ResNet has")
    return entry.build(height=height or entry.height, width=width or entry.width)
