"""Estimates read back from the JSON that ``hwsim estimate`` writes."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hwsim.compare import METRICS, Recorded
from hwsim.io.files import read_text


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


def read_estimate(path: str | Path) -> Recorded:
    """The estimate in a file; ``ValueError`` with the first thing that is not as it must be."""
    text = read_text(path, "estimate")
    try:
        found = _Estimate.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        sentence = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise ValueError(
            f"{path} must be JSON of hwsim estimate, but of {place} we read: {sentence}"
        ) from error
    return Recorded(
        title=f"{found.network} on {found.machine.title}",
        total=found.total.by_metric(),
        layers={layer.name: layer.by_metric() for layer in found.layers},
        costed=found.coverage.costed,
        asked=found.coverage.asked,
    )
