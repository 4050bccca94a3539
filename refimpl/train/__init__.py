"""Training with our own backward: gradients of a network, Adam, a small real data set, a study.

Read ``rules`` first (what a node does forward, and how its gradient comes back), then ``gradient``
(the walk over a network), ``fit`` (epochs) and ``study`` (operators, kernel sizes and seeds).
"""
