"""What is said of an implementation that is not what it should be."""

from collections.abc import Sequence

import numpy as np

from proofs.conformance.contract import Arguments, Array, Contract, Stages


def sentence(
    chosen: Contract,
    case: Arguments,
    fixed: Arguments,
    stage: str,
    wanted: Stages,
    found: Stages | Exception,
    *,
    suspect: str | None,
    laws: Sequence[tuple[str, str, bool]],
) -> str:
    """Where it differs first, on what, why that may be, and which laws are kept or broken."""
    lines = [f"{chosen.name}: stage {stage!r} {_difference(stage, wanted, found)}"]
    lines.append("smallest case found:")
    lines += [f"  {name} = {_shown(value)}" for name, value in case.items()]
    if fixed:
        lines.append(f"held fixed: {', '.join(fixed)}")
    if isinstance(found, Exception):
        lines.append("likely mistake: none known, it ended with an error")
    else:
        lines.append(f"likely mistake: {suspect or 'none of the usual ones explains every case'}")
    lines += [
        f"law {'kept' if held else 'BROKEN'}: {said} (proofs show {claim})"
        for said, claim, held in laws
    ]
    lines.append(f"the claims: proofs show {chosen.claims[0]}")
    return "\n".join(lines)


def _difference(stage: str, wanted: Stages, found: Stages | Exception) -> str:
    if isinstance(found, Exception):
        return f"was not reached: {type(found).__name__}: {found}"
    if stage not in found:
        return f"must be among what is returned, not only {', '.join(found) or 'nothing'}"
    right, given = wanted[stage], np.asarray(found[stage])
    if right.shape != given.shape:
        return f"must have shape {right.shape}, not {given.shape}"
    gap = np.abs(given.astype(np.float64) - right.astype(np.float64))
    worst = np.unravel_index(int(np.argmax(gap)), gap.shape)
    place = tuple(int(each) for each in worst)
    return f"at {place} must be {right[worst]:g}, not {given[worst]:g}"


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, tuple) and any(isinstance(each, np.ndarray) for each in value):
        return "(" + ", ".join(_array(each) for each in value) + ")"
    return repr(value)


def _array(array: Array) -> str:
    """Shape and numbers, integers without a point."""
    listed = np.array2string(
        array, separator=", ", formatter={"float_kind": lambda number: f"{number:g}"}
    )
    return f"{' '.join(listed.split())} {array.dtype}"
