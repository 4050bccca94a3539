"""How operators grow with the image and with the channels: multiply-accumulates, and cycles.

One square, unstrided site with C channels in and out, for every side and C of the study: the six
operators whose growth is the question. What a machine does not execute costs nothing, so a point
says what is missing, and no cycles are compared there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hwsim.lowering import write
from hwsim.machine import Machine
from hwsim.search import Run
from hwsim.study.declaration import Study
from hwsim.study.rows import run_form
from hwsim.workload import Convolution

FOLLOWED = (
    "convolution",
    "pssa",
    "xvolution-fused",
    "attention-unnormalised",
    "attention",
    "attention-tiled",
)
"""Forms that are followed over images and channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A form at a site of ``side`` × ``side`` pixels; no ``cycles`` where something is missing."""

    machine: str
    form: str
    channels: int
    side: int
    macs: int
    cycles: int | None = None
    missing: str = ""


def curves(study: Study, machines: Sequence[Machine]) -> Iterator[Place]:
    """Places of a study: machine, form, channels, side."""
    for machine in machines:
        runs: dict[Convolution, Run] = {}
        for form in FOLLOWED:
            for channels in study.growth_channels:
                for side in study.growth_sides:
                    yield _place(study, machine, form, square(channels, side), runs)


def square(channels: int, side: int) -> Convolution:
    """A 3 × 3 site on a square image, as many channels in as out."""
    return Convolution(
        in_channels=channels,
        out_channels=channels,
        height=side,
        width=side,
        kernel_h=3,
        kernel_w=3,
        padding=1,
    )


def _place(
    study: Study, machine: Machine, form: str, site: Convolution, runs: dict[Convolution, Run]
) -> Place:
    macs = write(form, site, study.options).macs

    def place(cycles: int | None, missing: str) -> Place:
        return Place(
            machine=machine.name,
            form=form,
            channels=site.in_channels,
            side=site.height,
            macs=macs,
            cycles=cycles,
            missing=missing,
        )

    try:
        run = run_form(form, [(site, 1)], machine, runs, options=study.options)
    except ValueError as error:  # no tile fits
        return place(None, str(error))
    return place(None, run.missing[0]) if run.missing else place(run.cost.cycles, "")
