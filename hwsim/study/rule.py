"""The decision rule: conv-friendly on a machine, a layer and a batch, or why not.

A form is *conv-friendly* if and only if

    efficiency        its array utilisation is at least 0.9 of the plain convolution's
    exposed vector    at most 10 % of its cycles are the vector unit alone at work
    no n × n          no tensor grows with the square of the pixels
    no C²K²n          no tensor grows with the pixels and the square of the channels
    primitives        it needs convolutions, elementwise work and shifts only, or what the plain
                      convolution needs on the same pass as well
    native            the machine executes each of them natively

The numbers are thresholds of the declaration. A convolution is one with learnt kernels: a product
of two activations, or a convolution with kernels made from the image, is another kind. A shift
that is an address in a read that happens anyway (``emulated: a second read at another address``) is
not held against a form: it is the copy that would be. What a machine does not execute makes a form
unfriendly there, whatever it would cost.

Source: ours, fixed before the study was run.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hwsim.lowering import Graph, Step
from hwsim.machine import Machine, Support
from hwsim.study.declaration import Thresholds
from hwsim.study.growth import Growth
from hwsim.workload import Convolution, Elementwise, Primitive, Reduction

ALLOWED = ("convolution", "depthwise", "elementwise", "shift")
PRODUCT, DYNAMIC = "product of activations", "kernels from data"
CRITERIA = ("efficiency", "exposed vector", "no n x n", "no C2K2n", "primitives", "native")


class Verdict(NamedTuple):
    """The criteria that fail, each with what was found; friendly if there are none."""

    failed: Mapping[str, str]

    @property
    def friendly(self) -> bool:
        """Whether every criterion holds."""
        return not self.failed


def judge(
    *,
    efficiency_ratio: float,
    exposed_share: float,
    grows: Growth,
    kinds: Sequence[str],
    plain_kinds: Sequence[str],
    primitives: Sequence[Primitive],
    machine: Machine,
    thresholds: Thresholds,
) -> Verdict:
    """Apply the rule to one form on one machine; ``kinds`` are those of ``kinds_of``."""
    failed: dict[str, str] = {}
    if efficiency_ratio < thresholds.efficiency:
        failed["efficiency"] = f"{efficiency_ratio:.2f} of the plain convolution"
    if exposed_share > thresholds.exposed_vector:
        failed["exposed vector"] = f"{exposed_share:.0%} of the cycles"
    if grows.quadratic is not None:
        failed["no n x n"] = grows.quadratic
    if grows.kernels is not None:
        failed["no C2K2n"] = grows.kernels
    others = sorted(set(kinds) - {*ALLOWED, *plain_kinds})
    if others:
        failed["primitives"] = ", ".join(others)
    needed = supports(primitives, machine).items()
    foreign = [kind for kind, entry in needed if _bars(kind, entry, thresholds)]
    if foreign:
        failed["native"] = ", ".join(foreign)
    return Verdict(failed)


def supports(primitives: Sequence[Primitive], machine: Machine) -> dict[str, Support]:
    """How the machine executes each kind that is needed, in order of appearance."""
    return {each.kind: machine.supports(each.kind) for each in primitives}


def kinds_of(steps: Sequence[Step], graph: Graph) -> tuple[str, ...]:
    """What the steps need, as a reader knows it: see the module."""
    return tuple(dict.fromkeys(_kind(step, graph) for step in steps))


def _kind(step: Step, graph: Graph) -> str:
    work = step.primitive
    if isinstance(work, Elementwise):
        return "elementwise"
    if isinstance(work, Reduction):
        return "reduction"
    if not isinstance(work, Convolution):
        return work.kind
    learnt = any(graph.tensors[part.tensor].role == "weight" for part in step.reads[1].parts)
    if learnt:
        return "depthwise" if work.kind == "depthwise" else "convolution"
    return PRODUCT if work.kind == "matrix product" else DYNAMIC


def _bars(kind: str, entry: Support, thresholds: Thresholds) -> bool:
    if entry.level == "native" or (kind == "shift" and "address" in entry.how):
        return False
    return not (thresholds.allow_emulated and entry.executable)
