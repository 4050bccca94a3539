"""What we recorded of Vela 5.2.0 is what it says, run here."""

from tests.oracles.recorded_rows import differences, runs_again
from tests.oracles.vela_package import PYTHON, rows

pytestmark = runs_again("Vela 5.2.0", PYTHON)


def test_the_record_is_what_the_compiler_says():
    said = rows()
    assert differences("vela_5_2_0", said) == []
    changed = [row | {"bytes": str(int(row["bytes"]) + 1)} for row in said]
    assert len(differences("vela_5_2_0", changed)) == len(said)
