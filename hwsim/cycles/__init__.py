"""Cycles of multiply-accumulate arrays in closed form, one file per kind of array.

Everything takes integers or int64 arrays of them and is O(1) per layer. Read ``systolic`` first.
"""

from hwsim.cycles.systolic import ArrayCycles, array_cycles
from hwsim.cycles.tile import Tile, tile_cycles

__all__ = ["ArrayCycles", "Tile", "array_cycles", "tile_cycles"]
