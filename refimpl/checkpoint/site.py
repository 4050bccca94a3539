"""One X-volution of a checkpoint: assembled of arrays and attributes, and fused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.checkpoint.attributes import ATTENTION_OF, DEFAULTS
from refimpl.checkpoint.precision import widen
from refimpl.forms import Attention, Form, Fused, XVolution, fuse_xvolution
from refimpl.forms.trained import ARRAYS
from refimpl.ops.batch_norm import BatchNorm

TELLING: Mapping[Attention, tuple[str, ...]] = {
    "pssa": ("directions", "length", "boundary", "groups"),
    "local_attention": ("window", "scale", "normalise"),
    "global_attention": ("heads", "scale", "normalise"),
}
"""Attributes that change what each kind of attention computes, beside stride, dilation and ε."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedSite:
    """A fused X-volution and what it was, in binary64; ``assumed`` are attributes nobody gave."""

    name: str
    trained: XVolution
    fused: Fused
    attributes: Mapping[str, Any]
    assumed: tuple[str, ...]
    tolerance: float


def fuse_site(
    site: str,
    arrays: Mapping[str, Array],
    attributes: Mapping[str, Any],
    *,
    form: Form | None = None,
    tolerance: float = 0.0,
    expand: bool = False,
) -> FusedSite:
    """Assemble and fuse one X-volution.

    Raises
    ------
    ValueError
        What ``assemble`` finds, or the merging condition that fails, after the site's name.
    """
    trained = assemble(site, arrays, attributes)
    try:
        fused = fuse_xvolution(trained, form=form, tolerance=tolerance, expand=expand)
    except ValueError as error:
        raise ValueError(f"site {site!r}: {error}") from error
    names = (*TELLING[trained.attention], "stride", "dilation", "eps")
    return FusedSite(
        name=site,
        trained=trained,
        fused=fused,
        attributes={name: getattr(trained, name) for name in names},
        assumed=tuple(name for name in names if name not in attributes),
        tolerance=tolerance if fused.form == "tied" else 0.0,
    )


def assemble(site: str, arrays: Mapping[str, Array], attributes: Mapping[str, Any]) -> XVolution:
    """The X-volution of arrays by name and attributes, checked for what a file may get wrong.

    Raises
    ------
    ValueError
        One sentence: which array is missing, or must be what.
    """
    wide = {name: widen(_at(site, name), array) for name, array in arrays.items()}
    attention = _attention_of(site, wide, attributes)
    plain = {name: _matrix(name, array) for name, array in wide.items() if "." not in name}
    needed, allowed = ARRAYS[attention]
    for name in needed:
        if name not in plain:
            raise ValueError(f"site {site!r} must hold {name}: {attention} needs it")
    for name in plain:
        if name not in {*needed, *allowed}:
            raise ValueError(f"site {site!r} must not hold {name}: {attention} has no such array")
    chosen = {**DEFAULTS, **attributes}
    del chosen["operator"]
    norms = {of: _norm(site, of, wide) for of in ("bn_c", "bn_a")}
    trained = XVolution(
        attention=attention, arrays=plain, bn_c=norms["bn_c"], bn_a=norms["bn_a"], **chosen
    )
    _check_shapes(site, trained)
    return trained


def _attention_of(
    site: str, arrays: Mapping[str, Array], attributes: Mapping[str, Any]
) -> Attention:
    """The attention that was said, or that the arrays tell; only w_a tells."""
    operator = attributes.get("operator")
    if operator is None and "w_a" in arrays:
        return "pssa"
    if not {"w_q", "w_k", "w_v"} <= set(arrays) and "w_a" not in arrays:
        raise ValueError(f"site {site!r} must hold w_a, or w_q, w_k and w_v, beside w_c")
    if operator is None:
        raise ValueError(
            f"site {site!r} must be said to be xvolution_local or xvolution_global (operator): its "
            f"w_q, w_k and w_v are those of either"
        )
    if operator != "xvolution" and "normalise" not in attributes:
        raise ValueError(
            f"site {site!r} must be said to normalise its scores by none or softmax (normalise)"
        )
    return ATTENTION_OF[operator]


def _norm(site: str, name: str, arrays: Mapping[str, Array]) -> BatchNorm | None:
    """A normalisation, whole, or none at all."""
    found = {key: array for key, array in arrays.items() if key.startswith(f"{name}.")}
    if not found:
        return None
    for member in BatchNorm._fields:
        if f"{name}.{member}" not in found:
            raise ValueError(f"site {site!r} must hold {name}.{member} beside {', '.join(found)}")
    bn = BatchNorm(*(found[f"{name}.{member}"] for member in BatchNorm._fields))
    if (bn.var < 0).any():
        raise ValueError(
            f"{_at(site, f'{name}.var')} must not be negative, not reach {bn.var.min():.6g}"
        )
    return bn


def _matrix(name: str, array: Array) -> Array:
    """Projections as matrices: a 1×1 convolution is one."""
    is_projection = name in {"w_q", "w_k", "w_v", "w_o"}
    return array[:, :, 0, 0] if is_projection and array.shape[2:] == (1, 1) else array


def _check_shapes(site: str, trained: XVolution) -> None:
    """Refuse arrays that do not fit together, by their names."""
    arrays, groups = trained.arrays, trained.groups
    w_c = arrays["w_c"]
    if w_c.ndim != 4 or 0 in w_c.shape:
        raise ValueError(f"{_at(site, 'w_c')} must have four axes, none empty, not {w_c.shape}")
    outputs, channels = len(w_c), w_c.shape[1] * groups[0]
    vectors = {name: array for name, array in arrays.items() if name.startswith("b_")}
    for name, bn in (("bn_c", trained.bn_c), ("bn_a", trained.bn_a)):
        vectors |= {f"{name}.{key}": array for key, array in (bn._asdict() if bn else {}).items()}
    shapes = dict.fromkeys(vectors, (outputs,)) | _attention_shapes(trained, outputs, channels)
    for name, shape in shapes.items():
        array = vectors.get(name, arrays.get(name, np.empty(0)))
        if array.shape != shape:
            raise ValueError(f"{_at(site, name)} must have shape {shape}, not {array.shape}")


def _attention_shapes(
    trained: XVolution, outputs: int, channels: int
) -> dict[str, tuple[int, ...]]:
    """Shapes that the attention's arrays must have; kernel sides and depths are their own."""
    arrays = trained.arrays
    if trained.attention == "pssa":
        sides = arrays["w_a"].shape[2:] if arrays["w_a"].ndim == 4 else (1, 1)
        taken = len(trained.directions) * channels // trained.groups[1]
        return {"w_a": (outputs, taken, *sides)}
    depth, values = len(arrays["w_q"]), len(arrays["w_v"])
    shapes = dict.fromkeys(("w_q", "w_k"), (depth, channels))
    if "w_o" not in arrays:
        return {**shapes, "w_v": (outputs, channels)}
    return {**shapes, "w_v": (values, channels), "w_o": (outputs, values)}


def _at(site: str, name: str) -> str:
    return f"{site}.{name}" if site else name
