"""What a pipeline is given and gives, and the parts that pipelines of every arithmetic share.

A pipeline maps input tensors by name, and attributes (JSON values), to stages by name, in the order
of computation, the last one the output. An array's type labels its format (``formats.py``).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.ops.conv2d import ConvGeometry, conv_geometry, same_padding
from refimpl.ops.shift import shift
from refimpl.ops.shift_product import offsets

Tensors: TypeAlias = Mapping[str, Array]
Stages: TypeAlias = dict[str, Array]
Attributes: TypeAlias = Mapping[str, Any]
Pipeline: TypeAlias = Callable[[Tensors, Attributes], Stages]


def geometry_of(x: Array, w: Array, attributes: Attributes) -> ConvGeometry:
    """Where a convolution with these attributes reads; padding None is "same"."""
    dilation = tuple(attributes.get("dilation", (1, 1)))
    padding = attributes.get("padding")
    return conv_geometry(
        x.shape,
        (w.shape[0], w.shape[1], *w.shape[2:]),
        stride=tuple(attributes.get("stride", (1, 1))),
        padding=same_padding(w.shape[2:], dilation) if padding is None else tuple(padding),
        dilation=dilation,
        groups=groups_of(attributes),
    )


def groups_of(attributes: Attributes) -> int:
    """Into how many groups a convolution's channels are split."""
    return int(attributes.get("groups", 1))


def without_groups(attributes: Attributes) -> dict[str, Any]:
    """Attributes of one group alone."""
    return {key: value for key, value in attributes.items() if key != "groups"}


def must_be_whole(attributes: Attributes) -> None:
    """Refuse groups where x and its products are one input: a group would mix the two.

    Raises
    ------
    ValueError
        If there is more than one.
    """
    if groups_of(attributes) != 1:
        raise ValueError(
            f"xvolution_fused must have 1 group, not {groups_of(attributes)}: groups of "
            "[x; products] are not those of its branches; expand them with zeros"
        )


def by_group(
    run: Callable[[Array, Tensors, Attributes], Stages],
    x: Array,
    tensors: Tensors,
    attributes: Attributes,
) -> Stages:
    """Stages (n, o, …) of a convolution in groups: each group its own, one after another."""
    geometry_of(x, tensors["w"], attributes)  # says what does not fit
    groups = groups_of(attributes)
    alone = without_groups(attributes)
    split = {name: np.split(tensors[name], groups) for name in ("w", "b") if name in tensors}
    parts = [
        run(own, {**tensors, **{name: split[name][at] for name in split}}, alone)
        for at, own in enumerate(np.split(x, groups, axis=1))
    ]
    return {name: np.concatenate([each[name] for each in parts], axis=1) for name in parts[0]}


def reached(attributes: Attributes) -> list[tuple[int, int]]:
    """Offsets (down, right) that a shift product reaches, direction by direction."""
    return offsets([tuple(each) for each in attributes["directions"]], attributes["length"])


def shifted(x: Array, attributes: Attributes) -> Array:
    """Shifted copies of (n, c, h, w), direction first; 0 outside a zero boundary."""
    boundary = attributes["boundary"]
    return np.concatenate([shift(x, offset=d, boundary=boundary) for d in reached(attributes)], 1)


def repeated(x: Array, attributes: Attributes) -> Array:
    """``x`` once per direction: what its shifted copies are multiplied with."""
    return np.tile(x, (1, len(attributes["directions"]), 1, 1))


def branch(tensors: Tensors, which: str, shared: tuple[str, ...]) -> Stages:
    """Tensors of one branch, under the names its operator knows them by; ``shared`` ones stay."""
    end = f"_{which}"
    own = {name.removesuffix(end): array for name, array in tensors.items() if name.endswith(end)}
    return {name: tensors[name] for name in shared if name in tensors} | own


def prefixed(prefix: str, stages: Stages) -> Stages:
    """The same stages, their names prefixed."""
    return {prefix + name: array for name, array in stages.items()}


def pass_stages(passes: Array, shape: tuple[int, ...]) -> Stages:
    """What each pass over the terms left, one stage each, where there is more than one."""
    if passes.shape[1] == 1:
        return {}
    return {f"partial_{at}": passes[:, at].reshape(shape) for at in range(passes.shape[1])}
