"""Results in a notebook: as a frame of pandas or Polars in one call, as a picture in one call."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hwsim.checks import one_of
from hwsim.evaluate import Estimate

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.figure import Figure

Results: TypeAlias = Estimate | Mapping[str, Estimate]
Picture: TypeAlias = Literal["budget", "traffic", "roofline", "utilisation"]
PICTURES = ("budget", "traffic", "roofline", "utilisation")


def rows(results: Results) -> list[dict[str, Any]]:
    """One row per layer, with network, machine, batch; of several results, with their ``key``."""
    from hwsim.report.export import layer_rows  # noqa: PLC0415 - tables, as the rest: when asked

    if isinstance(results, Estimate):
        asked = {"network": results.network.name, "machine": results.machine.title}
        about = {**asked, "batch": results.network.batch}
        return [about | row for row in layer_rows(results)]
    return [{"key": key} | row for key, each in results.items() for row in rows(each)]


def to_pandas(results: Results) -> "pd.DataFrame":
    """Layers as a pandas frame; a mapping of results (``compare_forms``) gives them all."""
    import pandas as pd  # noqa: PLC0415 - only who asks for a frame needs it

    return pd.DataFrame(rows(results))


def to_polars(results: Results) -> "pl.DataFrame":
    """Layers as a Polars frame; a mapping of results (``compare_forms``) gives them all."""
    import polars as pl  # noqa: PLC0415 - as above

    return pl.DataFrame(rows(results), infer_schema_length=None)


def plot(result: Estimate, what: Picture = "budget") -> "Figure":
    """Draw where the cycles go, the traffic, the roofline, or the utilisation of an estimate.

    Raises ``ValueError`` if there is no picture of that name.
    """
    from hwsim.report import figures  # noqa: PLC0415 - Matplotlib, as above
    from hwsim.report.export import layer_rows  # noqa: PLC0415
    from hwsim.report.page import stages  # noqa: PLC0415

    one_of("what", what, PICTURES)
    layers = layer_rows(result)
    if what == "roofline":
        rate = float(Fraction(result.machine.dram.bytes_per_cycle))
        peak = result.machine.array.macs_per_cycle
        return figures.roofline(layers, peak=peak, dram_bytes_per_cycle=rate)
    if what == "utilisation":
        return figures.utilisation(layers, groups=stages(layers))
    return figures.budget(layers) if what == "budget" else figures.traffic(layers)
