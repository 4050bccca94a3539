"""A set of cases as files: what is written, and the manifest that describes it. Pure.

Every input, stage and output becomes ``<case>/<tensor>.npy`` (logical array) and, in the declared
layout, what else was asked for (``files/kinds.py``); where a layout has pad lanes, a mask of them.
A float case also gets the binary64 ``reference`` and ``bound`` of its output; where there are
several outputs, of each (``dw_reference``, ``dw_bound``). A case may have an
``.npz`` of all its tensors, a ``.vh`` of its constants, and an ONNX backend test.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from refimpl.arrays import Array
from refimpl.bitexact.adders import Adders
from refimpl.bitexact.bounds import bound_outputs, class_of, unbounded
from refimpl.bitexact.describe import described as described_arithmetic
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.outputs import is_output
from refimpl.vectors.case import Case
from refimpl.vectors.files.constants import to_verilog
from refimpl.vectors.files.kinds import CASE_KINDS, KINDS, TENSOR_KINDS, encode
from refimpl.vectors.files.numpy_file import to_npy, to_npz
from refimpl.vectors.files.words import must_be_lanes
from refimpl.vectors.formats import format_of
from refimpl.vectors.layouts import family_of, layout_for
from refimpl.vectors.manifest import (
    ARITHMETIC_VERSION,
    LICENCE,
    SCHEMA_VERSION,
    CaseEntry,
    Exclusion,
    Link,
    Manifest,
    SequenceEntry,
    Tensor,
    VectorFile,
    described,
    file_entry,
    sealed,
)
from refimpl.vectors.onnx_case import onnx_files
from refimpl.vectors.physical import Physical, padded
from refimpl.vectors.stages import stages
from refimpl.vectors.wires import form_of

MANIFEST = "manifest.json"
File: TypeAlias = tuple[str, bytes]
KERNELS = frozenset(
    {"w", "w_c", "w_a", "w_q", "w_k", "w_v", "dw", "dw_c", "dw_a", "conv_dw", "attention_dw"}
)
CHECKED = frozenset({"reference", "bound"})  # binary64 arrays that only the checker reads
POLICY = {
    "nan": "any NaN equals any NaN; golden files hold the positive quiet one without payload",
    "minus_zero": "-0 and +0 are different bits, and differ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a set is written: layout family, elements of a memory word, kinds of file."""

    layout: str = "nchw"
    lanes: int = 1
    kinds: tuple[str, ...] = ("npy", "bin", "hex")

    def __post_init__(self) -> None:
        known = (*TENSOR_KINDS, *CASE_KINDS)
        if "npy" not in self.kinds or not set(self.kinds) <= set(known):
            raise ValueError(
                f"kinds of file must be npy, and of {', '.join(known)}, not {self.kinds}"
            )
        layout_for(self.layout, rank=4, kernel=False, element_bits=8)
        must_be_lanes(self.lanes)


def written_of(entry: CaseEntry) -> Written:
    """How a case was written, read off its entry in the manifest.

    Raises
    ------
    ValueError
        If it has no image, or there is no such layout.
    """
    kinds = {file.kind for tensor in entry.tensors for file in tensor.files}
    kinds |= {file.kind for file in entry.files}
    image = next((each.layout for each in entry.tensors if each.name == "x"), None)
    if image is None:
        raise ValueError(f"case {entry.id} must have an image x")
    return Written(
        layout=family_of(image.layout),
        lanes=image.lanes,
        kinds=tuple(kind for kind in (*TENSOR_KINDS, *CASE_KINDS) if kind in kinds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a manifest says of the whole set beside its cases."""

    command: str
    tool_version: str
    device: Mapping[str, Any] | None = None
    excluded: tuple[Exclusion, ...] = ()


Sequencer: TypeAlias = Callable[
    [list[CaseEntry], Mapping[str, Mapping[str, Array]]], tuple[list[SequenceEntry], list[File]]
]
Coverage: TypeAlias = Callable[[Case, Mapping[str, Array]], Iterable[str]]


def set_files(
    cases: Iterable[Case],
    *,
    about: About,
    written: Written | None = None,
    coverage: Coverage = lambda _, __: (),
    sequencer: Sequencer | None = None,
) -> Iterator[File]:
    """Yield (path, content) of every file of a set, the manifest last.

    ``sequencer`` is given the entries and their arrays, and returns sequences with their files.
    """
    how = written or Written()
    entries, kept = [], {}
    for case in cases:
        entry, files, arrays = case_files(case, how, coverage)
        entries.append(entry)
        if sequencer is not None:
            kept[case.id] = arrays
        yield from files
    sequences: list[SequenceEntry] = []
    if sequencer is not None:
        sequences, more = sequencer(entries, kept)
        yield from more
    yield MANIFEST, manifest_text(manifest_of(entries, about, sequences))


def manifest_of(
    entries: list[CaseEntry], about: About, sequences: Iterable[SequenceEntry] = ()
) -> Manifest:
    """The sealed manifest of a set."""
    return sealed(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": "refimpl",
            "tool_version": about.tool_version,
            "arithmetic_version": ARITHMETIC_VERSION,
            "command": about.command,
            "licence": LICENCE,
            "provenance": tuple(provenance(entries)),
            "device": None if about.device is None else dict(about.device),
            "excluded": about.excluded,
            "cases": tuple(entries),
            "sequences": tuple(sequences),
        }
    )


def manifest_text(manifest: Manifest) -> bytes:
    """JSON of a manifest, as it is written."""
    return (manifest.model_dump_json(indent=2) + "\n").encode()


def case_files(
    case: Case, how: Written, coverage: Coverage = lambda _, __: ()
) -> tuple[CaseEntry, list[File], dict[str, Array]]:
    """Run one case; return its entry in the manifest, its files, and every array by name."""
    computed = stages(case)
    described_tensors, files, arrays = [], [], {}
    for name, role, array in _tensors(case, computed):
        of = physical(case, name, array, how)
        tensor, content = _tensor_files(case.id, name, role, array, of, how)
        described_tensors.append(tensor)
        files += content
        arrays[name] = array
    own, more = _case_level(case, described_tensors, arrays, how)
    entry = CaseEntry(
        id=case.id,
        operator=case.operator,
        attributes=dict(case.attributes),
        arithmetic=arithmetic(case),
        policy=POLICY,
        stimulus=dict(case.stimulus),
        coverage=tuple(coverage(case, computed)),
        inputs_from={
            name: Link(case=source, tensor=tensor)
            for name, (source, tensor) in case.inputs_from.items()
        },
        tensors=tuple(described_tensors),
        files=tuple(own),
    )
    return entry, files + more, arrays


def physical(case: Case, name: str, array: Array, how: Written) -> Physical:
    """How a tensor of a case lies in memory."""
    form = form_of(case, name, array)
    kernel = name.removesuffix("_reference").removesuffix("_bound") in KERNELS
    layout = layout_for(how.layout, rank=array.ndim, kernel=kernel, element_bits=form.bits)
    return Physical(form=form, shape=array.shape, layout=layout, lanes=how.lanes)


def arithmetic(case: Case) -> dict[str, Any]:
    """What rounds, in which order, to which format: in words and formulas."""
    declared = described_arithmetic(case.operator, case.arithmetic, case.attributes)
    if case.arithmetic not in FLOAT_ARITHMETICS:
        return declared
    adders = bound_class(case.operator, case.attributes)
    none = f"not applicable: {adders}"
    return declared | {"bound_class": none if isinstance(adders, str) else adders.text}


def bound_class(operator: str, attributes: Mapping[str, Any]) -> Adders | str:
    """The class of adders whose bound a float case is written with, or why it has none."""
    return unbounded(operator, attributes) or class_of(operator, attributes)


def bound_names(operator: str, output: str) -> tuple[str, str]:
    """Names of reference and bound of an output: plain where it is the only one."""
    prefix = f"{output}_" if operator.endswith("_backward") else ""
    return f"{prefix}reference", f"{prefix}bound"


def npy(array: Array) -> bytes:
    """NumPy's file format of an array whose type says its format: the same bytes everywhere."""
    return to_npy(array, format_of(array))


def _tensors(case: Case, computed: Mapping[str, Array]) -> Iterator[tuple[str, str, Array]]:
    """Name, role and array of every tensor, inputs first, then in the order of computation."""
    for name, array in case.tensors.items():
        yield name, "input", array
    for name, array in computed.items():
        yield name, "output" if is_output(case.operator, name, case.attributes) else "stage", array
    if case.arithmetic not in FLOAT_ARITHMETICS:
        return
    adders = bound_class(case.operator, case.attributes)
    if isinstance(adders, str):
        return
    found = bound_outputs(case.operator, case.tensors, case.attributes, adders)
    for output, of in found.items():
        reference, bound = bound_names(case.operator, output)
        yield reference, "reference", of.reference
        yield bound, "bound", of.bound


def _tensor_files(
    case: str, name: str, role: str, array: Array, of: Physical, how: Written
) -> tuple[Tensor, list[File]]:
    wanted = [kind for kind in TENSOR_KINDS if kind in how.kinds]
    if role in CHECKED:
        wanted = [kind for kind in wanted if kind in {"npy", "bin"}]
    elif padded(of) and wanted != ["npy"]:
        wanted.append("mask")
    label = f"{case}_{name}"
    contents = {kind: _encoded(kind, array, of, label) for kind in wanted}
    paths = {kind: f"{case}/{name}.{KINDS[kind].suffix}" for kind in wanted}
    tensor = Tensor.model_validate(
        {
            "name": name,
            "role": role,
            "format": of.form.name,
            "shape": array.shape,
            **described(of),
            "files": [file_entry(kind, paths[kind], contents[kind]) for kind in wanted],
        }
    )
    return tensor, [(paths[kind], contents[kind]) for kind in wanted]


def _encoded(kind: str, array: Array, of: Physical, label: str) -> bytes:
    try:
        return encode(kind, array, of, label)
    except ValueError as error:
        raise ValueError(
            f"{label} cannot be written as .{kind}: {error}; choose other --files or --lanes"
        ) from error


def _case_level(
    case: Case, tensors: list[Tensor], arrays: Mapping[str, Array], how: Written
) -> tuple[list[VectorFile], list[File]]:
    contents: dict[str, bytes] = {}
    if "npz" in how.kinds:
        packed = {each.name: (arrays[each.name], each.physical.form) for each in tensors}
        contents["npz"] = to_npz(packed)
    if "vh" in how.kinds:
        contents["vh"] = to_verilog(constants(case, tensors))
    files = [(kind, f"{case.id}/{case.id}.{kind}", raw) for kind, raw in contents.items()]
    if "onnx" in how.kinds:
        output = next(arrays[each.name] for each in tensors if each.role == "output")
        files += [("onnx", f"{case.id}/onnx/{name}", raw) for name, raw in onnx_files(case, output)]
    return [file_entry(*each) for each in files], [(path, raw) for _, path, raw in files]


def constants(case: Case, tensors: Iterable[Tensor]) -> dict[str, Any]:
    """Whole numbers of a case that RTL needs: attributes, shapes, words and widths."""
    values: dict[str, Any] = dict(case.attributes)
    for each in tensors:
        values[f"{each.name}_shape"] = list(each.shape)
        values[f"{each.name}_words"] = each.words
        values[f"{each.name}_word_bits"] = each.word_bits
    return values


def provenance(entries: Iterable[CaseEntry]) -> Iterator[dict[str, Any]]:
    """Where images, models and inputs of the set come from, each once."""
    seen = []
    for entry in entries:
        keys = [key for key in entry.stimulus if key in _SOURCES]
        source = {key: entry.stimulus[key] for key in keys}
        if source and source not in seen:
            seen.append(source)
            yield source


_SOURCES = (
    "image",
    "image_licence",
    "pixels_sha256",
    "weights",
    "weights_sha256",
    "model",
    "model_sha256",
    "input",
    "input_sha256",
)
