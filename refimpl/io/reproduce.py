"""Write a set again in processes of other machines' settings, and compare SHA-256 of every file."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from refimpl.io.files import UnusableError
from refimpl.vectors.machines import STEERING
from refimpl.vectors.manifest import Manifest

COMMANDS = ("vectors", "designed")
RUN = "from refimpl.cli import main; main()"


def hashes_of(root: Path) -> dict[str, str]:
    """SHA-256 of every file of a set, by its path within."""
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def written_again(manifest: Manifest, settings: Mapping[str, str]) -> dict[str, str]:
    """Run the command of a manifest under other settings; SHA-256 of every file it wrote.

    Raises
    ------
    UnusableError
        If the manifest's command is none of ours, or fails.
    """
    words = shlex.split(manifest.command)
    if words[:1] != ["refimpl"] or words[1:2] not in [[each] for each in COMMANDS]:
        raise UnusableError(
            f"the command must be refimpl {' or '.join(COMMANDS)}, not {manifest.command!r}"
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        options = [str(out) if word == "SET" else word for word in words[1:]]
        done = subprocess.run(  # noqa: S603 - our own command, its first words checked above
            [sys.executable, "-c", RUN, *options],
            env=environment(settings, Path(folder) / "compiled"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UnusableError(
                f"{manifest.command} must run again, and says {done.stderr.strip()[-300:]!r}"
            )
        return hashes_of(out)


def environment(settings: Mapping[str, str], cache: Path) -> dict[str, str]:
    """Environment of this process without what steers libraries, then the settings.

    What is compiled for another processor is kept in ``cache``, apart from what is for this one.
    """
    untouched = {name: value for name, value in os.environ.items() if not name.startswith(STEERING)}
    apart = {"NUMBA_CACHE_DIR": str(cache)} if "NUMBA_CPU_NAME" in settings else {}
    return {**untouched, **apart, **settings}
