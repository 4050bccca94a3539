"""Results in a notebook: as a frame of pandas or Polars in one call, as a picture in one call."""

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hwsim.checks import one_of
from hwsim.cost import BUDGET
from hwsim.evaluate import Estimate
from hwsim.study import Answers, Row

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.figure import Figure

Results: TypeAlias = Estimate | Mapping[str, Estimate] | Answers
Picture: TypeAlias = Literal["budget", "traffic", "roofline", "utilisation"]
PICTURES = ("budget", "traffic", "roofline", "utilisation")


def rows(results: Results) -> list[dict[str, Any]]:
    """One row per layer, with network, machine, batch; of several results, with their ``key``.

    Of a study's answers one row per form, machine, network, stage, batch and pass.
    """
    from hwsim.report.export import layer_rows  # noqa: PLC0415 - tables, as the rest: when asked

    if isinstance(results, Answers):
        return [_row(row) for row in results.rows]
    if isinstance(results, Estimate):
        asked = {"network": results.network.name, "machine": results.machine.title}
        about = {**asked, "batch": results.network.batch}
        return [about | row for row in layer_rows(results)]
    return [{"key": key} | row for key, each in results.items() for row in rows(each)]


def to_pandas(results: Results) -> "pd.DataFrame":
    """Layers as a pandas frame; of ``compare_forms`` all of them, of a study its rows."""
    import pandas as pd  # noqa: PLC0415 - only who asks for a frame needs it

    return pd.DataFrame(rows(results))


def to_polars(results: Results) -> "pl.DataFrame":
    """Layers as a Polars frame; of ``compare_forms`` all of them, of a study its rows."""
    import polars as pl  # noqa: PLC0415 - as above

    return pl.DataFrame(rows(results), infer_schema_length=None)


def plot(result: Estimate | Answers, what: Picture = "budget") -> "Figure":
    """Draw where the cycles go, the traffic, the roofline, or the utilisation of an estimate.

    Of a study's answers: the budget (of its first network and batch), or the roofline of all its
    machines. Raises ``ValueError`` if there is no picture of that name.
    """
    if isinstance(result, Answers):
        return _of_study(result, what)
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


def _row(row: Row) -> dict[str, Any]:
    """A study's row, flat: a column for each part of the budget, 0 where there are no numbers."""
    parts = {f"{name}_cycles": dict(row.budget).get(name, 0) for name in BUDGET}
    flat = asdict(row) | {"conv_friendly": row.friendly} | parts
    del flat["budget"]
    return flat


def _of_study(answers: Answers, what: str) -> "Figure":
    from hwsim.report import study_figures  # noqa: PLC0415 - Matplotlib, as above

    one_of("what", what, ("budget", "roofline"))
    if not answers.rows:
        raise ValueError("a study must have rows to be drawn, not none")
    if what == "roofline":
        return study_figures.roofline(answers.rows, answers.machines)
    first = answers.rows[0]
    return study_figures.budgets(answers.rows, first.network, first.batch)
