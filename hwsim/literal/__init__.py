"""Literal simulations: slow, one cycle at a time, on real numbers. They judge ``hwsim.cycles``.

They know the machine's rules and no formula: a run returns what the array computed and how many
cycles passed, and the tests compare both. Read ``row_stationary`` first, it is the shortest.
"""
