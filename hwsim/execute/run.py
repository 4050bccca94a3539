"""Go through a graph on a machine: every step on numbers, in the tiling that was costed."""

from collections.abc import Mapping
from dataclasses import dataclass

from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.execute import array, dynamic, vector
from hwsim.execute.measured import Measured
from hwsim.execute.memory import Memory, Shifted
from hwsim.lowering.graph import Graph, Operand, Step
from hwsim.lowering.views import Numbers
from hwsim.machine import Machine
from hwsim.search import best_run
from hwsim.workload import Convolution, Shift


@dataclass(frozen=True, slots=True)
class Execution:
    """Results by name, and what each step took, in order."""

    results: Mapping[str, Numbers]
    measured: tuple[Measured, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates that were done."""
        return sum(each.macs for each in self.measured)


def execute(
    graph: Graph,
    given: Mapping[str, Numbers],
    machine: Machine,
    *,
    way: str = "vector",
    product: array.Product = array.matrix_of_windows,
) -> Execution:
    """Run ``graph`` on inputs and weights by name.

    ``way`` is that of products per pixel (``dynamic.WAYS``), ``product`` convolves one
    tile. Raises ``ValueError`` for a tensor that is missing or of another shape, and for a
    machine whose buffers hold no tile.
    """
    _check(graph, given)
    memory, measured = Memory(dict(given)), []
    for step in graph.steps:
        count = Measured()
        if isinstance(step.primitive, Convolution):
            work = step.primitive
            tiling = best_run(work, machine).tiling
            reads = [memory.read(operand) for operand in step.reads]
            made = array.convolve(work, tiling, reads, count, product)
        elif isinstance(step.primitive, Shift):
            _shift(step, step.primitive, memory, machine, count)
            measured.append(count)
            continue
        else:
            made = _beside(step, memory, machine, count, way)
        memory.tensors[step.writes] = made
        measured.append(count)
    results = {name: memory.read(operand) for name, operand in graph.results.items()}
    return Execution(results, tuple(measured))


def _beside(step: Step, memory: Memory, machine: Machine, count: Measured, way: str) -> Numbers:
    """What is not done on the array as a convolution."""
    if isinstance(step.primitive, PerPixel):
        a, b = (memory.read(operand) for operand in step.reads)
        return dynamic.per_pixel(step.primitive, a, b, way, count)
    if isinstance(step.primitive, TiledAttention):
        q, k, v = (memory.read(operand) for operand in step.reads)
        return dynamic.attend(step.primitive, q, k, v, count)
    if step.function == "softmax":
        return vector.softmax(step, memory.read(step.reads[0]), machine, count)
    if step.function == "sum":
        return vector.total(step, memory.read(step.reads[0]), count)
    if step.function == "fold":
        return vector.fold(step, memory.read(step.reads[0]), count)
    return vector.elements(step, memory, machine, count)


def _shift(step: Step, work: Shift, memory: Memory, machine: Machine, count: Measured) -> None:
    """A shift by address is remembered; one by copy is done."""
    operand = step.reads[0]
    source = _plain(operand)
    if source is None or source not in memory.tensors:
        source = f"{step.writes} source"
        memory.tensors[source] = memory.read(operand)
    memory.shifted[step.writes] = Shifted(source, work.down, work.right, work.circular)
    if machine.shifts_by_copy:
        memory.tensors[step.writes] = vector.copied_shift(step.writes, memory, machine, count)


def _plain(operand: Operand) -> str | None:
    """The tensor that an operand simply is, if it is one."""
    (name, views), *others = operand.parts
    return None if others or views or operand.views else name


def _check(graph: Graph, given: Mapping[str, Numbers]) -> None:
    for name, tensor in graph.tensors.items():
        if tensor.role == "activation":
            continue
        shape = given[name].shape if name in given else None
        if shape != tensor.shape:
            raise ValueError(f"{name} must be given with shape {tensor.shape}, not {shape}")
