"""Which known deviation reproduces a device's bits.

Every applicable variant is run on the case, and its stages are held against those that the device
left. One that gives all of them names the fault; the others are ranked by the share of wrong
elements that they explain without spoiling a right one. Of a large case only those are run whole
that explain a channel with a wrong element.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.call import groups_of
from refimpl.bitexact.operators import OPERATORS
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import convolutions_of
from refimpl.vectors.element import AFTER_SUM, one_output
from refimpl.vectors.formats import bits_of, is_nan
from refimpl.vectors.variants import Variant, applicable, run
from refimpl.vectors.wires import form_of

MOST_PRODUCTS = 2**28  # ours: seconds a variant; the layer of the demo has 144 million
MOST_AT_ONCE = (
    2**20
)  # ours: products of a case whose variants are not looked at in one channel first
NEAR = 0.5  # ours: a variant that explains less of the wrong elements is not worth a line


class Suspect(NamedTuple):
    """What may have gone wrong: a name, what the device then does, and every stage of it."""

    name: str
    says: str
    run: Callable[[Case], Mapping[str, Array]]


class Finding(NamedTuple):
    """A variant, and what share of the device's wrong elements it explains; 1 is all of them."""

    name: str
    says: str
    explained: float

    @property
    def reproduces(self) -> bool:
        """Whether the variant gives every bit that the device left."""
        return self.explained == 1

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if self.reproduces:
            return f"the device {self.says} ({self.name}): every bit it left is reproduced"
        return (
            f"the device perhaps {self.says} ({self.name}): {self.explained:.0%} of what is wrong"
        )


def diagnose(
    case: Case,
    golden: Mapping[str, Array],
    device: Mapping[str, Array],
    variants: Iterable[Variant] | None = None,
    suspects: Iterable[Suspect] = (),
) -> list[Finding]:
    """Findings about a device that left some stages of a case, the best first.

    ``golden`` and ``device`` hold arrays by stage; nothing is found where no bit differs, or where
    the case is too large to be tried. ``suspects`` are tried beside the known variants; one that
    does not show what a convolution gathers is judged by the other stages.
    """
    left = {name: array for name, array in device.items() if name in golden}
    wrong = {name: _differs(golden[name], array, case, name) for name, array in left.items()}
    if not any(each.any() for each in wrong.values()) or products(case) > MOST_PRODUCTS:
        return []
    known = applicable(case) if variants is None else variants
    tried = [Suspect(each.name, each.says, partial(run, each)) for each in known]
    if products(case) > MOST_AT_ONCE:
        part = _one_channel(case, left, wrong)
        if part is not None:
            tried = [each for each in tried if _explained(each, *part) >= NEAR]
    findings = []
    for suspect in (*tried, *suspects):
        explained = _explained(suspect, case, left, wrong)
        if explained >= NEAR:
            findings.append(Finding(suspect.name, suspect.says, explained))
    return sorted(findings, key=lambda finding: (-finding.explained, finding.name))


def _explained(
    suspect: Suspect, case: Case, left: Mapping[str, Array], wrong: Mapping[str, Array]
) -> float:
    """The share of wrong elements that a suspect explains, less those that it spoils."""
    try:
        with np.errstate(all="ignore"):  # infinities and NaNs are results here
            computed = suspect.run(case)
    except ValueError:  # a record of the case does not go with what this one declares
        return 0.0
    judged = {name: array for name, array in left.items() if not _unshown(name, computed)}
    total = sum(int(wrong[name].sum()) for name in judged)
    explained = 0
    for name, array in judged.items():
        if name not in computed or computed[name].shape != array.shape:
            continue
        other = _differs(computed[name], array, case, name)
        explained += int((wrong[name] & ~other).sum()) - int((~wrong[name] & other).sum())
    return explained / total if total else 0.0


def _one_channel(
    case: Case, left: Mapping[str, Array], wrong: Mapping[str, Array]
) -> tuple[Case, dict[str, Array], dict[str, Array]] | None:
    """The image and output channel of a wrong element, alone: a case, what is left, what is wrong.

    None where images or outputs are not apart, or nothing after a sum is wrong.
    """
    if case.operator not in OPERATORS or groups_of(case.attributes) > 1:
        return None
    after = [name for name in left if name.endswith(AFTER_SUM) and wrong[name].any()]
    if not after:
        return None
    n, o = (int(at) for at in np.argwhere(wrong[after[-1]])[0][:2])
    image = case.tensors["x"][n : n + 1]
    part = replace(case, tensors={**case.tensors, **one_output(case, o), "x": image})

    def own(name: str, array: Array) -> Array:
        if name.endswith((*AFTER_SUM, "scaled", "partial_sums")) or "partial_" in name:
            return array[..., n : n + 1, o : o + 1, :, :]
        return array[n : n + 1]

    both = ({name: own(name, each) for name, each in arrays.items()} for arrays in (left, wrong))
    mine, bad = both
    return part, mine, bad


def _unshown(name: str, computed: Mapping[str, Array]) -> bool:
    """Whether a stage is one of gathering, which a suspect may leave out."""
    return name not in computed and name.endswith(("padded", "columns", "partial_sums"))


def products(case: Case) -> int:
    """Products that one run of the case multiplies, at most: taps times outputs times pixels."""
    x = case.tensors.get("x")
    if x is None or x.ndim != 4:
        return sum(array.size for array in case.tensors.values())
    kernels = [case.tensors[each.kernels] for each in convolutions_of(case)]
    pixels = len(x) * prod(x.shape[2:])
    return pixels * sum(w.size for w in kernels) + x.size * 8


def _differs(a: Array, b: Array, case: Case, name: str) -> Array:
    form = form_of(case, name, a)
    nans = is_nan(a, form) & is_nan(b, form)
    return np.asarray((bits_of(a, form) != bits_of(b, form)) & ~nans)
