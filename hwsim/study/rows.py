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
from operator import mul

from hwsim.cost import Cost
from hwsim.energy import energy_of
from hwsim.evaluate import LayerCost, cost_layers
from hwsim.lowering import Graph, Options, Step, Tensor, backward, write
from hwsim.machine import Machine
from hwsim.networks import network
from hwsim.search import Run
from hwsim.study.declaration import Study
from hwsim.study.growth import Growth, growth
from hwsim.study.rule import Verdict, judge, kinds_of, supports
from hwsim.tiling import Tiling, tile_bytes
from hwsim.workload import Convolution, Layer, Primitive

PLAIN, WIDE, FUSED = "convolution", "convolution-wide", "xvolution-fused"
"""The measure, the same with the fused form's work, and the form that the study is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a form of one stage takes. ``reason`` says why there are no numbers, if there are none.

    ``supports`` has each kind with how it is executed, ``failed`` the criteria that fail with what
    was found, ``missing`` what the machine does not execute (it costs nothing here), ``budget`` the
    parts of the cycles. ``energy_pj`` is ``None`` without a table.
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
    missing: tuple[str, ...] = ()
    budget: tuple[tuple[str, int], ...] = ()
    reason: str = ""

    @property
    def friendly(self) -> bool:
        """Whether the rule calls it conv-friendly."""
        return not self.failed and not self.reason


@dataclass(frozen=True, slots=True)
class FormRun:
    """A form on all sites of a stage; ``layers`` has the cost of one site, and how often it is."""

    layers: tuple[tuple[LayerCost, int], ...]
    weight_bytes: int
    peak_bytes: int
    primitives: tuple[Primitive, ...]
    kinds: tuple[str, ...]
    largest: Tensor
    grows: Growth

    @property
    def cost(self) -> Cost:
        """Sum over the sites."""
        return sum((each for layer, times in self.layers for each in [layer.cost] * times), Cost())

    @property
    def missing(self) -> tuple[str, ...]:
        """Why something costs nothing here, each reason once."""
        every = (reason for layer, _ in self.layers for reason in layer.not_executable)
        return tuple(dict.fromkeys(every))

    @property
    def ways(self) -> tuple[str, ...]:
        """How products per pixel are done."""
        every = (each for layer, _ in self.layers for each in layer.primitives if each.way)
        return tuple(dict.fromkeys(f"{each.primitive.label}: {each.way}" for each in every))


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

    def found(form: str) -> FormRun:
        return run_form(form, sites, machine, runs, options=study.options, direction=direction)

    measures: tuple[FormRun, FormRun] | None = None
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
            measures = measures or (found(PLAIN), found(WIDE))
            run = found(form)
        except ValueError as error:  # no tile fits, or the form does not fit the site
            yield replace(labels, reason=str(error))
            continue
        yield _row(labels, run, *measures, machine, study)


def run_form(
    form: str,
    sites: Sequence[tuple[Convolution, int]],
    machine: Machine,
    runs: dict[Convolution, Run],
    *,
    options: Options,
    direction: str = "forward",
) -> FormRun:
    """``form`` on all sites; ``ValueError`` if the machine cannot hold a tile of it.

    ``runs`` remembers what was found on this machine for the next call.
    """
    weights, peak = 0, 0
    layers: list[tuple[LayerCost, int]] = []
    primitives: dict[Primitive, None] = {}
    kinds: dict[str, None] = {}
    for site, times in sites:
        graph = write(form, site, options)
        both, first = (graph, 0) if direction == "forward" else _backward(graph)
        steps = both.steps[first:]
        layer = Layer(name=form, form=form, primitives=both.primitives[first:])
        (priced,) = cost_layers([layer], machine, runs)
        learnt = {label for step in steps for label in _with_weights(step, both)}
        for each in priced.primitives:
            weights += times * each.cost.filter_read_bytes * (each.primitive.label in learnt)
            peak = max(peak, _tile(each.primitive, each.tiling, machine))
        layers.append((priced, times))
        primitives |= dict.fromkeys(layer.primitives)
        kinds |= dict.fromkeys(kinds_of(steps, both))
    site, _ = sites[-1]
    return FormRun(
        layers=tuple(layers),
        weight_bytes=weights,
        peak_bytes=peak,
        primitives=tuple(primitives),
        kinds=tuple(kinds),
        largest=write(form, site, options).largest,
        grows=growth(form, site, options),
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
    sizes = tile_bytes(primitive, tiling, machine)
    return sum(map(mul, sizes, machine.buffers.tiles_held))


def judged(
    run: FormRun, plain: FormRun, machine: Machine, study: Study, cost: Cost | None = None
) -> Verdict:
    """What the rule says of a form beside the plain convolution; ``cost`` if it is another."""
    cost = run.cost if cost is None else cost
    return judge(
        efficiency_ratio=efficiency_ratio(cost, plain.cost, machine),
        exposed_share=exposed_share(cost),
        grows=run.grows,
        kinds=run.kinds,
        plain_kinds=plain.kinds,
        primitives=run.primitives,
        machine=machine,
        thresholds=study.thresholds,
    )


def efficiency_ratio(cost: Cost, plain: Cost, machine: Machine) -> float:
    """Utilisation of the array, as a part of the plain convolution's."""
    peak = machine.array.macs_per_cycle
    return cost.utilisation(peak) / plain.utilisation(peak)


def exposed_share(cost: Cost) -> float:
    """The part of the cycles in which the vector unit is alone at work."""
    return cost.vector_cycles / cost.cycles if cost.cycles else 0.0


def _row(
    labels: Row, run: FormRun, plain: FormRun, wide: FormRun, machine: Machine, study: Study
) -> Row:
    verdict = judged(run, plain, machine, study)
    cost, measure = run.cost, plain.cost
    energy = energy_of(cost, machine)
    return replace(
        labels,
        cycles=cost.cycles,
        cycles_ratio=cost.cycles / measure.cycles,
        work_ratio=cost.macs / measure.macs,
        efficiency_ratio=efficiency_ratio(cost, measure, machine),
        wide_ratio=cost.cycles / wide.cost.cycles,
        exposed_share=exposed_share(cost),
        array_macs=cost.macs,
        vector_ops=cost.vector_ops,
        dram_bytes=cost.dram_bytes,
        weight_bytes=run.weight_bytes,
        dram_ratio=cost.dram_bytes / measure.dram_bytes,
        peak_buffer_bytes=run.peak_bytes,
        energy_pj=None if energy is None else energy.total_pj,
        largest_tensor=run.largest.name,
        largest_elements=run.largest.elements,
        macs_pixels=run.grows.macs_pixels,
        macs_channels=run.grows.macs_channels,
        kinds=run.kinds,
        supports=tuple((kind, str(how)) for kind, how in supports(run.primitives, machine).items()),
        ways=run.ways,
        failed=tuple(verdict.failed.items()),
        missing=run.missing,
        budget=tuple(cost.budget.items()),
    )
