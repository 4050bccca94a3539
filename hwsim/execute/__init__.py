"""Lowered primitives run on numbers, tile by tile in the order that was costed, and counted.

Read ``run`` first: it goes through a graph. ``array`` runs convolutions in the tiling and loop
order that the search chose, from buffers that hold a tile and nothing else; ``vector`` runs
elements, sums, softmax and shifts band by band; ``dynamic`` products per pixel in three ways and
attention in blocks; ``memory`` says which rows of DRAM a band reads. Literal: the judge of
``hwsim.lowering`` and of its counts; for tests and claims, on exact or floating numbers.
"""

from hwsim.execute.measured import Measured
from hwsim.execute.run import Execution, execute

__all__ = ["Execution", "Measured", "execute"]
