"""Writing all or nothing, reading within bounds; what is wrong with a file, in one sentence."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

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
        If it is not there, no regular file, too large, or the disk refuses.
    """
    with opened(path, otherwise) as file:
        try:
            raw = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise UnusableError(f"{otherwise} ({error.strerror})") from error
    if len(raw) > MOST_BYTES:
        raise UnusableError(f"{path} must be smaller than {MOST_BYTES} bytes")
    return raw


def opened(path: Path, otherwise: str) -> BinaryIO:
    """Open a regular file for reading: what else has a name (a pipe, a device) may never end.

    Raises
    ------
    UnusableError
        If it is not there, or is something else.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe does not wait
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableError(f"{otherwise} ({why})") from error
    kind = os.fstat(file).st_mode
    if not stat.S_ISREG(kind):
        os.close(file)
        what = "Is a directory" if stat.S_ISDIR(kind) else "not a regular file"
        raise UnusableError(f"{otherwise} ({what})")
    return os.fdopen(file, "rb")


def inside(root: Path, relative: str) -> Path:
    """Resolve a path under a root, links included.

    Raises
    ------
    UnusableError
        If it leads outside, or its links lead in a circle or nowhere.
    """
    try:
        place, real = (root / relative).resolve(), root.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        raise UnusableError(f"{relative} must lead to a file inside {root} ({why})") from error
    if not place.is_relative_to(real):
        raise UnusableError(f"{relative} must stay inside {root}, not lead to {place}")
    if (root / relative).is_symlink() and not place.exists():
        raise UnusableError(f"{relative} must lead to a file, not to {place}, which is not there")
    return place


def everything_in(root: Path) -> Iterator[str]:
    """Every name under a root, directories and links too, relative to it; no link is followed.

    Raises
    ------
    UnusableError
        If a directory cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UnusableError(f"{error.filename} must be readable ({error.strerror})") from error

    for place, directories, files in os.walk(root, onerror=refuse):
        for name in sorted([*directories, *files]):
            yield (Path(place) / name).relative_to(root).as_posix()
