"""Chained cases: layers one after another, each reading the file that the one before wrote.

Layer k + 1 takes layer k's output, bit for bit, as its x, with its zero point; the manifest links
them. A device that runs the chain end to end is judged layer by layer, each from what the device
itself left of the one before.
"""

from collections.abc import Sequence
from dataclasses import replace

from refimpl.vectors.case import Case, Choices, identified
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, named_cases, seeded_cases


def chained_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """One chain per arithmetic: ``operators`` in turn, the first on random input.

    Raises
    ------
    ValueError
        If there are fewer than two operators, or one is unknown.
    """
    if len(operators) < 2:
        raise ValueError(f"a chain must have at least 2 operators, not {len(operators)}")
    chain = []
    for arithmetic in dict.fromkeys(choices.arithmetics):
        own = replace(choices, arithmetics=(arithmetic,))
        before: Case | None = None
        for number, operator in enumerate(operators):
            before = _link(number, operator, sizes, own, seed, before)
            chain.append(before)
    return chain


def _link(
    number: int, operator: str, sizes: Sizes, choices: Choices, seed: str, before: Case | None
) -> Case:
    if before is None:
        (first,) = seeded_cases([operator], sizes, choices, seed=seed)
        return replace(first, id=f"chain-{number}-{first.id}")
    name, output = list(stages(before).items())[-1]
    batch, channels, height, width = output.shape
    fitting = replace(sizes, batch=batch, channels=channels, height=height, width=width)
    (case,) = named_cases([operator], fitting, choices, seed=seed)
    zero = before.attributes.get("y_zero", before.attributes.get("t_zero"))
    zeros = {} if zero is None else {"x_zero": zero}
    return identified(
        replace(
            case,
            id=f"chain-{number}-{case.id}",
            tensors={**case.tensors, "x": output},
            attributes={**case.attributes, **zeros},
            stimulus={**case.stimulus, "class": "chained"},
            inputs_from={"x": (before.id, name)},
        )
    )
