"""Vela 5.2.0, Arm's compiler for Ethos-U, beside our ``ethos-u55-like``: its estimate, not silicon.

Shown, with no limit. Its rows were recorded from the package (``make test-oracles`` runs it again):
layers compiled one at a time for 256 MACs, weights and feature maps in one SRAM. The preset's
constants are from the same source, so what this compares is the model of the array and of the
traffic. Where they part, and why (tests hold the recorded rows to what is said of Vela here):

* Its pixels come in blocks of 2 × 2, its channels in eights. With few channels its kernel comes in
  fours of taps, and channels are filled up to eight for each; ours packs channels × taps in eights.
* It counts the decoding of weights, eight a cycle, among the array's cycles; ours waits for memory.
* An output block takes the input and the weights under it from SRAM anew, whatever was there; ours
  keeps what the next tile needs. The block is its compiler's choice, the tile our search's.
* It counts twice what is written: 16 channels of a pixel are half of the memory's burst.
* Its total is the longer of the array's cycles and the memory's; a transfer has no latency in it.

Weights were drawn at random, so that compression, which is not in our model, takes nothing off.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from hwsim.machine import Machine
from hwsim.validate.comparison import Comparison
from hwsim.validate.layers import array_cycles_of, layer_cost

ARRAY, CYCLES, BYTES = "array cycles", "cycles", "bytes from and to memory"
FIRST, SHORTCUT = "ResNet-50 first, 7×7/2", "ResNet-50 conv3_x shortcut, 1×1/2"
FOURTH, FIFTH = "ResNet-50 conv4_x, 3×3", "ResNet-50 conv5_x, 1×1"
CLASSIFIER, ALEXNET = "ResNet-50 classifier", "AlexNet CONV2, 5×5"
PRODUCT = "product 128×3072×768"
TAPS = "it fills 3 channels up to 8 and 49 taps to 52, ours packs channels × taps"
FOURS = "it fills 25 taps up to 28, ours packs channels × taps"
UNKNOWN = "not known: 2.4 % above the steps of its own blocks"
ANEW = "it loads input and weights anew for every block, and counts writes twice"
REASONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (FIRST, ARRAY): TAPS,
        (FIRST, CYCLES): TAPS,
        (ALEXNET, ARRAY): FOURS,
        (ALEXNET, CYCLES): FOURS,
        (SHORTCUT, ARRAY): "28 pixels of a block wait for 32 cycles of weights",
        (SHORTCUT, CYCLES): "memory is the limit here, and it loads the input for four groups",
        (FOURTH, ARRAY): UNKNOWN,
        (FOURTH, CYCLES): UNKNOWN,
        (FIFTH, ARRAY): "7 × 7 pixels are 16 blocks of 2 × 2, and 13 of ours",
        (CLASSIFIER, ARRAY): "it counts the decoding of weights here, ours waits for them",
        (PRODUCT, CYCLES): "ours waits 32 cycles for every transfer",
    }
)
"""Where numbers differ by more than 2 %: why, as far as it is known."""


def vela_comparisons(rows: Sequence[Mapping[str, str]], machine: Machine) -> Iterator[Comparison]:
    """Cycles of the array, cycles in all, and bytes of each layer."""
    for row in rows:
        cost = layer_cost(row, machine)
        numbers = {
            ARRAY: (array_cycles_of(cost), int(row["npu_cycles"])),
            CYCLES: (cost.cycles, int(row["cycles"])),
            BYTES: (cost.dram_bytes, int(row["bytes"])),
        }
        for quantity, (ours, theirs) in numbers.items():
            yield Comparison(
                target="vela",
                case=row["layer"],
                quantity=quantity,
                ours=ours,
                theirs=theirs,
                reason=ANEW if quantity == BYTES else REASONS.get((row["layer"], quantity), ""),
            )
