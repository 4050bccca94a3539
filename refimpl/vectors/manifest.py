"""What a set of vectors says about itself: the schema of ``manifest.json``.

Everything that decides a bit stands here: operator, attributes, formats, layouts, arithmetic, the
stimulus, and the SHA-256 of every file; and ``digest``, the SHA-256 of all the rest of the manifest
(``sealed``), so that no line of it changes unseen. Unknown or missing fields are refused.
"""

import json
from hashlib import sha256
from math import prod
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from refimpl.vectors.files.kinds import KINDS
from refimpl.vectors.formats import FORMATS
from refimpl.vectors.layouts import Layout, digits_text, parsed
from refimpl.vectors.physical import Physical

SCHEMA_VERSION = 2
ARITHMETIC_VERSION = 2  # changes whenever the bytes of an existing case would
LICENCE = "CC0-1.0"

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=120)]
Count = Annotated[int, Field(ge=0, lt=2**48)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """A record without unknown keys, unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VectorFile(Strict):
    """One file: how it is written, and what must be in it."""

    kind: Literal["npy", "bin", "hex", "coe", "mif", "h", "mask", "npz", "vh", "onnx"]
    path: str
    sha256: Sha256
    size_bytes: Count

    @field_validator("path")
    @classmethod
    def _stay_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path:
            raise ValueError(f"a path must stay inside the set's directory, not be {path!r}")
        return path


class LayoutEntry(Strict):
    """Order of elements in a file; ``word_of`` and ``lane_of`` are Python expressions."""

    name: str
    axes: str
    digits: str
    skewed: bool
    lanes: Annotated[int, Field(ge=1)]
    physical_shape: tuple[Count, ...]
    word_of: str
    lane_of: str

    @property
    def layout(self) -> Layout:
        """The layout that this entry describes."""
        return parsed(self.name, self.axes, self.digits, skewed=self.skewed)


class Tensor(Strict):
    """An array of a case, and where it is in the computation."""

    name: Identifier
    role: Literal["input", "stage", "output", "reference", "bound"]
    format: Literal[tuple(FORMATS)]  # type: ignore[valid-type]  # the table is the list
    shape: tuple[Count, ...]
    layout: LayoutEntry
    word_bits: Count
    words: Count
    dont_care: Count
    files: tuple[VectorFile, ...]

    @property
    def physical(self) -> Physical:
        """How the array lies in memory."""
        return Physical(
            form=FORMATS[self.format],
            shape=self.shape,
            layout=self.layout.layout,
            lanes=self.layout.lanes,
        )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Shape, words and layout must describe one array."""
        if len(self.shape) != len(self.layout.axes):
            raise ValueError(
                f"layout {self.layout.name} must have as many axes as shape {self.shape}"
            )
        if prod(max(1, size) for size in self.shape) >= 2**48:
            raise ValueError(f"shape {self.shape} must have fewer than 2^48 elements")
        right = described(self.physical)
        for key in ("word_bits", "words", "dont_care"):
            if getattr(self, key) != right[key]:
                raise ValueError(
                    f"{key} must be {right[key]} for {self.format} of shape {self.shape} in "
                    f"layout {self.layout.name}, not {getattr(self, key)}"
                )
        if self.layout != right["layout"]:
            raise ValueError(f"layout {self.layout.name} must say where its elements lie")
        return self


class Link(Strict):
    """A tensor of another case, which an input of this one is: bit for bit, in the same layout."""

    case: Identifier
    tensor: Identifier


class CaseEntry(Strict):
    """One operator call."""

    id: Identifier
    operator: str
    attributes: dict[str, Any]
    arithmetic: dict[str, Any]
    policy: dict[str, str]
    stimulus: dict[str, Any]
    coverage: tuple[str, ...]
    inputs_from: dict[str, Link]
    tensors: tuple[Tensor, ...]
    files: tuple[VectorFile, ...]

    @model_validator(mode="after")
    def _own(self) -> Self:
        """Names must be unique, and every file must be the case's own, under its tensor's name."""
        names = [tensor.name for tensor in self.tensors]
        if len(set(names)) != len(names):
            raise ValueError(f"tensors of case {self.id} must have names of their own")
        for tensor in self.tensors:
            for file in tensor.files:
                suffix = KINDS[file.kind].suffix if file.kind in KINDS else file.kind
                if file.path != f"{self.id}/{tensor.name}.{suffix}":
                    raise ValueError(f"{file.path} must be called {self.id}/{tensor.name}.{suffix}")
        for file in self.files:
            if PurePosixPath(file.path).parts[0] != self.id:
                raise ValueError(f"{file.path} must lie in {self.id}")
        return self


class Exclusion(Strict):
    """What a device's declaration leaves out, and why."""

    what: str
    reason: str


class RegionEntry(Strict):
    """Where a tensor lies in the device's memory: address and size in words.

    ``strides`` are elements from one to the next along each digit of its layout.
    """

    tensor: Identifier
    address: Count
    words: Count
    strides: dict[str, Count]


class StepEntry(Strict):
    """One case of a sequence: its stalls, its regions, and the memory before and after it."""

    id: Identifier
    case: Identifier
    valid: Annotated[str, Field(pattern=r"^[01]+$")]
    ready: Annotated[str, Field(pattern=r"^[01]+$")]
    regions: tuple[RegionEntry, ...]
    files: tuple[VectorFile, ...]


class SequenceEntry(Strict):
    """Cases run one after another without reset, in one memory."""

    id: Identifier
    word_bytes: Annotated[int, Field(ge=1, le=1024)]
    base: Count
    memory_words: Count
    guard: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    prefill: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    steps: Annotated[tuple[StepEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _own(self) -> Self:
        """Files must lie in their step; regions must lie in the memory, apart from each other."""
        end = self.base + self.memory_words
        for step in self.steps:
            for file in step.files:
                if PurePosixPath(file.path).parent != PurePosixPath(self.id, step.id):
                    raise ValueError(f"{file.path} must lie in {self.id}/{step.id}")
            at = self.base
            for region in sorted(step.regions, key=lambda region: region.address):
                if region.address < at or region.address + region.words > end:
                    raise ValueError(
                        f"{region.tensor} of {step.id} must lie in the memory, apart from others"
                    )
                at = region.address + region.words
        return self


class Manifest(Strict):
    """A set of vectors."""

    schema_version: Literal[2]
    tool: Literal["refimpl"]
    tool_version: str
    arithmetic_version: int
    command: str
    licence: str
    provenance: tuple[dict[str, Any], ...]
    device: dict[str, Any] | None
    excluded: tuple[Exclusion, ...]
    cases: Annotated[tuple[CaseEntry, ...], Field(min_length=1)]
    sequences: tuple[SequenceEntry, ...]
    digest: Sha256

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Cases must have ids of their own; what refers to one must find it; the seal must hold."""
        ids = [case.id for case in self.cases]
        if len(set(ids)) != len(ids):
            raise ValueError("cases must have ids of their own")
        tensors = {(case.id, each.name): each for case in self.cases for each in case.tensors}
        for case in self.cases:
            for name, link in case.inputs_from.items():
                source, own = tensors.get((link.case, link.tensor)), tensors.get((case.id, name))
                if source is None or own is None or not _same_files(source, own):
                    raise ValueError(
                        f"{name} of {case.id} must be {link.tensor} of {link.case}, bit for bit"
                    )
        for sequence in self.sequences:
            for step in sequence.steps:
                if any((step.case, each.tensor) not in tensors for each in step.regions):
                    raise ValueError(f"sequence {sequence.id} must run cases of the set")
        if seal(self.model_dump(mode="json")) != self.digest:
            raise ValueError("digest must be that of the manifest; it has changed since")
        return self


def _same_files(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same arrays in the same layout, by their files' hashes."""
    mine, theirs = (
        {file.kind: file.sha256 for file in each.files if file.kind != "h"}
        for each in (one, other)  # a C header also holds the name
    )
    return mine == theirs and one.layout == other.layout


def described(of: Physical) -> dict[str, Any]:
    """The fields of a tensor that follow from how it lies in memory."""
    return {
        "layout": LayoutEntry(
            name=of.layout.name,
            axes=of.layout.letters,
            digits=digits_text(of.layout),
            skewed=of.layout.skewed,
            lanes=of.lanes,
            physical_shape=of.layout.physical_shape(of.shape),
            word_of=of.word_of,
            lane_of=of.lane_of,
        ),
        "word_bits": of.width_bits,
        "words": of.words,
        "dont_care": of.pads,
    }


def file_entry(kind: str, path: str, content: bytes) -> VectorFile:
    """A file's line in the manifest."""
    return VectorFile.model_validate(
        {
            "kind": kind,
            "path": path,
            "sha256": sha256(content).hexdigest(),
            "size_bytes": len(content),
        }
    )


def seal(fields: dict[str, Any]) -> str:
    """SHA-256 of a manifest's fields but ``digest``, as canonical JSON."""
    rest = {key: value for key, value in fields.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def sealed(fields: dict[str, Any]) -> Manifest:
    """Build a manifest with its digest."""
    draft = Manifest.model_construct(**fields)
    return Manifest(**fields, digest=seal(draft.model_dump(mode="json")))
