"""Every kind of file a tensor can be written as, and how each is read back."""

from collections.abc import Callable
from dataclasses import dataclass

from refimpl.arrays import Array
from refimpl.vectors.dumps import driven_array
from refimpl.vectors.files.binary import from_binary, to_binary
from refimpl.vectors.files.c_header import from_c_header, to_c_header
from refimpl.vectors.files.memory import from_coe, from_mif, to_coe, to_mif
from refimpl.vectors.files.numpy_file import from_npy, to_npy
from refimpl.vectors.files.readmem import from_dump, from_hex, to_hex
from refimpl.vectors.physical import Physical, array_of, mask_of, words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file: bytes of an array by name, and the array of bytes."""

    suffix: str
    says: str
    encode: Callable[[Array, Physical, str], bytes]
    decode: Callable[[bytes, Physical], Array]


def encode(kind: str, array: Array, of: Physical, name: str) -> bytes:
    """Bytes of a file of the kind; ``name`` is what a C header calls the array."""
    return KINDS[kind].encode(array, of, name)


def decode(kind: str, raw: bytes, of: Physical) -> Array:
    """Logical array of a file of the kind.

    Raises
    ------
    ValueError
        If it does not hold exactly such an array (``UnknownBitsError`` where bits of an
        element were never driven).
    """
    return KINDS[kind].decode(raw, of)


def text(raw: bytes) -> str:
    """ASCII text of a file.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError("must be plain text of hex words") from error


KINDS = {
    "npy": Kind(
        suffix="npy",
        says="the logical array",
        encode=lambda array, of, _: to_npy(array, of.form),
        decode=lambda raw, of: from_npy(raw, of.form, of.shape),
    ),
    "bin": Kind(
        suffix="bin",
        says="words, little-endian",
        encode=lambda array, of, _: to_binary(words_of(array, of)),
        decode=lambda raw, of: array_of(from_binary(raw, of.words, of.width_bits), of),
    ),
    "hex": Kind(
        suffix="hex",
        says="words for $readmemh",
        encode=lambda array, of, _: to_hex(words_of(array, of), of.width_bits),
        decode=lambda raw, of: driven_array(from_dump(text(raw), of.words, of.width_bits), of),
    ),
    "coe": Kind(
        suffix="coe",
        says="words for AMD's tools",
        encode=lambda array, of, _: to_coe(words_of(array, of), of.width_bits),
        decode=lambda raw, of: array_of(from_coe(text(raw), of.words, of.width_bits), of),
    ),
    "mif": Kind(
        suffix="mif",
        says="words for Intel's tools",
        encode=lambda array, of, _: to_mif(words_of(array, of), of.width_bits),
        decode=lambda raw, of: array_of(from_mif(text(raw), of.words, of.width_bits), of),
    ),
    "h": Kind(
        suffix="h",
        says="words as a C array",
        encode=lambda array, of, name: to_c_header(words_of(array, of), of.width_bits, name),
        decode=lambda raw, of: array_of(from_c_header(text(raw), of.words, of.width_bits), of),
    ),
    "mask": Kind(
        suffix="mask.hex",
        says="ones where nobody may compare",
        encode=lambda _, of, __: to_hex(mask_of(of), of.width_bits),
        decode=lambda raw, of: from_hex(text(raw), of.words, of.width_bits),
    ),
}
TENSOR_KINDS = ("npy", "bin", "hex", "coe", "mif", "h")
CASE_KINDS = ("npz", "vh", "onnx")
