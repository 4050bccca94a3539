"""The catalogue: every operator's bugs, points and stimuli, one file per operator.

A file here names its operators in ``ENTRIES``; it is found by being here.
"""

from importlib import import_module
from pkgutil import iter_modules

from refimpl.score.entry import Entry
from refimpl.score.mutant import Mutant

ENTRIES: tuple[Entry, ...] = tuple(
    entry
    for module in sorted(iter_modules(__path__), key=lambda found: found.name)
    for entry in import_module(f"{__name__}.{module.name}").ENTRIES
)
CATALOGUE: dict[str, Entry] = {entry.operator: entry for entry in ENTRIES}
MUTANTS: tuple[Mutant, ...] = tuple(each for entry in ENTRIES for each in entry.mutants)
