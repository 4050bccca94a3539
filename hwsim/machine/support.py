"""What a machine executes: primitive → native, emulated (how), or not executable.

"Not executable" is a result: the primitive costs nothing, and every output names it. In a machine
file an entry reads ``"native"``, ``"emulated: one group after another"`` or ``"not executable"``.
"""

from dataclasses import dataclass

from hwsim.checks import instance_of, one_of
from hwsim.workload import VECTOR_KINDS

LEVELS = ("native", "emulated", "not executable")
ARRAY_KINDS = ("convolution", "matrix product", "depthwise", "per-pixel")
MOVED_KINDS = ("shift", "copy")
SUPPORTED_KINDS = (*ARRAY_KINDS, *VECTOR_KINDS, *MOVED_KINDS)
"""Everything a support matrix has an entry for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How one kind of primitive is executed; ``how`` says what stands in for an emulated one."""

    level: str
    how: str = ""

    def __post_init__(self) -> None:
        one_of("support", str(self.level), LEVELS)
        if (self.level == "emulated") != bool(self.how.strip()):
            raise ValueError(
                f"support must say how exactly where it is emulated, not {str(self)!r}"
            )

    @property
    def executable(self) -> bool:
        """Whether the machine runs it at all."""
        return self.level != "not executable"

    def __str__(self) -> str:
        return f"{self.level}: {self.how}" if self.how else self.level


def read_support(key: str, text: object) -> Support:
    """The entry that ``text`` of a machine file stands for; ``ValueError`` names ``key``."""
    instance_of(key, text, str, 'a text such as "native" or "emulated: how"')
    level, _, how = str(text).partition(":")
    try:
        return Support(level=level.strip(), how=how.strip())
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
