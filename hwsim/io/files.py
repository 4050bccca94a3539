"""Text files, read within a limit and written whole or not at all."""

import os
import stat
import tempfile
from errno import EINVAL
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 64 * 2**20
"""A text file may be so large: ours, so that no input takes memory without limit."""


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file for reading: what else has a name (a pipe, a device) may never end.

    Raises
    ------
    OSError
        If it cannot be read, or is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)  # a pipe does not wait for who writes
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        raise OSError(EINVAL, "Is a directory" if stat.S_ISDIR(kind) else "not a regular file")
    return os.fdopen(handle, "rb")


def read_text(path: str | Path, what: str) -> str:
    """The text of a file; ``ValueError`` names it ("machine file x.toml must be readable: …")."""
    try:
        with opened(path) as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"{what} {path} must be at most {MOST_BYTES:,} bytes long")
        return content.decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{what} {path} must be readable: {reason(error)}") from error


def write_text(path: str | Path, text: str) -> None:
    """Write a file whole or not at all; ``ValueError`` if its directory does not exist."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all; ``ValueError`` if its directory does not exist."""
    target = Path(path)
    if not target.parent.is_dir():
        raise ValueError(f"directory of {target} must exist before the file is written")
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        except OSError:
            Path(temporary).unlink()
            raise
    except OSError as error:
        raise ValueError(f"file {target} must be writable: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What an error of the system says, without the path it repeats."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
