"""A set of cases as files: what is written, and the manifest that describes it. Pure.

Every input, stage and output becomes ``<case>/<tensor>.npy`` (logical array), ``.bin`` (raw
little-endian words) and ``.hex`` (``$readmemh``), the last two in the declared layout. An fp32 case
also gets the binary64 ``reference`` and ``bound`` of its output, as ``.npy``.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.bounds import CLASS, bound_output
from refimpl.bitexact.operators import accumulation_of
from refimpl.bitexact.requantise import FORMULAS
from refimpl.vectors.case import Case, stages
from refimpl.vectors.formats import format_of, to_bytes, to_hex
from refimpl.vectors.layouts import Layout, layout_for, to_physical
from refimpl.vectors.manifest import (
    ARITHMETIC_VERSION,
    LICENCE,
    SCHEMA_VERSION,
    CaseEntry,
    Manifest,
    Tensor,
    VectorFile,
)

MANIFEST = "manifest.json"
File: TypeAlias = tuple[str, bytes]
KINDS = ("npy", "bin", "hex")
OUTPUT = {"shift_product": "product"}  # every other operator calls it "output"


def set_files(
    cases: Iterable[Case],
    *,
    command: str,
    tool_version: str,
    layout: str = "nchw",
    kinds: tuple[str, ...] = KINDS,
) -> Iterator[File]:
    """Yield (path, content) of every file of a set, the manifest last.

    Raises
    ------
    ValueError
        If ``kinds`` lacks "npy", which the checker reads, or names a kind there is not.
    """
    if "npy" not in kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"kinds of file must be npy, and of {', '.join(KINDS)}, not {kinds}")
    entries = []
    for case in cases:
        entry, files = case_files(case, layout=layout, kinds=kinds)
        entries.append(entry)
        yield from files
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        tool="refimpl",
        tool_version=tool_version,
        arithmetic_version=ARITHMETIC_VERSION,
        command=command,
        licence=LICENCE,
        cases=tuple(entries),
    )
    yield MANIFEST, (manifest.model_dump_json(indent=2) + "\n").encode()


def case_files(
    case: Case, *, layout: str = "nchw", kinds: tuple[str, ...] = KINDS
) -> tuple[CaseEntry, list[File]]:
    """Run one case; return its entry in the manifest, and its files."""
    described, files = [], []
    for name, role, array in _tensors(case):
        tensor, content = _tensor_files(
            case.id, name, role, array, layout_for(name, array.ndim, layout), kinds
        )
        described.append(tensor)
        files += content
    entry = CaseEntry(
        id=case.id,
        operator=case.operator,
        attributes=dict(case.attributes),
        arithmetic=arithmetic(case),
        stimulus=dict(case.stimulus),
        tensors=tuple(described),
    )
    return entry, files


def arithmetic(case: Case) -> dict[str, Any]:
    """What rounds, in which order, to which format: in words and formulas."""
    if case.arithmetic == "fp32":
        declared = {"name": "fp32", "rounding": "to nearest, ties to even", "subnormals": "kept"}
        if case.operator != "shift_product":
            declared["accumulation"] = accumulation_of(case.attributes).formula
        if case.operator == "xvolution":
            declared["sum"] = "each branch: z = fl32(fl32(y*s) + t) ; output = fl32(z_c + z_a)"
        return declared | {"bound_class": CLASS}
    rule = case.attributes["rounding"]
    return {
        "name": "int8",
        "accumulator": "int32, two's complement, wraps",
        "requantisation": f"{rule}: {FORMULAS[rule]}, a = accumulator, m = multiplier, s = shift",
        "saturation": "after the zero point is added, to [-128, 127]; the stage before_clip "
        "shows the value before it, clipped to int32",
        "padding": "real zero, the input's zero point",
    }


def _tensors(case: Case) -> Iterator[tuple[str, str, Array]]:
    """Name, role and array of every tensor, inputs first, then in the order of computation."""
    for name, array in case.tensors.items():
        yield name, "input", array
    output = OUTPUT.get(case.operator, "output")
    for name, array in stages(case).items():
        yield name, "output" if name == output else "stage", array
    if case.arithmetic == "fp32":
        of = bound_output(case.operator, case.tensors, case.attributes)
        yield "reference", "reference", of.reference
        yield "bound", "bound", of.bound


def _tensor_files(
    case: str, name: str, role: str, array: Array, layout: Layout, kinds: tuple[str, ...]
) -> tuple[Tensor, list[File]]:
    form = format_of(array)
    words = to_physical(array, layout)
    write: dict[str, Callable[[], bytes]] = {
        "npy": lambda: npy(array),
        "bin": lambda: to_bytes(words, form),
        "hex": lambda: to_hex(words, form),
    }
    wanted = ("npy",) if role in {"reference", "bound"} else kinds
    contents = {kind: write[kind]() for kind in KINDS if kind in wanted}
    files = [(f"{case}/{name}.{kind}", content) for kind, content in contents.items()]
    return (
        Tensor.model_validate(
            {
                "name": name,
                "role": role,
                "format": form.name,
                "shape": array.shape,
                "layout": layout.name,
                "word_of": layout.formula,
                "word_bits": form.bits,
                "words": array.size,
                "files": [
                    VectorFile.model_validate(
                        {
                            "kind": kind,
                            "path": path,
                            "sha256": sha256(content).hexdigest(),
                            "size_bytes": len(content),
                        }
                    )
                    for kind, (path, content) in zip(contents, files, strict=True)
                ],
            }
        ),
        files,
    )


def npy(array: Array) -> bytes:
    """NumPy's file format, version 1.0, C order, little-endian, no pickle."""
    plain = np.ascontiguousarray(array, dtype=format_of(array).dtype)
    buffer = BytesIO()
    np.lib.format.write_array(buffer, plain, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
