"""A convolution as SCALE-Sim 3.0.0 would count it, as a cost: ``--convention scalesim``.

Cycles and buffer accesses are those of ``hwsim.cycles.scalesim``, habits included. It knows neither
batches nor groups, so images and groups are counted one after another, which is ours. Its
stall-free mode waits for nothing and says nothing of DRAM: there are no stalls, and DRAM bytes are
the compulsory ones. What streams is F_r·F_c·T cycles; the rest of its total is skew, load, drain.
"""

from hwsim.cost import Cost
from hwsim.cycles import scalesim
from hwsim.integers import ceil_div
from hwsim.machine import Array, Machine
from hwsim.traffic import compulsory_traffic
from hwsim.workload import Convolution

SHORT = {"output-stationary": "os", "weight-stationary": "ws", "input-stationary": "is"}


def scalesim_cost(conv: Convolution, machine: Machine) -> Cost:
    """Cost of a convolution in SCALE-Sim's convention; the machine's array must be systolic."""
    array = machine.array
    assert isinstance(array, Array)  # noqa: S101 - the machine has checked it
    pixels, filters = conv.out_height * conv.out_width, conv.out_channels // conv.groups
    depth = conv.in_channels // conv.groups * conv.taps
    flow = SHORT[machine.dataflow]
    found = scalesim.report(pixels, filters, depth, array.rows, array.cols, flow)
    times = conv.batch * conv.groups
    total = int(found.total_cycles) * times
    side, across, streamed = {
        "os": (pixels, filters, depth),
        "ws": (depth, filters, pixels),
        "is": (depth, pixels, filters),
    }[flow]
    folds = ceil_div(side, array.rows) * ceil_div(across, array.cols)
    ideal = min(total, ceil_div(conv.macs, array.macs_per_cycle))
    streaming = max(ideal, min(total, folds * streamed * times))
    moved = compulsory_traffic(conv, machine)
    word = machine.operand_bytes
    return Cost(
        compute_cycles=ideal,
        fragmentation_cycles=streaming - ideal,
        fill_drain_cycles=total - streaming,
        macs=conv.macs,
        dram_read_bytes=moved.ifmap_bytes + moved.filter_bytes,
        dram_write_bytes=moved.ofmap_bytes,
        sram_ifmap_bytes=int(found.ifmap_reads) * times * word,
        sram_filter_bytes=int(found.filter_reads) * times * word,
        sram_ofmap_bytes=int(found.ofmap_writes) * times * word,
        filter_read_bytes=moved.filter_bytes,
        compulsory_bytes=moved.total_bytes,
        lower_bound_bytes=moved.total_bytes,
    )
