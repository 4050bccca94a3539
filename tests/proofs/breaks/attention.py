"""How to break claims about attention and its approximation."""

from fractions import Fraction

import refimpl
from proofs.claims import accuracy, attention, locality, measured
from tests.proofs.breaks.wrongs import Break, always, shift_backwards, twice


def one_more_pixel_far(right):
    return lambda pixels, far, channels: right(pixels, far + 1, channels)


def look_nearby_only(_):
    return lambda x, *weights, normalise: refimpl.local_attention(x, *weights, kernel=(1, 3))


def scaled_up(right):
    return lambda *args, **options: 1000 * right(*args, **options)


def better(what, by=0.5):
    """Every number of one line of the study, too large."""

    def wrong(right):
        return lambda: tuple(
            row._replace(value=row.value + by) if row.what == what else row for row in right()
        )

    return wrong


def higher(operator, by=0.1):
    """Every accuracy of an operator, too high."""
    return lambda right: (
        lambda: tuple(
            row._replace(accuracy=row.accuracy + by) if row.operator == operator else row
            for row in right()
        )
    )


BREAKS: dict[str, tuple[Break, ...]] = {
    "whether-x-volution-does-as-well-with-pssa-as-with-attention": (
        Break("X-volution + 0.1", accuracy, "results", higher("xvolution")),
        Break("attention + 0.047", accuracy, "results", higher("xvolution_global", 0.047)),
    ),
    "pssa-alone-is-not-about-as-good-as-attention-alone": (
        Break("attention + 0.07", accuracy, "results", higher("global_attention", 0.07)),
        Break("attention + 0.2", accuracy, "results", higher("global_attention", 0.2)),
    ),
    "a-plain-convolution-does-as-well-as-pssa": (
        Break("PSSA + 0.1", accuracy, "results", higher("pssa")),
        Break("convolution + 0.1", accuracy, "results", higher("conv2d")),
    ),
    "the-local-linear-step-misses-what-attention-makes-of-the-residual": (
        Break("matrix doubled", locality, "per_image_weights", twice),
    ),
    "the-local-linear-step-errs-by-at-most-its-residual-times-a-norm": (
        Break("attention scaled", locality, "global_attention", scaled_up),
    ),
    "white-noise-truncation-error": (
        Break("one more far", locality, "truncation_error_squared", one_more_pixel_far),
        Break("window ignored", locality, "local_attention", always(kernel=(1, 1))),
    ),
    "white-noise-truncation-loses-nearly-everything": (
        Break("doubled", locality, "truncation_error_squared", scaled_up),
    ),
    "truncation-errs-by-a-bounded-factor": (
        Break("global is local", locality, "global_attention", look_nearby_only),
    ),
    "truncating-softmax-costs-the-far-mass": (
        Break("window ignored", locality, "local_attention", always(kernel=(1, 1))),
    ),
    "pssa-explains-nothing-of-attention-on-noise": (
        Break("PSSA + 0.5", measured, "results", better("PSSA")),
    ),
    "pssa-adds-nothing-to-a-convolution-off-photographs": (
        Break("X-volution + 0.5", measured, "results", better("X-volution")),
    ),
    "pssa-adds-to-a-convolution-on-photographs": (
        Break("conv + 0.5", measured, "results", better("conv 3×3")),
    ),
    "local-attention-predicts-better-than-pssa-on-noise": (
        Break("PSSA + 0.5", measured, "results", better("PSSA")),
    ),
    "the-local-linear-step-is-good-where-neighbours-are-alike": (
        Break("error + 0.5", measured, "results", better("neighbours, attention")),
    ),
    "truncation-is-bad-on-every-population": (
        Break("error − 0.5", measured, "results", better("truncation", by=-0.5)),
    ),
    "convolution-is-attention-with-one-hot-positions": (
        Break("backwards", attention, "shift", shift_backwards),
    ),
    "unnormalised-global-attention-is-a-convolution-per-image": (
        Break("scaled", attention, "global_attention", always(scale=Fraction(1, 2))),
    ),
}
