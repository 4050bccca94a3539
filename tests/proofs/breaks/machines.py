"""How to break claims about work, sizes, cycles and machines."""

from dataclasses import replace

import numpy as np

from proofs import machines as data
from proofs.claims import growth, hardware, machines, sizes, work
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
        lambda asked, *given, **options: right(
            instead if asked == form else asked, *given, **options
        )
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


def instead_of(form, other):
    """A form's row is another form's."""
    return lambda right: (
        lambda machine, stage, asked: right(machine, stage, other if asked == form else asked)
    )


def cycles_as(form, other):
    return lambda right: (
        lambda machine, asked, *given: right(machine, other if asked == form else asked, *given)
    )


def changed(form, **scaled):
    """Some numbers of a form's row are multiplied."""

    def wrong(right):
        def row(machine, stage, asked):
            found = right(machine, stage, asked)
            if asked != form:
                return found
            return replace(found, **{k: by * getattr(found, k) for k, by in scaled.items()})

        return row

    return wrong


def all_native(_):
    return lambda *_: "native"


def all_run(_):
    return lambda *_: True


BREAKS: dict[str, tuple[Break, ...]] = {
    "every-machine-that-convolves-runs-fused-x-volution": (
        Break("all run it", machines, "runs", all_run),
    ),
    "a-machine-that-multiplies-elementwise-runs-fused-x-volution": (
        Break("attention instead", data, "row", instead_of("xvolution-square", "attention")),
    ),
    "squares-let-a-machine-without-products-run-x-volution": (
        Break("all run it", machines, "runs", all_run),
    ),
    "softmax-attention-is-conv-friendly-nowhere": (
        Break("all native", machines, "support", all_native),
    ),
    "aa-net-idles-the-array-on-large-maps-only": (
        Break("plain", machines, "row", instead_of("aa-convolution", "convolution")),
        Break("halved", machines, "row", changed("aa-convolution", efficiency_ratio=0.5)),
    ),
    "fused-x-volution-is-as-efficient-in-the-last-stage": (
        Break("half", machines, "row", changed("xvolution-fused", efficiency_ratio=0.5)),
        Break("vector alone", machines, "row", instead_of("xvolution-fused", "xvolution-kernel")),
    ),
    "one-product-for-two-directions-is-never-less-friendly": (
        Break("twice", machines, "row", changed("xvolution-shared", cycles=2)),
        Break("attention", machines, "row", instead_of("xvolution-shared", "attention-tiled")),
    ),
    "fused-x-volution-holds-at-most-three-times-the-buffer": (
        Break("tenfold", data, "row", changed("xvolution-fused", peak_buffer_bytes=10)),
    ),
    "fused-x-volution-takes-at-least-four-times-the-cycles": (
        Break("plain", growth, "row", instead_of("xvolution-square", "convolution")),
    ),
    "two-passes-with-a-small-kernel-are-faster-on-every-machine": (
        Break("3×3", growth, "cycles", lambda right: lambda *given: right(*given[:4], 3)),
    ),
    "tied-kernels-are-free-on-the-array-not-in-time": (
        Break("plain", growth, "row", instead_of("xvolution-tied", "convolution")),
        Break("one more", growth, "row", changed("xvolution-tied", array_macs=2)),
    ),
    "array-work-is-linear-in-the-number-of-pixels": (
        Break("PSSA is attention", growth, "macs", lower_as("xvolution-fused", "attention")),
    ),
    "pssa-takes-n-d-k2-c2-products": (
        Break("fused instead", growth, "macs", lower_as("pssa", "xvolution-fused")),
    ),
    "softmax-attention-takes-less-than-pssa-below-33-halves-c-pixels": (
        Break("fused instead", growth, "macs", lower_as("pssa", "xvolution-fused")),
        Break("without softmax", growth, "macs", lower_as("attention", "attention-unnormalised")),
    ),
    "cycles-grow-no-faster-than-the-pixels": (
        Break("PSSA is attention", growth, "cycles", cycles_as("xvolution-fused", "attention")),
    ),
    "no-tensor-of-x-volution-outgrows-the-image": (
        Break("stored", growth, "growth", lower_as("xvolution-fused", "xvolution-kernel-stored")),
        Break("scores", growth, "growth", lower_as("xvolution-fused", "attention")),
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
