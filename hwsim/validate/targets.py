"""All targets by name."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from hwsim.checks import one_of
from hwsim.io.machines import preset
from hwsim.io.published import published, published_machine
from hwsim.rtl.record import recorded
from hwsim.validate.arrays import rtl_comparisons, scalesim_comparisons
from hwsim.validate.comparison import Comparison
from hwsim.validate.eyeriss import eyeriss_comparisons
from hwsim.validate.nvdla import nvdla_comparisons
from hwsim.validate.tpu import tpu_comparisons
from hwsim.validate.vela import vela_comparisons
from hwsim.validate.zigzag import zigzag_comparisons

TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "rtl": "cycles of our own SystemVerilog arrays, in a simulator: equal",
        "scalesim": "SCALE-Sim 3.0.0 in its own convention, stall-free: equal",
        "eyeriss": "AlexNet on the Eyeriss chip: time within 10 %, buffer traffic within 15 %",
        "nvdla": "NVIDIA's estimator for ResNet-50 on NVDLA, not silicon: within 1.5 %",
        "tpu": "counters of TPU v1: the order of the parts of the time on matrices",
        "zigzag": "ZigZag 3.9.1 on the accelerator it ships as tpu_like, layer by layer: shown",
        "vela": "Vela 5.2.0 for an Ethos-U55 with 256 MACs, layer by layer: shown",
    }
)


def validate(names: Iterable[str] = TARGETS) -> tuple[Comparison, ...]:
    """Comparisons of the named targets, in order; ``ValueError`` for an unknown one."""
    found: list[Comparison] = []
    for name in names:
        found += _comparisons(one_of("target", name, TARGETS))
    return tuple(found)


def _comparisons(name: str) -> Iterable[Comparison]:
    compared: Mapping[str, Callable[[], Iterable[Comparison]]] = {
        "rtl": lambda: rtl_comparisons([run.model_dump() for run in recorded().measured]),
        "scalesim": lambda: scalesim_comparisons(published("scalesim_3_0_0")),
        "eyeriss": lambda: eyeriss_comparisons(published("eyeriss_alexnet")),
        "nvdla": lambda: nvdla_comparisons(published("nvdla_primer")),
        "tpu": lambda: tpu_comparisons(published("tpu_v1")),
        "zigzag": lambda: zigzag_comparisons(
            published("zigzag_3_9_1"), published_machine("zigzag_tpu_like")
        ),
        "vela": lambda: vela_comparisons(published("vela_5_2_0"), preset("ethos-u55-like")),
    }
    return compared[name]()
