"""What the rounding claim compares does round, and in more than one way."""

import numpy as np

from proofs.claims.rounding import float32_forms, float32_forms_differ_by_rounding_only


def test_the_two_forms_are_bounded_but_not_equal_in_float32():
    different = 0
    for case in float32_forms_differ_by_rounding_only.over:
        _, trained, fused, *_ = float32_forms(**case)
        different += bool(np.any(trained != fused))
    assert different > len(list(float32_forms_differ_by_rounding_only.over)) / 2
