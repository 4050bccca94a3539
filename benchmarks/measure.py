"""Time two or more functions in turn, so that whatever else the machine does hits all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

ROUNDS = 9
SECONDS = 0.02  # of one sample at least, so that the clock and a context switch matter little


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds per call: one sample a round."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half the rounds took less."""
        return float(np.median(self.samples))

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter of the rounds took less than the first, a quarter more than the second."""
        low, high = np.percentile(self.samples, [25, 75])
        return float(low), float(high)


def in_turn(
    functions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS
) -> dict[str, Timing]:
    """Call every function once to warm up, then all of them in turn, ``rounds`` times over."""
    repeats = {}
    for name, function in functions.items():
        function()
        start = time.perf_counter()
        function()
        repeats[name] = max(1, round(SECONDS / max(time.perf_counter() - start, 1e-9)))
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                function()
            samples[name].append((time.perf_counter() - start) / repeats[name])
    return {name: Timing(samples=tuple(each)) for name, each in samples.items()}


def ratio(ours: Timing, peer: Timing) -> tuple[float, float, float]:
    """How many times as fast as the peer: median of the rounds' ratios, and their quartiles."""
    each = np.array(peer.samples) / np.array(ours.samples)
    low, middle, high = np.percentile(each, [25, 50, 75])
    return float(middle), float(low), float(high)
