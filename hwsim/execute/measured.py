"""What was done, counted while doing it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Measured:
    """Multiply-accumulates, operations of elements, and numbers moved; a step adds as it goes."""

    macs: int = 0
    operations: int = 0
    loaded: int = 0
    stored: int = 0
    peak: int = 0
