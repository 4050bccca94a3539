"""The only place where ``refimpl`` opens files.

``files`` writes and reads, ``sets`` knows golden vectors, ``photographs`` pictures. Whatever is
wrong with a file becomes one sentence (``UnusableError``); what is being written is complete or
absent, never half.
"""

from refimpl.io.files import (
    UnusableError,
    must_be_new,
    tool_version,
    write_directory,
    write_text,
)
from refimpl.io.photographs import PHOTOGRAPHS, read_photograph
from refimpl.io.sets import (
    decode,
    device_files,
    read_device,
    read_manifest,
    read_tensor,
    verify_files,
)

__all__ = [
    "PHOTOGRAPHS",
    "UnusableError",
    "decode",
    "device_files",
    "must_be_new",
    "read_device",
    "read_manifest",
    "read_photograph",
    "read_tensor",
    "tool_version",
    "verify_files",
    "write_directory",
    "write_text",
]
