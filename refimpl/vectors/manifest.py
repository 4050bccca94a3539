"""What a set of vectors says about itself: the schema of ``manifest.json``.

Everything that decides a bit stands here: operator, attributes, formats, layouts, arithmetic, the
stimulus, and the SHA-256 of every file. Unknown or missing fields are refused on reading.
"""

from math import prod
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SCHEMA_VERSION = 1
ARITHMETIC_VERSION = 1  # changes whenever the bytes of an existing case would
LICENCE = "CC0-1.0"

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=120)]
Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VectorFile(_Strict):
    """One file of a tensor: how it is written, and what must be in it."""

    kind: Literal["npy", "bin", "hex"]
    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Count

    @field_validator("path")
    @classmethod
    def _stay_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path:
            raise ValueError(f"a path must stay inside the set's directory, not be {path!r}")
        return path


class Tensor(_Strict):
    """An array of a case, and where it is in the computation."""

    name: Identifier
    role: Literal["input", "stage", "output", "reference", "bound"]
    format: Literal["int8", "int32", "fp32", "fp64"]
    shape: tuple[Count, ...]
    layout: Literal["NCHW", "NHWC", "OIHW", "OHWI", "C"]
    word_of: str
    word_bits: Count
    words: Count
    files: tuple[VectorFile, ...]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        """Shape, words and layout must describe one array."""
        if prod(self.shape) != self.words:
            raise ValueError(f"words must be {prod(self.shape)} for shape {self.shape}")
        if len(self.shape) != len(self.layout):
            raise ValueError(f"layout {self.layout} must have as many axes as shape {self.shape}")
        return self


class CaseEntry(_Strict):
    """One operator call."""

    id: Identifier
    operator: str
    attributes: dict[str, Any]
    arithmetic: dict[str, Any]
    stimulus: dict[str, Any]
    tensors: tuple[Tensor, ...]


class Manifest(_Strict):
    """A set of vectors."""

    schema_version: Literal[1]
    tool: Literal["refimpl"]
    tool_version: str
    arithmetic_version: int
    command: str
    licence: str
    cases: Annotated[tuple[CaseEntry, ...], Field(min_length=1)]
