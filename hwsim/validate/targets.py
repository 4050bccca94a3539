"""All targets by name, and what is not run."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from hwsim.checks import one_of
from hwsim.io.published import published
from hwsim.rtl.record import recorded
from hwsim.validate.arrays import rtl_comparisons, scalesim_comparisons
from hwsim.validate.comparison import Comparison
from hwsim.validate.eyeriss import eyeriss_comparisons
from hwsim.validate.nvdla import nvdla_comparisons
from hwsim.validate.tpu import tpu_comparisons

TARGETS: Mapping[str, str] = MappingProxyType(
    {
        "rtl": "cycles of our own SystemVerilog arrays, in a simulator: equal",
        "scalesim": "SCALE-Sim 3.0.0 in its own convention, stall-free: equal",
        "eyeriss": "AlexNet on the Eyeriss chip: time within 10 %, buffer traffic within 15 %",
        "nvdla": "NVIDIA's estimator for ResNet-50 on NVDLA, not silicon: within 1.5 %",
        "tpu": "counters of TPU v1: the order of the parts of the time on matrices",
    }
)
NOT_RUN = (
    "ZigZag and Vela are not run: neither is installed by this project, and no number of theirs "
    "is repeated here."
)


def validate(names: Iterable[str] = TARGETS) -> tuple[Comparison, ...]:
    """Comparisons of the named targets, in order; ``ValueError`` for an unknown one."""
    found: list[Comparison] = []
    for name in names:
        found += _comparisons(one_of("target", name, TARGETS))
    return tuple(found)


def _comparisons(name: str) -> list[Comparison]:
    if name == "rtl":
        return list(rtl_comparisons([run.model_dump() for run in recorded().measured]))
    if name == "scalesim":
        return list(scalesim_comparisons(published("scalesim_3_0_0")))
    if name == "eyeriss":
        return list(eyeriss_comparisons(published("eyeriss_alexnet")))
    if name == "nvdla":
        return list(nvdla_comparisons(published("nvdla_primer")))
    return list(tpu_comparisons(published("tpu_v1")))
