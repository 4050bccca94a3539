"""Millions of layers and machines at once: the model as arithmetic on int64 arrays.

``layer_table`` and ``machine_table`` turn values into columns; ``evaluate`` takes pairs of row
numbers and gives budgets and traffic as columns, under the mapping of ``hwsim.heuristic``. It gives
the same numbers as ``hwsim.search.run`` does for one pair under that mapping; tests hold it to
that. Read ``budgets`` first.
"""

from hwsim.batch.budgets import Budgets, evaluate
from hwsim.batch.tables import LayerTable, MachineTable, layer_table, machine_table

__all__ = [
    "Budgets",
    "LayerTable",
    "MachineTable",
    "evaluate",
    "layer_table",
    "machine_table",
]
