"""Cases of every operator that has an ONNX graph: int8 in every rounding rule, ties among them."""

from dataclasses import replace

import numpy as np

from refimpl.bitexact.requantise import ALL_RULES, FLOAT_RULE
from refimpl.vectors.case import Choices
from refimpl.vectors.onnx_case import BUILDERS
from refimpl.vectors.stimuli import random_cases

INTEGERS = sorted(operator for operator, arithmetic in BUILDERS if arithmetic == "int8")
FLOATS = sorted(operator for operator, arithmetic in BUILDERS if arithmetic == "fp32")


def exported(sizes):
    """Cases of these sizes; factors are powers of two in every other channel, so ties occur."""
    cases = random_cases(FLOATS, sizes, Choices(arithmetics=("fp32",)))
    for rule in ALL_RULES:
        made = random_cases(INTEGERS, sizes, Choices(arithmetics=("int8",), rounding=rule))
        cases += [tied(case, rule) for case in made]
    real = random_cases(INTEGERS, sizes, Choices(arithmetics=("int8",)))
    return cases + [by_scale(tied(case, FLOAT_RULE)) for case in real]


def tied(case, rule):
    factors = {name: each.copy() for name, each in case.tensors.items() if "multiplier" in name}
    for each in factors.values():
        each[::2] = 2**30
    tensors = {**case.tensors, **factors}
    return replace(case, id=f"{case.id}-{rule.replace('_', '-')}", tensors=tensors)


def below_31(cases):
    """Convolutions again, with multipliers of 15 bits and shifts that are 16 smaller."""
    return [
        replace(
            case,
            id=f"{case.id}-short",
            tensors={
                **case.tensors,
                "multiplier": case.tensors["multiplier"] >> 16,
                "shift": case.tensors["shift"] - np.int8(16),
            },
        )
        for case in cases
        if case.operator == "conv2d" and "shift" in case.tensors
    ]


def by_scale(case):
    """The same factors as binary32 scales, without shifts."""
    tensors = {name: array for name, array in case.tensors.items() if "shift" not in name}
    for name in case.tensors:
        if "multiplier" in name:
            shift = case.tensors[name.replace("multiplier", "shift")].astype(np.float64)
            tensors[name] = (case.tensors[name] / 2.0**shift).astype(np.float32)
    return replace(case, tensors=tensors, attributes={**case.attributes, "rounding": FLOAT_RULE})
