"""What we recorded of ZigZag 3.9.1 is what it says, run here."""

from tests.oracles.recorded_rows import differences, runs_again
from tests.oracles.zigzag_package import PYTHON, rows

pytestmark = runs_again("ZigZag 3.9.1", PYTHON)


def test_the_record_is_what_the_package_says():
    said = rows()
    assert differences("zigzag_3_9_1", said) == []
    changed = [row | {"cycles": str(int(row["cycles"]) + 1)} for row in said]
    assert len(differences("zigzag_3_9_1", changed)) == len(said)
