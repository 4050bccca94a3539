"""Workloads from files as networks: what a graph, a table of layers or a list of them asks.

Read ``graph`` (nodes and tensors as plain values), ``geometry`` and ``operators`` (from a node to
primitives), then ``layers`` (from nodes to the layers of a network). ``scalesim`` and ``listing``
are the formats without a graph. Nothing here opens a file: ``hwsim.io`` does.
"""
