"""What a network, or a layer in several forms, costs on a machine.

Policy, the same for all forms: primitives run one after another, and every tensor between two of
them goes through DRAM. A vector primitive takes the longer of its vector cycles and its transfer,
a copy the longer of the mover's cycles and its transfer. A fused one (ReLU, affine) moves nothing,
and its vector cycles hide under the array's as far as the convolution before it lasts; what does
not fit there is exposed. A primitive that the machine's support matrix rules out is *not
executable*, one that nothing here describes is unmodelled: it costs nothing, is counted as missing
and reported with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.bands import band_rows, rows_read
from hwsim.channel import passed, waiting
from hwsim.convention import scalesim_cost
from hwsim.cost import Cost
from hwsim.coverage import Coverage, coverage
from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.dynamic_cost import attention_cost, per_pixel_cost
from hwsim.energy import Energy, energy_of
from hwsim.im2col import windows_written
from hwsim.integers import ceil_div
from hwsim.lower_bound import lower_bound_bytes
from hwsim.lowering import FORMS, convolution_layer
from hwsim.machine import Machine
from hwsim.networks import Network, network
from hwsim.onchip import on_chip
from hwsim.search import Run, Searched, best_run
from hwsim.tiling import Tiling
from hwsim.traffic import compulsory_traffic
from hwsim.workload import (
    VECTOR_KINDS,
    Convolution,
    Copy,
    Elementwise,
    Layer,
    Primitive,
    Shift,
    Unmodelled,
    VectorPrimitive,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveCost:
    """One primitive with its cost and tiling, or the ``reason`` why it is not executable.

    ``searched`` says what the tiling is the best of.
    ``way`` names how a product per pixel is done: the cheapest that the machine executes.
    """

    primitive: Primitive
    cost: Cost
    tiling: Tiling | None = None
    searched: Searched | None = None
    way: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """One layer with its primitives, in order."""

    name: str
    form: str
    primitives: tuple[PrimitiveCost, ...]
    nodes: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """Sum over the executable primitives."""
        return sum((each.cost for each in self.primitives), Cost())

    @property
    def not_executable(self) -> tuple[str, ...]:
        """One reason per primitive that the machine has no unit for."""
        return tuple(each.reason for each in self.primitives if each.reason is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A network on a machine: the cost of every layer."""

    network: Network
    machine: Machine
    layers: tuple[LayerCost, ...]

    @property
    def cost(self) -> Cost:
        """Sum over all layers."""
        return sum((layer.cost for layer in self.layers), Cost())

    @property
    def seconds(self) -> float:
        """Duration at the machine's clock."""
        return self.cost.cycles / self.machine.clock_hz

    @property
    def utilisation(self) -> float:
        """Fraction of the array's peak spent on useful work."""
        return self.cost.utilisation(self.machine.array.macs_per_cycle)

    @property
    def energy(self) -> Energy | None:
        """Energy by level; ``None`` if the machine has no table."""
        return energy_of(self.cost, self.machine)

    @property
    def coverage(self) -> Coverage:
        """What the cost leaves out."""
        return coverage(self.layers, self.network.free)


def estimate(asked: Network, machine: Machine) -> Estimate:
    """Cost of every layer of ``asked``; ``ValueError`` if the buffers cannot hold a tile."""
    layers = cost_layers(asked.layers, machine)
    return Estimate(network=asked, machine=machine, layers=layers)


def cost_layers(
    layers: Sequence[Layer], machine: Machine, runs: dict[Convolution, Run] | None = None
) -> tuple[LayerCost, ...]:
    """Cost of each layer; equal convolutions are searched once.

    ``runs`` remembers what was found on this machine for the next call.
    """
    layers = [windows_written(layer, machine) for layer in layers]
    runs = {} if runs is None else runs
    for layer in layers if machine.convention == "own" else ():
        for primitive in layer.primitives:
            if isinstance(primitive, Convolution) and primitive not in runs:
                runs[primitive] = best_run(primitive, machine)
    return tuple(_layer_cost(layer, runs, machine) for layer in layers)


def layer_forms(
    machine: Machine,
    *,
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    stride: int = 1,
    batch: int = 1,
    relu: bool = True,
) -> dict[str, LayerCost]:
    """Cost of a 3 × 3 layer of that shape in every form, by the form's name."""
    site = Convolution(
        batch=batch,
        in_channels=in_channels,
        height=height,
        width=width,
        out_channels=out_channels,
        kernel_h=3,
        kernel_w=3,
        stride=stride,
        padding=1,
    )
    layers = [convolution_layer(form, site, relu=relu, form=form) for form in FORMS]
    return {cost.form: cost for cost in cost_layers(layers, machine)}


def compare_forms(
    name: str,
    stage: str,
    machine: Machine,
    *,
    batch: int = 1,
    height: int | None = None,
    width: int | None = None,
) -> dict[str, Estimate]:
    """The 3 × 3 layers of one stage of a network, and only they, in every form."""
    asked = {
        form: network(name, stage=stage, form=form, batch=batch, height=height, width=width)
        for form in FORMS
    }
    return {form: estimate(net.only(*net.sites), machine) for form, net in asked.items()}


def _layer_cost(layer: Layer, runs: dict[Convolution, Run], machine: Machine) -> LayerCost:
    done: list[PrimitiveCost] = []
    shelter = 0  # cycles of the array under which a fused primitive can hide
    for primitive in layer.primitives:
        reason = _missing(primitive, machine)
        if reason is not None or isinstance(primitive, Unmodelled):
            priced = PrimitiveCost(primitive=primitive, cost=Cost(), reason=reason)
            shelter = 0
        elif isinstance(primitive, Convolution):
            priced = _array_cost(primitive, runs.get(primitive), machine)
            shelter = priced.cost.cycles
        elif isinstance(primitive, Copy):
            priced = _copy_cost(primitive, machine)
            shelter = 0
        elif isinstance(primitive, Shift):
            priced = _shift_cost(primitive, machine)
        elif isinstance(primitive, PerPixel | TiledAttention):
            priced = _dynamic_cost(primitive, runs, machine)
            shelter = 0
        else:
            priced = _vector_cost(primitive, machine, shelter if primitive.fused else 0)
            shelter = max(0, shelter - priced.cost.hidden_vector_cycles) if primitive.fused else 0
        done.append(priced)
    return LayerCost(name=layer.name, form=layer.form, primitives=tuple(done), nodes=layer.nodes)


def _array_cost(conv: Convolution, run: Run | None, machine: Machine) -> PrimitiveCost:
    if run is None:
        return PrimitiveCost(primitive=conv, cost=scalesim_cost(conv, machine))
    ideal = min(ceil_div(conv.macs, machine.array.macs_per_cycle), run.array.streamed)
    chip = on_chip(conv, run.tiling, run.filled, machine)
    cost = Cost(
        compute_cycles=ideal,
        fragmentation_cycles=run.array.streamed - ideal,
        fill_drain_cycles=run.array.total - run.array.streamed - run.array.waiting,
        buffer_stall_cycles=run.array.waiting,
        l2_stall_cycles=run.l2_stall,
        stall_cycles=run.cycles - run.array.total - run.l2_stall,
        macs=conv.macs,
        dram_read_bytes=run.traffic.ifmap_bytes + run.traffic.filter_bytes,
        dram_write_bytes=run.traffic.ofmap_bytes,
        sram_ifmap_bytes=chip.ifmap_bytes,
        sram_filter_bytes=chip.filter_bytes,
        sram_ofmap_bytes=chip.ofmap_bytes,
        l2_bytes=passed(machine, run.filled.total_bytes),
        filter_read_bytes=run.traffic.filter_bytes,
        compulsory_bytes=compulsory_traffic(conv, machine).total_bytes,
        lower_bound_bytes=lower_bound_bytes(conv, machine),
    )
    if cost.cycles != run.cycles:
        raise AssertionError(f"budget of {conv} must sum to {run.cycles}, not {cost.cycles}")
    return PrimitiveCost(primitive=conv, cost=cost, tiling=run.tiling, searched=run.searched)


def _missing(work: Primitive, machine: Machine) -> str | None:
    """Why the primitive is not in the cost; ``None`` if it is."""
    if isinstance(work, Unmodelled):
        return f"{work.label}: {work.reason}"
    if machine.supports(work.kind).executable:
        return None
    unit = machine.vector is None and work.kind in VECTOR_KINDS
    lacking = "has no vector unit" if unit else f"does not execute {work.kind}"
    return f"{work.label}: {machine.name} {lacking}"


def _copy_cost(work: Copy, machine: Machine) -> PrimitiveCost:
    read, written = (n * machine.operand_bytes for n in (work.read_elements, work.write_elements))
    mover = machine.mover
    busy = 0 if mover is None else mover.cycles(max(read, written))
    late = waiting(machine, read, written, busy)
    cost = Cost(
        movement_cycles=busy,
        l2_stall_cycles=late.l2,
        stall_cycles=late.dram,
        l2_bytes=passed(machine, read + written),
        dram_read_bytes=read,
        dram_write_bytes=written,
        compulsory_bytes=read + written,
        lower_bound_bytes=read + written,
    )
    return PrimitiveCost(primitive=work, cost=cost)


def _shift_cost(work: Shift, machine: Machine) -> PrimitiveCost:
    """A copy where the machine shifts by copying; else an address in the read that follows."""
    mover = machine.mover
    if mover is None or mover.shift != "copy":
        return PrimitiveCost(primitive=work, cost=Cost())
    moved = work.moved_elements(mover.block_channels)
    if mover.on_chip:
        busy = mover.cycles(moved * machine.operand_bytes)
        return PrimitiveCost(primitive=work, cost=Cost(movement_cycles=busy))
    copy = Copy(read_elements=moved, write_elements=moved, label=work.label)
    return PrimitiveCost(primitive=work, cost=_copy_cost(copy, machine).cost)


def _dynamic_cost(
    work: PerPixel | TiledAttention, runs: dict[Convolution, Run], machine: Machine
) -> PrimitiveCost:
    def price(product: Convolution) -> Cost:
        if product not in runs:
            runs[product] = best_run(product, machine)
        return _array_cost(product, runs[product], machine).cost

    if isinstance(work, PerPixel):
        chosen = per_pixel_cost(work, machine, price)
        if chosen is not None:
            return PrimitiveCost(primitive=work, cost=chosen.cost, way=chosen.way)
    else:
        cost = attention_cost(work, machine, price)
        if cost is not None:
            return PrimitiveCost(primitive=work, cost=cost)
    reason = f"{work.label}: {machine.name} executes no way to do it"
    return PrimitiveCost(primitive=work, cost=Cost(), reason=reason)


def _vector_cost(work: VectorPrimitive, machine: Machine, shelter: int) -> PrimitiveCost:
    unit = machine.vector
    assert unit is not None  # noqa: S101 - the machine supports it
    busy = unit.cycles(work.kind, work.operations)
    hidden = min(busy, shelter)
    read = _read_elements(work, machine) * machine.operand_bytes
    written = work.write_elements * machine.operand_bytes
    late = waiting(machine, read, written, busy)
    cost = Cost(
        vector_cycles=busy - hidden,
        hidden_vector_cycles=hidden,
        l2_stall_cycles=late.l2,
        stall_cycles=late.dram,
        l2_bytes=passed(machine, read + written),
        vector_ops=work.operations,
        dram_read_bytes=read,
        dram_write_bytes=written,
        compulsory_bytes=(work.read_elements + work.write_elements) * machine.operand_bytes,
        lower_bound_bytes=(work.read_elements + work.write_elements) * machine.operand_bytes,
    )
    return PrimitiveCost(primitive=work, cost=cost)


def _read_elements(work: VectorPrimitive, machine: Machine) -> int:
    """Numbers that a vector primitive loads: halos of its bands, or copies, among them."""
    reads = work.reads if isinstance(work, Elementwise) else None
    if reads is None:
        return work.read_elements
    if machine.shifts_by_copy:
        return reads.copies
    band = band_rows(machine, reads.walked, reads.rows)
    rows = rows_read(reads.rows, band, reads.reach, circular=reads.circular)
    return rows * reads.row_elements
