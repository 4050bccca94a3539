"""Weights of no value, where only their shapes matter; and drawn ones that keep numbers small."""

from math import prod, sqrt

import numpy as np

from refimpl.ops.batch_norm import BatchNorm


def blank(name, shape):
    zeros = np.broadcast_to(np.float32(0), shape)
    ones = np.broadcast_to(np.float32(1), shape)
    return BatchNorm(ones, zeros, zeros, ones) if name.startswith("bn") else zeros


def blank_parameters(network):
    """Arrays of the right shapes that take no memory."""
    return {
        node.name: {name: blank(name, shape) for name, shape in node.shapes.items()}
        for node in network.nodes
        if node.shapes
    }


def drawn_parameters(network, dtype=np.float64):
    """Weights of variance 2/fan-in, normalisations that do something, and biases."""
    rng = np.random.default_rng(5)

    def drawn(name, shape):
        if name.startswith("bn"):
            shift = rng.normal(0, 0.1, (2, *shape))
            gamma, var = rng.uniform(0.5, 1.5, shape), rng.uniform(0.5, 2, shape)
            return BatchNorm(*(each.astype(dtype) for each in (gamma, *shift, var)))
        numbers = rng.standard_normal(shape, np.float32)
        fan_in = prod(shape[1:]) if len(shape) > 1 else 100
        return (numbers * np.float32(sqrt(2 / fan_in))).astype(dtype)

    return {
        node.name: {name: drawn(name, shape) for name, shape in node.shapes.items()}
        for node in network.nodes
        if node.shapes
    }
