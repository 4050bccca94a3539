"""Every bug on every case of a set: on the device and in the model."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from hwsim.rtl.bugs import BUGS
from hwsim.rtl.registers import Device, excluded
from hwsim.rtl.sets import read_set
from proofs.device.observe import observe
from proofs.device.predict import Prediction, predictions
from proofs.device.stimuli import write_six_cases
from refimpl import io
from refimpl.vectors.case import Case

Found = dict[str, tuple[Prediction, ...]]


def run_sets(
    sets: Iterable[Path], *, work: Path, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Found]:
    """Our six cases with a search of the whole catalogue, then other sets, by their commands."""
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        ours = write_six_cases(place / "six")
        found = {}
        for at, vectors in enumerate((ours, *sets)):
            command = io.read_manifest(vectors).command
            found[f"`{command}`"] = run_bugs(
                vectors,
                work=work,
                scratch=place / str(at),
                search=vectors == ours,
                progress=partial(_said_of, progress, command),
            )
    return found


def run_bugs(
    vectors: Path,
    *,
    work: Path,
    scratch: Path,
    bugs: Iterable[str] = tuple(BUGS),
    search: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Found:
    """Predictions by bug, on the cases of a set that the device can run.

    ``work`` holds the builds, ``scratch`` takes what the device leaves, bug by bug; ``search`` as
    in ``predict.predictions``.
    """
    device = Device()
    cases = _runnable(vectors, device)
    found: Found = {}
    for name in bugs:
        seen = observe(vectors, name, work=work, scratch=scratch / name)
        found[name] = tuple(predictions(BUGS[name], cases, seen, device, search=search))
        progress(name)
    return found


def _said_of(progress: Callable[[str], None], of: str, bug: str) -> None:
    progress(f"{of}: {bug}")


def _runnable(vectors: Path, device: Device) -> list[Case]:
    left_out = {name for name, case in read_set(vectors).items() if excluded(case, device)}
    _, cases = io.read_cases(vectors)
    return [case for case in cases if case.id not in left_out]
