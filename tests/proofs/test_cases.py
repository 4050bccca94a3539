"""The table of operators is complete, and its rows can be told apart."""

from proofs.cases import CASES, at, leaves, operators, with_leaf


def test_every_public_operator_has_a_case():
    assert {case.name for case in CASES} == operators() != set()


def test_every_case_has_a_label_of_its_own():
    assert len({case.label for case in CASES}) == len(CASES)


def test_every_array_of_every_case_can_be_replaced_and_alone():
    for case in CASES:
        for path, array in leaves(case.inputs):
            changed = with_leaf(case.inputs, path, array + 1)
            assert (at(changed, path) == array + 1).all()
            others = [other for other, _ in leaves(case.inputs) if other != path]
            assert all(at(changed, other) is at(case.inputs, other) for other in others)
