"""A user's own rows of numbers: tables of an exponential, a reciprocal, a softmax."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from refimpl.arrays import Array
from refimpl.io.files import UnusableError, read


def read_tables(given: Sequence[str]) -> list[tuple[str, Array]]:
    """Tables given as NAME=row.npy (or NAME:FORMAT=row.npy), by what stands before the sign.

    Raises
    ------
    UnusableError
        If one has no name, or its file is no plain .npy.
    """
    tables = []
    for text in given:
        name, sign, path = text.partition("=")
        if not sign:
            raise UnusableError(f"--table must be NAME=FILE, as in mine=exp.npy, not {text}")
        tables.append((name, plain_array(read(Path(path), f"{path} must be a .npy file"), path)))
    return tables


def plain_array(raw: bytes, path: str) -> Array:
    """The array of a .npy file.

    Raises
    ------
    UnusableError
        If it is no complete one, or holds Python objects.
    """
    try:
        array = np.lib.format.read_array(BytesIO(raw), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        raise UnusableError(f"{path} must be a complete .npy file of a plain array") from error
    if not np.issubdtype(array.dtype, np.number):
        raise UnusableError(f"{path} must hold numbers, not {array.dtype}")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise UnusableError(f"{path} must hold finite numbers")
    return np.asarray(array)
