"""A case: one operator call with declared arithmetic, its inputs, and how they came about.

Inputs are seeded random tensors (``stimuli.py``), a layer of a network on an image (``layer.py``),
or a node of somebody's ONNX model. The stages and the output are not stored: ``stages.py`` computes
them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.operators import ARITHMETICS as KNOWN
from refimpl.bitexact.operators import PIPELINES, Stages, accumulation_of
from refimpl.bitexact.requantise import FLOAT_RULE, rounding_rule
from refimpl.vectors.im2col import FORMULAS

ARITHMETICS = ("int8", "fp32")  # of a set that names none; ``KNOWN`` are all there are
_DIGEST = re.compile(r"-[0-9a-f]{8}$")  # at the end of an id: of the case's content


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One operator call; ``attributes`` and ``stimulus`` hold JSON values only.

    ``formats`` names the format of a tensor or stage whose type does not say it; ``inputs_from``
    says of which case's tensor an input is a copy, as (case, tensor).
    """

    id: str
    operator: str
    arithmetic: str
    attributes: Mapping[str, Any]
    tensors: Mapping[str, Array]
    stimulus: Mapping[str, Any]
    formats: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    inputs_from: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a user may choose about a set's arithmetic; the rest follows from the operator.

    ``k_tile`` taps make a K tile whose partial sums are shown; ``im2col`` is the order of columns
    that are shown. Neither changes a bit of the others. ``declared`` are records of attributes, and
    ``tables`` tensors that they name (``declare.py``).
    """

    arithmetics: tuple[str, ...] = ARITHMETICS
    rounding: str = "half_up"
    order: str = "cuv"
    bias_at: str = "last"
    k_tile: int | None = None
    im2col: str | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accumulation_of({"order": self.order, "bias_at": self.bias_at})
        for each in self.arithmetics:
            if each not in KNOWN:
                raise ValueError(f"arithmetic must be one of {', '.join(KNOWN)}, not {each!r}")
        if self.rounding != FLOAT_RULE:
            rounding_rule(self.rounding)
        if self.k_tile is not None and self.k_tile < 1:
            raise ValueError(f"a K tile must have at least 1 tap, not {self.k_tile}")
        if self.im2col not in (None, *FORMULAS):
            known = " or ".join(FORMULAS)
            raise ValueError(f"columns must be in the order {known}, not {self.im2col!r}")


def identified(case: Case, default: Case | None = None) -> Case:
    """The case under an id that stands for these bytes alone: its name, and eight digits of them.

    ``default`` is the case that the bare name stands for, where there is one; a case with the same
    content keeps the name. So an id that ends in a digest is that of its content, and any other
    says all that its content follows from.
    """
    free = bare_name(case.id) == case.id
    if free and default is case:
        return case
    digest = content_digest(case)
    if free and default is not None and digest == content_digest(default):
        return case
    return replace(case, id=f"{case.id}-{digest}")


def bare_name(case_id: str) -> str:
    """An id without the digest, if it ends in one."""
    return _DIGEST.sub("", case_id)


def content_digest(case: Case) -> str:
    """Of everything that stages are computed from, and of nothing else."""
    seen = sha256()
    call = {
        "operator": case.operator,
        "arithmetic": case.arithmetic,
        "attributes": dict(case.attributes),
        "formats": dict(case.formats),
        "tensors": [[name, each.dtype.name, each.shape] for name, each in _by_name(case)],
    }
    seen.update(json.dumps(call, sort_keys=True).encode())
    for _, each in _by_name(case):
        values = (
            each.astype(np.int8) if each.dtype.name == "int4" else each
        )  # of its 8 bits 4 count
        seen.update(np.ascontiguousarray(values).tobytes())
    return seen.hexdigest()[:8]


def _by_name(case: Case) -> list[tuple[str, Array]]:
    return sorted(case.tensors.items(), key=lambda pair: pair[0])


def pipeline(case: Case) -> Stages:
    """What the operator's own pipeline computes: its stages by name, the last one the output."""
    return PIPELINES[case.operator, case.arithmetic](case.tensors, case.attributes)


def ordered(operator: str, choices: Choices) -> dict[str, Any]:
    """The declared summation of an fp32 operator, as attributes; a shift product sums nothing."""
    if operator == "shift_product":
        return {}
    return {"order": choices.order, "bias_at": choices.bias_at} | shown(operator, choices)


def shown(operator: str, choices: Choices) -> dict[str, Any]:
    """Attributes that only say which stages are shown."""
    tile = {} if choices.k_tile is None else {"k_tile": choices.k_tile}
    columns = {} if choices.im2col is None else {"im2col": choices.im2col}
    return {} if operator == "shift_product" else tile | columns
