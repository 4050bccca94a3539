"""Weights in an .npz file: the same weights give the same bytes; one set ships with the package.

An .npz is a ZIP archive of .npy arrays; ours also has ``about.json``, which says what network they
are of and how they were trained. Entries are stored in the order of their keys, without compression
and with one fixed date.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from refimpl.io.files import UnusableError, read, write_bytes
from refimpl.nets.graph import Network, Parameters
from refimpl.nets.small import small
from refimpl.train.flat import flatten, unflatten

ABOUT = "about.json"
SHIPPED = "weights/small_xvolution.npz"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a ZIP archive can hold


class Trained(NamedTuple):
    """A network, its weights, and what their file says about them."""

    network: Network
    parameters: Parameters
    about: Mapping[str, Any]


def must_take_weights(path: Path) -> None:
    """Refuse a path that weights could not be written to, before hours are spent on them.

    Raises
    ------
    UnusableError
        If it does not end in .npz, is a directory, or its directory does not exist.
    """
    if path.suffix != ".npz" or path.is_dir() or not path.absolute().parent.is_dir():
        raise UnusableError(f"{path} must be a file ending in .npz in a directory that exists")


def write_weights(path: Path, parameters: Parameters, about: Mapping[str, Any]) -> None:
    """Write weights, and what is to be said about them, complete or not at all.

    ``about`` names what ``read_weights`` builds the network of: operator, classes, kernel, window.

    Raises
    ------
    UnusableError
        If the file cannot be written.
    """
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr(ZipInfo(ABOUT, EPOCH), json.dumps(about, indent=2, sort_keys=True) + "\n")
        for key, array in sorted(flatten(parameters).items()):
            content = BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(ZipInfo(f"{key}.npy", EPOCH), content.getvalue())
    write_bytes(path, packed.getvalue())


def read_weights(path: Path) -> Trained:
    """Read weights that ``write_weights`` wrote, and build the small network they are of.

    Raises
    ------
    UnusableError
        If the file is not there, or is not what ``write_weights`` writes.
    """
    return _unpack(read(path, f"{path} must be a file of weights"), str(path))


def trained_small() -> Trained:
    """The small X-volution network that ships with the package, trained on ``read_textures()``."""
    return _unpack(files("refimpl").joinpath(SHIPPED).read_bytes(), SHIPPED)


def trained_digest() -> str:
    """SHA-256 of the file of weights that ships with the package."""
    return sha256(files("refimpl").joinpath(SHIPPED).read_bytes()).hexdigest()


def _unpack(content: bytes, name: str) -> Trained:
    try:
        with ZipFile(BytesIO(content)) as archive:
            about = json.loads(archive.read(ABOUT))
            arrays = {
                key.removesuffix(".npy"): np.lib.format.read_array(
                    BytesIO(archive.read(key)), allow_pickle=False
                )
                for key in archive.namelist()
                if key != ABOUT
            }
        network = small(
            about["operator"],
            classes=len(about["classes"]),
            kernel=about["kernel"],
            window=about["window"],
        )
        return Trained(network, unflatten(network, arrays), about)
    except (BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
        raise UnusableError(
            f"{name} must be a file of weights that `refimpl train` wrote: {error}"
        ) from error
