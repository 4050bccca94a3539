"""Writing all or nothing, reading within bounds; what is wrong with a file, in one sentence."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

MOST_BYTES = 2**31  # ours: no file of ours comes near it


class UnusableError(ValueError):
    """A file or directory that cannot be used, and why, in one sentence."""


def tool_version() -> str:
    """Version of the installed distribution."""
    return version("xvolution")


def write_directory(target: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write files into a new directory, all or nothing; return how many.

    Raises
    ------
    UnusableError
        If the target exists, or its parent does not, or the disk refuses.
    """
    must_be_new(target)
    try:
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.absolute().parent))
    except OSError as error:
        raise UnusableError(f"{target} could not be written: {error.strerror}") from error
    try:
        count = 0
        for path, content in files:
            place = partial / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            count += 1
        partial.chmod(0o755)
        os.rename(partial, target)  # noqa: PTH104 - fails if the target has come to exist
    except OSError as error:
        raise UnusableError(f"{target} could not be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return count


def must_be_new(target: Path) -> None:
    """Refuse a target that exists, or whose parent does not.

    Raises
    ------
    UnusableError
        One sentence saying what to do.
    """
    try:
        exists, parent = target.exists(), target.absolute().parent
        if exists:
            raise UnusableError(
                f"{target} must not exist yet: remove it, or name another directory"
            )
        if not parent.is_dir():
            raise UnusableError(
                f"the directory {parent} must exist before a set is written into it"
            )
    except OSError as error:
        raise UnusableError(f"{target} could not be written: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not at all.

    Raises
    ------
    UnusableError
        If its directory does not exist or cannot be written to.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, complete or not at all.

    Raises
    ------
    UnusableError
        If its directory does not exist or cannot be written to.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise UnusableError(f"{path} could not be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def read(path: Path, otherwise: str) -> bytes:
    """Read a file of a bearable size; ``otherwise`` says what must be where it cannot be read.

    Raises
    ------
    UnusableError
        If it is not there, too large, or the disk refuses.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UnusableError(f"{path} must be smaller than {MOST_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(f"{otherwise} ({error.strerror})") from error


def inside(root: Path, relative: str) -> Path:
    """Resolve a path under a root, links included.

    Raises
    ------
    UnusableError
        If it leads outside.
    """
    place = (root / relative).resolve()
    if not place.is_relative_to(root.resolve()):
        raise UnusableError(f"{relative} must stay inside {root}, not lead to {place}")
    return place
