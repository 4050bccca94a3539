"""ZigZag 3.9.1 beside us, on the accelerator and the mapping that it ships as ``tpu_like``.

An estimator beside an estimator: shown, with no limit. Its rows were recorded from the package
(``make test-oracles`` runs it again), ours come from the machine of
``hwsim/published/zigzag_tpu_like.toml`` and our own search. Where they part, and why (tests hold
the recorded rows to what is said of ZigZag here):

* Its mapping lays input channels along the 32 rows of the array and each tap in a cycle of its own;
  ours lays channels × taps along them. With channels in multiples of 32 both stream as long.
* It loads what it keeps in SRAM before the array begins; ours loads band after band beneath it.
* Its input is what is used: a stride leaves pixels out. Ours moves whole rows.
* Its elements hold 128 weights each and turn over them, so that a sum stays in its element through
  many channels and taps; ours passes sums through SRAM at every fold.
* Both look for the fewest cycles. Ours may load again what hides under the array's work.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from hwsim.energy import energy_of
from hwsim.machine import Machine
from hwsim.validate.comparison import Comparison
from hwsim.validate.layers import array_cycles_of, layer_cost

ARRAY, CYCLES, DRAM, ENERGY = "array cycles", "cycles", "DRAM bytes", "energy, µJ"
FIRST, SECOND = "ResNet-50 first, 7×7/2", "ResNet-50 conv2_x, 3×3"
SHORTCUT, FOURTH = "ResNet-50 conv3_x shortcut, 1×1/2", "ResNet-50 conv4_x, 3×3"
CLASSIFIER, ALEXNET = "ResNet-50 classifier", "AlexNet CONV2, 5×5"
ROWS = "its rows take channels alone, ours channels × taps"
AGAIN = "ours loads again what hides under the array's work"
SUMS = "ours passes sums through SRAM at every fold, its elements keep them"
REASONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (FIRST, ARRAY): ROWS,
        (ALEXNET, ARRAY): ROWS,
        (CLASSIFIER, ARRAY): "ours takes slices of 8 channels, under the transfer of the weights",
        (FIRST, CYCLES): ROWS,
        (ALEXNET, CYCLES): ROWS,
        (SECOND, CYCLES): "it loads the whole input first, ours band after band",
        (
            SHORTCUT,
            CYCLES,
        ): "DRAM is the limit here, and ours moves the pixels that the stride skips",
        (FIRST, DRAM): "rows under two bands are loaded for each",
        (SECOND, DRAM): AGAIN,
        (SHORTCUT, DRAM): "ours moves the pixels that the stride skips, and the weights twice",
        (FOURTH, DRAM): AGAIN,
        (ALEXNET, DRAM): AGAIN,
    }
)
"""Where numbers differ by more than 2 %: why, as far as it is known."""


def zigzag_comparisons(rows: Sequence[Mapping[str, str]], machine: Machine) -> Iterator[Comparison]:
    """Cycles, bytes and energy of each layer; ``machine`` must have an energy table."""
    for row in rows:
        cost = layer_cost(row, machine)
        energy = energy_of(cost, machine)
        if energy is None:
            raise ValueError(f"{machine.name} must have an energy table to stand beside ZigZag")
        moved = sum(int(row[f"{operand}_bytes"]) for operand in ("ifmap", "filter", "ofmap"))
        numbers = {
            ARRAY: (array_cycles_of(cost), int(row["array_cycles"])),
            CYCLES: (cost.cycles, int(row["cycles"])),
            DRAM: (cost.dram_bytes, moved),
            ENERGY: (energy.total_pj / 1e6, float(row["energy_pj"]) / 1e6),
        }
        for quantity, (ours, theirs) in numbers.items():
            yield Comparison(
                target="zigzag",
                case=row["layer"],
                quantity=quantity,
                ours=ours,
                theirs=theirs,
                reason=_reason(row["layer"], quantity),
            )


def _reason(layer: str, quantity: str) -> str:
    if quantity != ENERGY:
        return REASONS.get((layer, quantity), "")
    return f"{SUMS}; DRAM as above" if (layer, DRAM) in REASONS else SUMS
