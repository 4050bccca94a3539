"""Cycles that the SystemVerilog arrays took, per layer, as recorded in ``cycles.json``.

Written by ``hwsim rtl cycles --write`` from runs in a simulator; read by whoever judges a closed
form. The record names the SHA-256 of the sources it was measured on, so that an edited design
without a new record is seen.
"""

from hashlib import sha256
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hwsim.rtl.simulator import DESIGNS, SOURCES
from hwsim.workload import Gemm

Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(_Strict):
    """One matrix product on one array: cycles from the first operand in to the last result out."""

    layer: str
    m: Count
    n: Count
    k: Count
    dataflow: Literal["output-stationary", "weight-stationary", "input-stationary"]
    rows: Count
    cols: Count
    cycles: Count
    feeding: Count
    folds: Count

    @property
    def gemm(self) -> Gemm:
        """The product."""
        return Gemm(self.m, self.n, self.k)


class Record(_Strict):
    """Everything that was measured, on which sources, with which simulator, by which command."""

    command: str
    simulator: str
    sources_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    measured: tuple[Measured, ...]


def recorded() -> Record:
    """Cycles that travel with the package."""
    return Record.model_validate_json((files("hwsim.rtl") / "cycles.json").read_bytes())


def sources_sha256() -> str:
    """Hash of the sources of the bare arrays as they are now."""
    digest = sha256()
    for name in DESIGNS["xv_gemm"]:
        digest.update((SOURCES / name).read_bytes())
    return digest.hexdigest()
