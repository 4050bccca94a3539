import subprocess
import sys

import hwsim

FORBIDDEN = {"numba", "scipy", "matplotlib", "pandas", "refimpl", "proofs", "tests"}


def loaded_by(statement):
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(ran.stdout.split())


def test_importing_hwsim_loads_nothing_slow_and_no_other_package_of_ours():
    loaded = loaded_by("import hwsim")
    assert "hwsim" in loaded
    assert not loaded & (FORBIDDEN | {"rich", "typer", "pydantic"})


def test_the_command_line_loads_nothing_slow_and_no_other_package_of_ours():
    loaded = loaded_by("import hwsim.cli")
    assert "typer" in loaded
    assert not loaded & FORBIDDEN


def test_every_public_name_exists():
    assert all(hasattr(hwsim, name) for name in hwsim.__all__)


def test_three_lines_estimate_a_network():
    result = hwsim.estimate(hwsim.network("resnet34"), hwsim.preset("tpu-v1"))
    assert result.cost.cycles > 0
