"""What became of the held-out half: which bugs left it, and what each release scored.

The rule. Stimuli and selections are made from the design half alone. The held-out half is scored
once per release, and the score is printed as it is. Whoever then uses a held-out bug to improve a
stimulus enters a ``Move`` here: from that release on the bug belongs to the design half, and a new
bug, written before anybody looks at its kill, replaces it in the catalogue.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A bug that left the held-out half, since which release, why, and which bug replaced it."""

    bug: str
    release: str
    because: str
    replaced_by: str


MOVES: tuple[Move, ...] = ()
MOVED = frozenset(move.bug for move in MOVES)
