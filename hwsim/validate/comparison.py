"""One number of ours beside one of somebody else's, and how far apart they may be."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``limit`` is the largest relative error that is accepted; without one it is only shown.

    ``reason`` says why a number misses, or why it is only shown.
    """

    target: str
    case: str
    quantity: str
    ours: float
    theirs: float
    limit: float | None = None
    reason: str = ""

    @property
    def error(self) -> float:
        """Relative error; equal zeros have none."""
        if self.ours == self.theirs:
            return 0.0
        return self.ours / self.theirs - 1 if self.theirs else float("inf")

    @property
    def verdict(self) -> str:
        """``holds`` or ``misses``; ``shown`` where nothing is asked."""
        if self.limit is None:
            return "shown"
        return "holds" if abs(self.error) <= self.limit else "misses"

    @property
    def record(self) -> dict[str, Any]:
        """Everything, for a file."""
        return asdict(self) | {"error": self.error, "verdict": self.verdict}
