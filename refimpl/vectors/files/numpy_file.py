"""Logical arrays as NumPy's files: ``.npy``, and ``.npz`` with every tensor of a case.

Reading believes no size: the header is read first, and must say what the manifest says; of an
archive no more is unpacked than the arrays may hold, whatever a zip bomb promises.
"""

import warnings
from collections.abc import Mapping
from io import BytesIO
from tokenize import TokenError
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo
from zlib import error as zlib_error

import numpy as np

from refimpl.arrays import Array
from refimpl.vectors.formats import Format, carried, must_fit

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a ZIP archive can hold
HEADER_BYTES = 2**16  # of a .npy, more than any of ours
PICKLED = "must hold a plain array, not a pickled object"
INCOMPLETE = "must be a complete .npy file"


def to_npy(array: Array, form: Format) -> bytes:
    """NumPy's file format, version 1.0, C order, little-endian, no pickle."""
    must_fit(array, form)
    plain = np.ascontiguousarray(carried(array, form), dtype=form.dtype).reshape(array.shape)
    buffer = BytesIO()
    np.lib.format.write_array(buffer, plain, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def from_npy(raw: bytes, form: Format, shape: tuple[int, ...]) -> Array:
    """Read a ``.npy`` that must hold an array of this format and shape.

    Raises
    ------
    ValueError
        If it is incomplete, pickled, or holds another type, byte order, shape or a number that
        the format has not.
    """
    start, fortran = npy_header(raw, form, shape)
    payload = raw[start:]
    count = int(np.prod(shape, dtype=np.int64))
    if len(payload) != np.dtype(form.dtype).itemsize * count:
        raise ValueError(f"{INCOMPLETE}, and nothing after it")
    flat = np.frombuffer(payload, form.dtype)
    must_fit(flat, form)
    return flat.reshape(shape, order="F" if fortran else "C")


def npy_header(raw: bytes, form: Format, shape: tuple[int, ...]) -> tuple[int, bool]:
    """Check the header; return where the elements begin, and whether in Fortran order.

    Raises
    ------
    ValueError
        If the header is none, or says something else than it must.
    """
    if raw.startswith(b"\x80"):  # how every pickle of protocol 2 or later begins
        raise ValueError(PICKLED)
    buffer = BytesIO(raw)
    try:
        with warnings.catch_warnings(action="error"):
            read = _HEADERS[np.lib.format.read_magic(buffer)]
            found_shape, fortran, found = read(buffer)
    except (ValueError, KeyError, OSError, SyntaxError, TokenError, Warning) as error:
        raise ValueError(INCOMPLETE) from error
    if found.hasobject:
        raise ValueError(PICKLED)
    expected = np.dtype(form.dtype)
    if found != expected or found_shape != shape:
        swapped = " (big-endian; words must be little-endian)"
        hint = swapped if found.newbyteorder() == expected and found_shape == shape else ""
        raise ValueError(f"must hold {form.name} of shape {shape}, not {found} {found_shape}{hint}")
    return buffer.tell(), fortran


def to_npz(arrays: Mapping[str, tuple[Array, Format]]) -> bytes:
    """Pack arrays by name: stored, not compressed, one fixed date, so the same bytes everywhere."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_STORED) as archive:
        for name, (array, form) in arrays.items():
            archive.writestr(ZipInfo(f"{name}.npy", EPOCH), to_npy(array, form))
    return packed.getvalue()


def from_npz(raw: bytes, expected: Mapping[str, tuple[Format, tuple[int, ...]]]) -> dict[str, Any]:
    """Unpack exactly the arrays that must be there.

    Raises
    ------
    ValueError
        If it is no archive, a member is missing, unexpected, encrypted, or larger than it may be.
    """
    try:
        with ZipFile(BytesIO(raw)) as archive:
            names = archive.namelist()
            if sorted(names) != sorted(f"{name}.npy" for name in expected):
                raise ValueError(f"must hold the arrays {', '.join(expected)}, and no others")
            return {
                name: from_npy(_member(archive, f"{name}.npy", form, shape), form, shape)
                for name, (form, shape) in expected.items()
            }
    except (BadZipFile, LargeZipFile, zlib_error, EOFError, NotImplementedError) as error:
        raise ValueError("must be a complete .npz archive") from error
    except (RuntimeError, OSError, OverflowError) as error:
        raise ValueError(f"must be a readable .npz archive: {error}") from error


def _member(archive: ZipFile, name: str, form: Format, shape: tuple[int, ...]) -> bytes:
    """Bytes of a member, no more than its array can need."""
    need = int(np.prod(shape, dtype=np.int64)) * np.dtype(form.dtype).itemsize + HEADER_BYTES
    with archive.open(name) as member:
        content = member.read(need + 1)
    if len(content) > need:
        raise ValueError(f"{name} must unpack to at most {need} bytes: is this a zip bomb?")
    return content


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
