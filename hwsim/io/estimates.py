"""Estimates read back from the JSON that ``hwsim estimate`` writes."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsim.compare import METRICS, Recorded
from hwsim.io.files import read_text

Model = TypeVar("Model", bound=BaseModel)


class _Quantities(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    cycles: int = Field(ge=0)
    dram_bytes: int = Field(ge=0)
    energy_pj: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    def by_metric(self) -> dict[str, float | None]:
        """The quantities that are compared."""
        return {metric: getattr(self, metric) for metric in METRICS}


class _Layer(_Quantities):
    name: str


class _Coverage(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    costed: int = Field(ge=0)
    asked: int = Field(ge=0)


class _Machine(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    title: str


class _Estimate(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    network: str
    machine: _Machine
    total: _Quantities
    coverage: _Coverage
    layers: list[_Layer]


class _Row(_Quantities):
    """Everything that a page draws or lists of a layer, or of the total."""

    macs: int = Field(ge=0)
    utilisation: float = Field(ge=0, le=1)
    sram_bytes: int = Field(ge=0)
    dram_write_bytes: int = Field(ge=0)
    dram_read_bytes: int = Field(ge=0)
    filter_read_bytes: int = Field(ge=0)
    compulsory_bytes: int = Field(ge=0)
    compute_cycles: int = Field(ge=0)
    fragmentation_cycles: int = Field(ge=0)
    fill_drain_cycles: int = Field(ge=0)
    vector_cycles: int = Field(ge=0)
    movement_cycles: int = Field(ge=0)
    buffer_stall_cycles: int = Field(default=0, ge=0)
    l2_stall_cycles: int = Field(default=0, ge=0)
    stall_cycles: int = Field(ge=0)


class _LayerRow(_Row):
    name: str
    form: str
    evidence: dict[str, str]


class _Total(_Row):
    seconds: float = Field(ge=0, allow_inf_nan=False)


class _Said(_Coverage):
    sentence: str


class _Dram(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    bytes_per_cycle: str = Field(pattern=r"^[1-9][0-9]{0,12}(/[1-9][0-9]{0,12})?$")


class _Described(_Machine):
    description: str
    clock_hz: int = Field(ge=1)
    dram: _Dram
    sources: dict[str, str]


class _Sides(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    height: int | None
    width: int | None


class _Energy(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    table: str | None
    without: list[str]


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    network: str
    stage: str | None
    form: str
    batch: int
    input: _Sides
    machine: _Described
    peak_macs_per_cycle: int = Field(ge=1)
    energy: _Energy
    total: _Total
    coverage: _Said
    layers: list[_LayerRow]


def read_page(path: str | Path) -> dict[str, Any]:
    """Everything that a report shows of the estimate in a file.

    Raises ``ValueError`` with the first thing that is not as it must be.
    """
    return _read(path, _Page).model_dump()


def read_estimate(path: str | Path) -> Recorded:
    """The estimate in a file; ``ValueError`` with the first thing that is not as it must be."""
    found = _read(path, _Estimate)
    return Recorded(
        title=f"{found.network} on {found.machine.title}",
        total=found.total.by_metric(),
        layers={layer.name: layer.by_metric() for layer in found.layers},
        costed=found.coverage.costed,
        asked=found.coverage.asked,
    )


def _read(path: str | Path, kind: type[Model]) -> Model:
    text = read_text(path, "estimate")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        sentence = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise ValueError(
            f"{path} must be JSON of hwsim estimate, but of {place} we read: {sentence}"
        ) from error
