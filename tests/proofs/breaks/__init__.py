"""For every claim, how to break the model, or the statement, so that it must fail.

One file a subject; ``BREAKS`` holds them all, and refuses a claim that is broken in two places.
"""

from tests.proofs.breaks import attention, gradients, integers, machines, merging, pixel_shift
from tests.proofs.breaks.wrongs import Break

SUBJECTS = (attention, gradients, integers, machines, merging, pixel_shift)
BREAKS: dict[str, tuple[Break, ...]] = {}
for subject in SUBJECTS:
    assert not set(BREAKS) & set(subject.BREAKS)
    BREAKS |= subject.BREAKS
