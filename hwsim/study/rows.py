"""One row of data per form, site, batch, machine and pass.

A row's costs are sums over the sites of a stage; ratios are to the plain convolution on the same
sites, machine and pass. With utilisation u = MACs / (cycles × peak),

    cycles ratio = work ratio ÷ efficiency ratio       work: array MACs, efficiency: u

by definition. DRAM bytes of weights are those of second operands that are learnt; kernels made
from data are not weights. Peak buffer is the largest tile of any convolution, as often as it is
held. The wide plain convolution has the fused form's MACs: beside it, more work is not less
friendliness.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from hwsim.cost import Cost
from hwsim.energy import energy_of
from hwsim.evaluate import LayerCost, cost_layers
from hwsim.lowering import Graph, Step, backward, write
from hwsim.machine import Machine
from hwsim.networks import network
from hwsim.search import Run
from hwsim.study.declaration import Study
from hwsim.study.growth import Growth, growth
from hwsim.study.rule import Verdict, judge, kinds_of, supports
from hwsim.tiling import Tiling, tile_bytes
from hwsim.workload import Convolution, Layer, Primitive

PLAIN, WIDE = "convolution", "convolution-wide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a form of one stage takes. ``reason`` says why there are no numbers, if there are none.

    ``supports`` has each kind with how it is executed, ``failed`` the criteria that fail with what
    was found. ``energy_pj`` is ``None`` without a table.
    """

    machine: str
    network: str
    stage: str
    batch: int
    form: str
    direction: str
    cycles: int = 0
    cycles_ratio: float = 0.0
    work_ratio: float = 0.0
    efficiency_ratio: float = 0.0
    wide_ratio: float = 0.0
    exposed_share: float = 0.0
    array_macs: int = 0
    vector_ops: int = 0
    dram_bytes: int = 0
    weight_bytes: int = 0
    dram_ratio: float = 0.0
    peak_buffer_bytes: int = 0
    energy_pj: float | None = None
    largest_tensor: str = ""
    largest_elements: int = 0
    macs_pixels: float = 0.0
    macs_channels: float = 0.0
    kinds: tuple[str, ...] = ()
    supports: tuple[tuple[str, str], ...] = ()
    ways: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    @property
    def friendly(self) -> bool:
        """Whether the rule calls it conv-friendly."""
        return not self.failed and not self.reason


@dataclass(frozen=True, slots=True)
class _Run:
    """A form on all sites of a stage."""

    cost: Cost
    weight_bytes: int
    peak_bytes: int
    primitives: tuple[Primitive, ...]
    kinds: tuple[str, ...]
    ways: tuple[str, ...]
    graph: Graph
    grows: Growth


def rows(study: Study, machines: Sequence[Machine]) -> Iterator[Row]:
    """Rows of a study, in its order: machine, network, stage, batch, pass, form."""
    for machine in machines:
        directions = ("forward", "backward") if machine.name in study.training else ("forward",)
        runs: dict[Convolution, Run] = {}
        for place in product(study.networks, study.stages, study.batches):
            for direction in directions:
                yield from _stage(study, machine, place, direction, runs)


@cache
def sites_of(name: str, stage: str, batch: int) -> tuple[tuple[Convolution, int], ...]:
    """The distinct 3 × 3 convolutions of a stage, and how often each occurs."""
    whole = network(name, stage=stage, batch=batch)
    found: Counter[Convolution] = Counter()
    for layer in whole.only(*whole.sites).layers:
        first = layer.primitives[0]
        assert isinstance(first, Convolution)  # noqa: S101 - a plain site
        found[first] += 1
    return tuple(found.items())


def _stage(
    study: Study,
    machine: Machine,
    place: tuple[str, str, int],
    direction: str,
    runs: dict[Convolution, Run],
) -> Iterator[Row]:
    name, stage, batch = place
    sites = sites_of(name, stage, batch)
    for form in study.forms:
        labels = Row(
            machine=machine.name,
            network=name,
            stage=stage,
            batch=batch,
            form=form,
            direction=direction,
        )
        try:
            plain, wide, run = (
                _run(each, sites, machine, direction, runs) for each in (PLAIN, WIDE, form)
            )
        except ValueError as error:  # no tile fits, or the form does not fit the site
            yield replace(labels, reason=str(error))
            continue
        yield _row(labels, run, plain, wide, machine, study)


def _run(
    form: str,
    sites: tuple[tuple[Convolution, int], ...],
    machine: Machine,
    direction: str,
    runs: dict[Convolution, Run],
) -> _Run:
    """``form`` on all sites; ``ValueError`` if the machine cannot hold a tile of it."""
    total, weights, peak = Cost(), 0, 0
    primitives: dict[Primitive, None] = {}
    kinds: dict[str, None] = {}
    ways: dict[str, None] = {}
    for site, times in sites:
        graph = write(form, site)
        both, first = (graph, 0) if direction == "forward" else _backward(graph)
        steps = both.steps[first:]
        layer = Layer(name=form, form=form, primitives=both.primitives[first:])
        (priced,) = cost_layers([layer], machine, runs)
        learnt = {label for step in steps for label in _with_weights(step, both)}
        for each in priced.primitives:
            weights += times * each.cost.filter_read_bytes * (each.primitive.label in learnt)
            peak = max(peak, _tile(each.primitive, each.tiling, machine))
        total = sum([priced.cost] * times, total)
        primitives |= dict.fromkeys(layer.primitives)
        kinds |= dict.fromkeys(kinds_of(steps, both))
        ways |= dict.fromkeys(_ways(priced))
    site, _ = sites[-1]
    return _Run(
        total,
        weights,
        peak,
        tuple(primitives),
        tuple(kinds),
        tuple(ways),
        write(form, site),
        growth(form, site),
    )


def _backward(graph: Graph) -> tuple[Graph, int]:
    both = backward(graph)
    return both.graph, both.first


def _with_weights(step: Step, graph: Graph) -> tuple[str, ...]:
    """The label of a step whose second operand is learnt; a machine may run it in several parts."""
    if not isinstance(step.primitive, Convolution):
        return ()
    learnt = any(graph.tensors[part.tensor].role == "weight" for part in step.reads[1].parts)
    return (step.primitive.label,) if learnt else ()


def _tile(primitive: Primitive, tiling: Tiling | None, machine: Machine) -> int:
    if not isinstance(primitive, Convolution) or tiling is None:
        return 0
    held = machine.buffers.tiles_held
    return sum(tile_bytes(primitive, tiling, machine)) * held


def _ways(priced: LayerCost) -> list[str]:
    return [f"{each.primitive.label}: {each.way}" for each in priced.primitives if each.way]


def _row(labels: Row, run: _Run, plain: _Run, wide: _Run, machine: Machine, study: Study) -> Row:
    peak = machine.array.macs_per_cycle
    efficiency = run.cost.utilisation(peak) / plain.cost.utilisation(peak)
    exposed = run.cost.vector_cycles / run.cost.cycles if run.cost.cycles else 0.0
    verdict: Verdict = judge(
        efficiency_ratio=efficiency,
        exposed_share=exposed,
        grows=run.grows,
        kinds=run.kinds,
        plain_kinds=plain.kinds,
        primitives=run.primitives,
        machine=machine,
        thresholds=study.thresholds,
    )
    energy = energy_of(run.cost, machine)
    largest = run.graph.largest
    return replace(
        labels,
        cycles=run.cost.cycles,
        cycles_ratio=run.cost.cycles / plain.cost.cycles,
        work_ratio=run.cost.macs / plain.cost.macs,
        efficiency_ratio=efficiency,
        wide_ratio=run.cost.cycles / wide.cost.cycles,
        exposed_share=exposed,
        array_macs=run.cost.macs,
        vector_ops=run.cost.vector_ops,
        dram_bytes=run.cost.dram_bytes,
        weight_bytes=run.weight_bytes,
        dram_ratio=run.cost.dram_bytes / plain.cost.dram_bytes,
        peak_buffer_bytes=run.peak_bytes,
        energy_pj=None if energy is None else energy.total_pj,
        largest_tensor=largest.name,
        largest_elements=largest.elements,
        macs_pixels=run.grows.macs_pixels,
        macs_channels=run.grows.macs_channels,
        kinds=run.kinds,
        supports=tuple((kind, str(how)) for kind, how in supports(run.primitives, machine).items()),
        ways=run.ways,
        failed=tuple(verdict.failed.items()),
    )
