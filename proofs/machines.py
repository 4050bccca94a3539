"""What the forms of X-volution and attention take on each machine of the packaged study.

Every claim about machines, and the tables of the page, read the rows of one study: the 3×3 layers
of every stage of ResNet-34 at 224×224, batch 1, on the machines of
``hwsim/presets/studies/conv-friendly.toml``, judged by the rule of ``hwsim.study.rule`` with the
thresholds of that file. A row's peak buffer is the largest tile that the schedule found holds, in
bytes, as often as the buffers hold it.
"""

from collections.abc import Callable, Iterator
from functools import cache

from hwsim import preset
from hwsim.io.studies import read_study
from hwsim.study import Row, Study, rows

ASKED = read_study()
MACHINES = tuple(sorted(ASKED.machines))
STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")
PLAIN, FUSED = "convolution", "xvolution-fused"
FORMS = {
    PLAIN: "plain convolution",
    FUSED: "X-volution, feature form",
    "xvolution-two-pass": "… in two passes",
    "xvolution-shared": "… one product for d and −d",
    "xvolution-tied": "… tied kernels",
    "xvolution-square": "… squares for products",
    "xvolution-kernel": "… kernel form, window by window",
    "xvolution-sa": "X-volution (SA), no softmax",
    "attention": "softmax attention",
    "attention-tiled": "… in blocks, scores on chip",
    "attention-unnormalised": "attention without softmax",
    "aa-convolution": "AA-Net",
}
SOFTMAX = ("attention", "attention-tiled", "aa-convolution")
MERGED = (FUSED, "xvolution-two-pass", "xvolution-shared", "xvolution-square")
LEVELS = ("not executable", "emulated", "native")


@cache
def rows_on(machine: str) -> dict[tuple[str, str], Row]:
    """The rows of one machine, by stage and form."""
    study = Study(
        networks=("resnet34",),
        stages=STAGES,
        batches=(1,),
        machines=(machine,),
        forms=tuple(FORMS),
        thresholds=ASKED.thresholds,
    )
    return {(each.stage, each.form): each for each in rows(study, [preset(machine)])}


def row(machine: str, stage: str, form: str) -> Row:
    """What a form takes on a machine, for the layers of a stage."""
    return rows_on(machine)[stage, form]


def support(machine: str, form: str) -> str:
    """The weakest support that a machine has for what a form needs: one of LEVELS.

    A shift that is an address in a read that happens anyway counts as native, as in the rule.
    """
    found = [how for kind, how in row(machine, STAGES[0], form).supports if not _free(kind, how)]
    return min((how.partition(":")[0] for how in found), key=LEVELS.index, default="native")


def runs(machine: str, form: str) -> bool:
    """Whether a machine executes all of a form, natively or not."""
    return support(machine, form) != "not executable"


def _free(kind: str, how: str) -> bool:
    return kind == "shift" and "address" in how


def tables() -> str:
    """The section of the page: what each form takes on each machine, in three tables."""
    return "\n".join(
        [
            HEADER,
            *_table("Stages of four in which the form is conv-friendly", _friendly),
            *_table("Cycles, times the plain convolution's, least … most", _cycles),
            *_table("Peak buffer, times the plain convolution's, least … most", _buffer),
        ]
    )


HEADER = """\
## On each machine

The 3×3 layers of ResNet-34, 224×224, batch 1. *e*: emulated, something the form needs is done in
several steps; *–*: not executable, something it needs the machine has no unit for, and cycles are
of the rest. The rule for conv-friendly is in [the study](study.md#the-rule), the machines in
[machines](machines.md).
"""


def _table(title: str, cell: Callable[[str, str], str]) -> Iterator[str]:
    yield f"{title}:\n"
    yield f"| | {' | '.join(MACHINES)} |"
    yield f"|---|{'---|' * len(MACHINES)}"
    for form, name in FORMS.items():
        if form != PLAIN:
            yield f"| {name} | {' | '.join(cell(machine, form) for machine in MACHINES)} |"
    yield ""


def _friendly(machine: str, form: str) -> str:
    mark = {"native": "", "emulated": " e", "not executable": " –"}[support(machine, form)]
    return f"{sum(row(machine, stage, form).friendly for stage in STAGES)}{mark}"


def _cycles(machine: str, form: str) -> str:
    mark = "" if runs(machine, form) else " –"
    return f"{_range([row(machine, stage, form).cycles_ratio for stage in STAGES])}{mark}"


def _buffer(machine: str, form: str) -> str:
    return _range([buffer_ratio(machine, stage, form) for stage in STAGES])


def buffer_ratio(machine: str, stage: str, form: str) -> float:
    """Peak buffer of a form, relative to the plain convolution's."""
    held = (row(machine, stage, each).peak_buffer_bytes for each in (form, PLAIN))
    return next(held) / next(held)


def _range(values: list[float]) -> str:
    low, high = (f"{value:.0f}" if value >= 100 else f"{value:.1f}" for value in _ends(values))
    return low if low == high else f"{low} … {high}"


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)
