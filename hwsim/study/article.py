"""What the article says about hardware, sentence by sentence, beside what the rows say.

The article is the report by 机器之心 ("Machine Heart") on arXiv:2106.02253. A *finding* holds,
holds in part, or does not hold; what was measured decides, by the predicate beside each sentence,
and a sentence about rows that a study does not have is not asked.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hwsim.study.rows import FUSED, Row
from hwsim.study.summary import span

PSSA, AA, TRAINING = "pssa", "aa-convolution", "xvolution-training"
KERNEL, STORED = "xvolution-kernel", "xvolution-kernel-stored"
HOLDS, IN_PART, NOT = "holds", "holds in part", "does not hold"


class Finding(NamedTuple):
    """A sentence, our translation, what was measured, and whether the sentence holds."""

    text: str
    translation: str
    measured: str
    verdict: str


class _Sentence(NamedTuple):
    text: str
    translation: str
    form: str
    judge: Callable[[Sequence[Row], Sequence[Row]], tuple[str, str]]


def findings(rows: Sequence[Row]) -> tuple[Finding, ...]:
    """Every sentence about a form that the rows ask about."""
    forward = [row for row in rows if row.direction == "forward"]
    found = []
    for sentence in SENTENCES:
        mine = [row for row in forward if row.form == sentence.form and not row.reason]
        if mine:
            measured, verdict = sentence.judge(mine, forward)
            found.append(Finding(sentence.text, sentence.translation, measured, verdict))
    return tuple(found)


def _unfriendly(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    bad = sum(not row.friendly for row in mine)
    words = f"conv-friendly in {len(mine) - bad} of {len(mine)} cases"
    return words, HOLDS if bad == len(mine) else IN_PART if bad else NOT


def _work_of_both(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    work = sorted(row.work_ratio for row in mine)
    growth = max(row.macs_pixels for row in mine)
    words = (
        f"AA-Net takes {span(work)} times the plain convolution's "
        f"multiply-accumulates; they grow up to n^{growth:.2f} with the pixels"
    )
    return words, HOLDS if work[0] > 1 else IN_PART if work[-1] > 1 else NOT


def _shift_is_indexing(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    every = _machines(mine)
    moving = sorted({row.machine for row in mine if dict(row.budget).get("movement")})
    if not moving:
        return f"on none of {len(every)} machines does a shift move data by itself", HOLDS
    share = max(dict(row.budget)["movement"] / row.cycles for row in mine if row.machine in moving)
    words = (
        f"a shift is an address on {len(every) - len(moving)} of {len(every)} machines; on "
        f"{', '.join(moving)} it is a copy, up to {share:.0%} of the cycles"
    )
    return words, IN_PART if len(moving) < len(every) else NOT


def _pssa_kinds(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    kinds = sorted({kind for row in mine for kind in row.kinds})
    share = sorted(1 - _array_share(row) for row in mine if not row.missing)
    beside = (
        f"; {share[0]:.0%} to {share[-1]:.0%} of its cycles are not the array's" if share else ""
    )
    words = f"PSSA needs {', '.join(kinds)}{beside}"
    return words, HOLDS if set(kinds) <= {"convolution", "elementwise", "shift"} else NOT


def _one_convolution(mine: Sequence[Row], forward: Sequence[Row]) -> tuple[str, str]:
    kinds = sorted({kind for row in mine for kind in row.kinds})
    training = {_place(row): row for row in forward if row.form == TRAINING and not row.reason}
    pairs = [(row, training[_place(row)]) for row in mine if _place(row) in training]
    gains = sorted(1 - row.cycles / before.cycles for row, before in pairs if not before.missing)
    gained = (
        f"; merging saves {gains[0]:.0%} to {gains[-1]:.0%} of the training form's cycles"
        if gains
        else ""
    )
    words = f"one convolution on the array, behind {_others(kinds)}{gained}"
    return words, HOLDS if kinds == ["convolution"] else IN_PART


def _no_operator(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    every = _machines(mine)
    lacking = sorted({row.machine for row in mine if row.missing})
    kinds = sorted({kind for row in mine for kind in row.kinds})
    words = f"it also needs {_others(kinds)}"
    if lacking:
        words += f"; {len(lacking)} of {len(every)} machines multiply no elements: "
        words += ", ".join(lacking)
    return words, IN_PART if len(lacking) < len(every) else NOT


def _no_computation(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    work = sorted(row.work_ratio for row in mine)
    cycles = sorted(row.cycles_ratio for row in mine if not row.missing)
    words = f"{span(work)} times the multiply-accumulates"
    if cycles:
        words += f", {span(cycles)} times the cycles"
    return f"{words} of the plain convolution", HOLDS if work[-1] <= 1 else NOT


def _regular(mine: Sequence[Row], _: Sequence[Row]) -> tuple[str, str]:
    good = sum(row.friendly for row in mine)
    words = f"same input and output shape everywhere; conv-friendly in {good} of {len(mine)} cases"
    return words, HOLDS if good == len(mine) else IN_PART if good else NOT


def _dynamic(mine: Sequence[Row], forward: Sequence[Row]) -> tuple[str, str]:
    stored = [row for row in forward if row.form == STORED and not row.reason]
    cycles = sorted(row.cycles_ratio for row in mine if not row.missing)
    grows = next((dict(row.failed).get("no C2K2n") for row in stored if row.failed), None)
    words = f"as a kernel per pixel it is conv-friendly in {sum(r.friendly for r in mine)}"
    words += f" of {len(mine)} cases, factorised"
    if cycles:
        words += f", at {span(cycles)} times the cycles"
    if grows:
        words += f"; written down, its {grows} grow like n·C²"
    return f"{words}. The feature form gives the same numbers without such a kernel", IN_PART


def _weapon(mine: Sequence[Row], forward: Sequence[Row]) -> tuple[str, str]:
    others = ("attention-tiled", "local-attention-softmax", "acmix", "neighbourhood-attention")
    plain = {_place(row): row for row in mine if not row.missing}
    better = [
        (row, plain[_place(row)])
        for row in forward
        if row.form in others and not row.reason and not row.missing and _place(row) in plain
    ]
    if not better:
        return "no machine of this study executes both it and an attention with softmax", IN_PART
    wins = sum(fused.cycles < row.cycles for row, fused in better)
    words = (
        f"fewer cycles than softmax attention (tiled, in a window, ACmix, neighbourhood) in {wins} "
        f"of {len(better)} pairs on machines that execute both"
    )
    return words, HOLDS if wins == len(better) else IN_PART if wins else NOT


def _machines(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.machine for row in rows))


def _place(row: Row) -> tuple[str, str, str, int]:
    return row.machine, row.network, row.stage, row.batch


def _others(kinds: Sequence[str]) -> str:
    return " and ".join(f"{kind} steps" for kind in kinds if kind != "convolution") or "nothing"


def _array_share(row: Row) -> float:
    parts = dict(row.budget)
    beside = sum(parts.get(name, 0) for name in ("vector", "movement"))
    return 1 - beside / row.cycles if row.cycles else 1.0


SENTENCES = (
    _Sentence(
        "卷积和 self-attention 运算模式存在较大差异,两者同时存在会导致网络结构不规则,"
        "进而影响网络推理效率,并不为目前一些工业界通用的芯片计算架构所友好支持。",
        "Convolution and self-attention differ much in how they compute; both at once make the "
        "structure of the network irregular, which affects its efficiency at inference, and some "
        "chip architectures that are common in industry today do not support it well. (On AA-Net.)",
        AA,
        _unfriendly,
    ),
    _Sentence(
        "同时组合后的算子在算力上也存在巨大的挑战。",
        "The combined operator is also a great challenge in computing power. (On AA-Net.)",
        AA,
        _work_of_both,
    ),
    _Sentence(
        "首先将输入的特征沿指定的多个方向进行循环移位(采用索引来实现)",
        "First the input features are shifted circularly (by indexing) along several given "
        "directions.",
        FUSED,
        _shift_is_indexing,
    ),
    _Sentence(
        "PSSA 实际上将 self-attention 巧妙地转化为了一个在简单变换后的特征上的标准的卷积操作",
        "PSSA in effect turns self-attention into a standard convolution on simply transformed "
        "features.",
        PSSA,
        _pssa_kinds,
    ),
    _Sentence(
        "并在推理阶段归并成一个简单的卷积型算子:X-volution。",
        "At inference it is merged into one simple operator of the convolution type: X-volution.",
        FUSED,
        _one_convolution,
    ),
    _Sentence(
        "在现有通用网络计算框架上不需要额外算子支持",
        "On existing general network frameworks it needs no support for additional operators.",
        FUSED,
        _no_operator,
    ),
    _Sentence(
        "也不增加除卷积外的额外算力",
        "Nor does it add computation beyond convolution.",
        FUSED,
        _no_computation,
    ),
    _Sentence(
        "或影响网络的规范性 / 可用性(即插即用)。",
        "Nor does it affect the regularity and usability of the network (plug and play).",
        FUSED,
        _regular,
    ),
    _Sentence(
        "在推理阶段,X-volution 实际上是一个动态卷积算子,"
        "它的权重包括需要在线计算的 attention 动态参数部分和已经训练和固化的卷积静态参数部分。",
        "At inference X-volution is in fact a dynamic convolution: its weights are a dynamic part "
        "of attention, computed on line, and a static part of convolution, trained and fixed.",
        KERNEL,
        _dynamic,
    ),
    _Sentence(
        "为深度学习基础计算单元库以及 NPU 计算架构的演进提供了一种新的基础武器。",
        "It is a new basic weapon for libraries of basic computing units of deep learning, and for "
        "the evolution of NPU architectures.",
        FUSED,
        _weapon,
    ),
)
"""The article's sentences about what the operator asks of hardware."""
