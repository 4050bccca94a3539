"""Sweeps: every layer of some networks on every machine of a grid, millions of points.

``plan`` is what is asked (a grid, checked before anything runs), ``columns`` computes a stretch of
its points with ``hwsim.batch``, ``pareto`` finds what nothing beats. All pure: ``hwsim.io.sweeps``
has the files, ``hwsim.io.runners`` the processes and clusters that compute.
"""

from hwsim.sweep.columns import BUDGET, columns
from hwsim.sweep.pareto import front
from hwsim.sweep.plan import Plan, Point, plan

__all__ = ["BUDGET", "Plan", "Point", "columns", "front", "plan"]
