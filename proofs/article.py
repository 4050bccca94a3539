"""The sentences of the article that claims are about, in the original and in our translation.

The article is the report by 机器之心 ("Machine Heart") on Chen, Wang and Ni, "X-volution: On the
Unification of Convolution and Self-attention", arXiv:2106.02253 (2021). A4.2 is the second sentence
we take from it about claim A4; an id without a number after a point is ours: it bears on that
claim, but the article does not say it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of the article; with no ``text``, the claim of the article that ours bears on.

    ``second_hand`` marks what is the paper's: we know it from public summaries in Chinese, not from
    its own text, and the ``text`` is our wording of what they say.
    """

    id: str
    text: str = ""
    translation: str = ""

    second_hand: bool = False

    @property
    def in_article(self) -> bool:
        """Whether the article says it; else it is ours."""
        return bool(self.text)


def ours(topic: str = "ours") -> Sentence:
    """Return the source of a claim that is not in the article; ``topic`` is what it bears on."""
    return Sentence(id=topic)


GLOBAL_BY_LOCAL = Sentence(
    id="A1.1",
    text="在一定条件下(例如图像 / 特征图的邻接像素满足马尔可夫性质),"
    "全局的 self-attention 可以通过局部的 self-attention 配合卷积运算来逼近。",
    translation="Under certain conditions (for instance, neighbouring pixels of the image or "
    "feature map satisfy a Markov property), global self-attention can be approximated by local "
    "self-attention together with convolution.",
)
PSSA_STEPS = Sentence(
    id="A2.1",
    text="首先将输入的特征沿指定的多个方向进行循环移位(采用索引来实现)得到移位后的特征,"
    "然后将移位后的特征与原特征通过元素点积获得变换后的特征,"
    "再对该特征在局部区域进行加权求和(可采用卷积来替代)",
    translation="First the input features are shifted circularly (by indexing) along several given "
    "directions; then each shifted map is multiplied element by element with the original, giving "
    "transformed features; then these are summed with weights over a local region (for which a "
    "convolution can be used).",
)
PSSA_IS_CONVOLUTION = Sentence(
    id="A2.2",
    text="PSSA 实际上将 self-attention 巧妙地转化为了一个在简单变换后的特征上的标准的卷积操作",
    translation="PSSA in effect turns self-attention into a standard convolution on simply "
    "transformed features.",
)
STACKING = Sentence(
    id="A3.1",
    text="通过层次堆叠,可以持续地将局部的上下文关系传播到全局从而实现全局的 self-attention。",
    translation="By hierarchical stacking, local context is propagated on and on until it is "
    "global, which realises global self-attention.",
)
CONDITIONAL_MERGE = Sentence(
    id="A4.1",
    text="这个多分枝的结构可以利用结构重参数化的方法进行有条件的合并。",
    translation="This multi-branch structure can be merged, under conditions, by structural "
    "re-parameterisation.",
)
SINGLE_CONVOLUTION = Sentence(
    id="A4.2",
    text="多分枝结构可以合并为单个卷积,合并后可以获得一个原子级的算子,称为 X-volution",
    translation="The multi-branch structure can be merged into a single convolution; merged, it is "
    "an atomic operator, called X-volution.",
)
STATIC_PLUS_DYNAMIC = Sentence(
    id="A5.1",
    text="X-volution 的权重可以看作一个静态卷积权重,以及一个内容相关动态卷积权重的和",
    translation="The weight of X-volution can be seen as the sum of a static convolution weight "
    "and a content-dependent, dynamic convolution weight.",
)
NO_EXTRA_OPERATOR = Sentence(
    id="A6.1",
    text="在现有通用网络计算框架上不需要额外算子支持",
    translation="On existing general network frameworks it needs no support for additional "
    "operators.",
)
NO_EXTRA_COMPUTATION = Sentence(
    id="A7.1",
    text="也不增加除卷积外的额外算力",
    translation="Nor does it add computation beyond convolution.",
)
PLUG_AND_PLAY = Sentence(
    id="A8.1",
    text="此算子同时具备了卷积和 self-attention 的特性,且不会影响网络的规范性 / 可用性。",
    translation="This operator has the properties of convolution and of self-attention, and does "
    "not affect the regularity and usability of the network.",
)

IRREGULAR = Sentence(
    id="A9.1",
    text="卷积和 self-attention 运算模式存在较大差异,两者同时存在会导致网络结构不规则,"
    "进而影响网络推理效率",
    translation="Convolution and self-attention differ much in how they compute; both at once make "
    "the structure of the network irregular, which affects its efficiency at inference.",
)
AS_GOOD_AS_ATTENTION = Sentence(
    id="A11.2",
    text="他们从 self-attention 的公式中导出了一种巧妙的全局自注意力的逼近形式——PSSA。",
    translation="From the formula of self-attention they derived an ingenious approximation of "
    "global self-attention: PSSA.",
)
ON_COCO = Sentence(
    id="A11.1",
    text="而采用 PSSA 的 X-volution 性能也非常不俗,基本与 self-attention 性能相当,",
    translation="X-volution with PSSA also performs very well, about as well as with "
    "self-attention.",
)
CONFIRMED = Sentence(
    id="A11.3",
    text="这也验证了采用 PSSA 逼近 self-attention 是有效且合理的。",
    translation="This also confirms that approximating self-attention by PSSA is effective and "
    "reasonable.",
)
LINEAR_COST = Sentence(
    id="A10.1",
    text="PSSA 的计算复杂度为 O(n)。",
    translation="The computational complexity of PSSA is O(n).",
    second_hand=True,
)
INVARIANT_PART = Sentence(
    id="A12.1",
    text="卷积是自注意力中空间不变的部分。",
    translation="Convolution is the spatially invariant part of self-attention.",
    second_hand=True,
)

UNDECIDED: tuple[tuple[Sentence, str], ...] = (
    (
        ON_COCO,
        (
            "It is said of accuracy on COCO, which cannot be decided without training detectors "
            "on it. What it would mean on our small network, with a rule fixed before the run, is "
            "measured under A11."
        ),
    ),
)
"""Sentences of the article that no claim decides, and why."""
