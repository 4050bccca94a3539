"""How to break claims about work, sizes, cycles and machines."""

import numpy as np

from proofs.claims import hardware, machines, sizes, work
from tests.proofs.breaks.wrongs import Break, twice


def off_by_one(right):
    return lambda *args: right(*args)._replace(total=right(*args).total + 1)


def forget_the_drain(right):
    def wrong(gemm, array, flow):
        cycles = right(gemm, array, flow)
        return cycles._replace(total=cycles.total - min(getattr(gemm, flow.rows), array.rows))

    return wrong


def wrong_product(right):
    def wrong(a, b, array, dataflow):
        simulated = right(a, b, array, dataflow)
        return simulated._replace(product=simulated.product + 1)

    return wrong


def one_cycle_more(right):
    return lambda *args: right(*args) + 1


def filter_read_once_more(right):
    def wrong(*args):
        moved = right(*args)
        return moved._replace(filter_bytes=moved.filter_bytes + 1)

    return wrong


def lower_as(form, instead):
    """Lower one form as if it were another."""
    return lambda right: (
        lambda asked, site, **options: right(instead if asked == form else asked, site, **options)
    )


def no_extra_operators(right):
    def wrong(form, site, **options):
        lowered = right(form, site, **options)
        return tuple(each for each in lowered if isinstance(each, work.Convolution))

    return wrong


FUSED_IS_PLAIN = lower_as("xvolution-fused", "convolution")


FUSED_IS_TRAINING = lower_as("xvolution-fused", "xvolution-training")


def twice_over(right):
    """Every result twice, side by side."""
    return lambda *args, **options: np.concatenate([right(*args, **options)] * 2)


def one_mac_more(right):
    def wrong(*args):
        counted = right(*args)
        return counted._replace(array_macs=counted.array_macs + 1)

    return wrong


def halved(right):
    return lambda *args: right(*args) / 2


def as_attention(right):
    """Fused X-volution costs, and lacks, what softmax attention does."""
    return lambda *args: right(*args) | {"xvolution-fused": right(*args)["attention"]}


def as_convolution(right):
    return lambda *args: right(*args) | {"xvolution-fused": right(*args)["convolution"]}


BREAKS: dict[str, tuple[Break, ...]] = {
    "every-machine-that-convolves-runs-fused-x-volution": (
        Break("all native", machines, "support", lambda _: lambda *_: "native"),
    ),
    "a-machine-that-multiplies-elementwise-runs-fused-x-volution": (
        Break("attention instead", machines, "costs", as_attention),
    ),
    "softmax-attention-is-conv-friendly-nowhere": (
        Break("all native", machines, "support", lambda _: lambda *_: "native"),
    ),
    "fused-x-volution-is-as-efficient-in-the-last-stage": (
        Break("half as efficient", machines, "efficiency", halved),
    ),
    "fused-x-volution-takes-at-least-four-times-the-cycles": (
        Break("convolution instead", machines, "costs", as_convolution),
    ),
    "array-work-is-linear-in-the-number-of-pixels": (
        Break("PSSA is attention", machines, "lower", lower_as("xvolution-fused", "attention")),
    ),
    "stored-kernels-take-c-squared-k-squared-n-numbers": (
        Break("stored twice", sizes, "dynamic_kernel", twice_over),
    ),
    "stored-kernels-of-a-resnet-take-441-mib": (Break("doubled", sizes, "stored_bytes", twice),),
    "stored-kernels-of-the-detector-take-nine-gib": (
        Break("doubled", sizes, "stored_bytes", twice),
    ),
    "the-tied-form-adds-nothing-on-the-array": (Break("one more", sizes, "cost", one_mac_more),),
    "two-passes-take-1-44-times-the-macs-where-embedding-takes-5": (
        Break("one more", sizes, "cost", one_mac_more),
    ),
    "output-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("no drain", hardware, "array_cycles", forget_the_drain),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "weight-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "input-stationary-cycles-are-what-the-array-takes": (
        Break("off by one", hardware, "array_cycles", off_by_one),
        Break("wrong product", hardware, "simulate", wrong_product),
    ),
    "dram-traffic-is-what-walking-the-tiles-moves": (
        Break("one byte more", hardware, "traffic", filter_read_once_more),
    ),
    "scheduled-cycles-are-what-time-stepping-takes": (
        Break("off by one", hardware, "total_cycles", one_cycle_more),
    ),
    "fused-x-volution-adds-no-computation": (
        Break("fused is plain", work, "lower", FUSED_IS_PLAIN),
    ),
    "fused-x-volution-takes-one-plus-d-times-the-macs": (
        Break("fused is plain", work, "lower", FUSED_IS_PLAIN),
        Break("fused is training", work, "lower", FUSED_IS_TRAINING),
        Break("D = 8", work, "DIRECTIONS", lambda _: 8),
    ),
    "merging-saves-no-multiplications-on-the-array": (
        Break("fused is plain", work, "lower", FUSED_IS_PLAIN),
        Break("fused is training", work, "lower", FUSED_IS_TRAINING),
    ),
    "fused-x-volution-needs-only-convolution": (
        Break("no multiplication", work, "lower", no_extra_operators),
    ),
}
