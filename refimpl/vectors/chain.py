"""Chained cases: layers one after another, each reading the file that the one before wrote.

Layer k + 1 takes layer k's output, bit for bit, as its x, with its zero point, in the arithmetic of
its format; the manifest links them. A device that runs the chain end to end is judged layer by
layer, each from what the device itself left of the one before.
"""

from collections.abc import Sequence
from dataclasses import replace

from refimpl.bitexact.operators import ARITHMETICS, INTEGER_ARITHMETICS
from refimpl.vectors.case import Case, Choices, identified
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, named_cases, seeded_cases
from refimpl.vectors.wires import form_of


def chained_cases(
    operators: Sequence[str], sizes: Sizes, choices: Choices, *, seed: str = "0"
) -> list[Case]:
    """One chain per arithmetic: ``operators`` in turn, the first on random input.

    Raises
    ------
    ValueError
        If there are fewer than two operators, one is unknown, or what one gives has a format that
        no arithmetic reads.
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
    form = _readable(number - 1, before, form_of(before, name, output).name)
    batch, channels, height, width = output.shape
    fitting = replace(sizes, batch=batch, channels=channels, height=height, width=width)
    own = replace(choices, arithmetics=(form,))
    (case,) = named_cases([operator], fitting, own, seed=seed)
    zeros = {"x_zero": _zero_of(before)} if form in INTEGER_ARITHMETICS else {}
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


def _readable(number: int, before: Case, form: str) -> str:
    """The arithmetic that reads a link's output: the one of its format."""
    if form not in ARITHMETICS:
        wide = before.attributes.get("product") == "wide" and before.operator == "shift_product"
        instead = "leave product=wide out" if wide else "declare another format of its output"
        raise ValueError(
            f"link {number} of the chain, {before.operator} in {before.arithmetic}, must give what "
            f"the next one can read, {', '.join(ARITHMETICS)}, not {form}: {instead}, or let the "
            "chain end with it"
        )
    return form


def _zero_of(case: Case) -> int:
    """Zero point of a case's output; floats cast to integers have none."""
    if case.arithmetic not in INTEGER_ARITHMETICS:
        return 0
    names = {"shift_product": "t_zero"}
    gradient = "dx_zero" if case.operator.endswith("_backward") else "y_zero"
    return int(case.attributes[names.get(case.operator, gradient)])
