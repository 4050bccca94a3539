"""The study: every form on every stage, batch and machine, and the verdict in words."""

from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = """\b
Examples:
  hwsim study --out out/study
  hwsim study my-study.toml --out out/study
  hwsim study --machine tpu-v1 --batch 1 --network resnet50 --out out/study
"""
Given = Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")]


def study_command(
    declaration: Annotated[
        Path | None, typer.Argument(help="TOML; the packaged study if left out.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for the files; made if missing.")] = Path(
        "out/study"
    ),
    machine: Given = None,
    network: Given = None,
    stage: Given = None,
    form: Given = None,
    batch: Annotated[list[int] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    picture: Annotated[bool, typer.Option(help="Draw study.svg as well (extra plots).")] = True,
) -> None:
    """Write study.md (the verdict), study.json, study.csv and study.svg; same study, same bytes."""
    from dataclasses import replace  # noqa: PLC0415 - as the next: for this one command

    from hwsim.io import find_machine, write_text  # noqa: PLC0415
    from hwsim.io.studies import read_study  # noqa: PLC0415
    from hwsim.machine import with_vector_unit  # noqa: PLC0415
    from hwsim.report.study import study_csv, study_json, study_picture  # noqa: PLC0415
    from hwsim.study import crossings, rows  # noqa: PLC0415
    from hwsim.study.words import CHANNELS, page  # noqa: PLC0415

    study = read_study(declaration)
    chosen = {
        "machines": machine,
        "networks": network,
        "stages": stage,
        "forms": form,
        "batches": batch,
    }
    given: dict[str, Any] = {name: tuple(values) for name, values in chosen.items() if values}
    names = given.get("machines", study.machines)
    training = tuple(name for name in study.training if name in names)
    study = replace(study, training=training, **given)
    machines = [find_machine(str(name)) for name in study.machines]
    if study.vector_lanes is not None:
        machines = [with_vector_unit(each, study.vector_lanes) for each in machines]
    found = list(rows(study, machines))
    crossed = [each for channels in CHANNELS for each in crossings(channels)]
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "study.json", study_json(study, found, crossed))
    write_text(out / "study.csv", study_csv(found))
    write_text(out / "study.md", page(study, found, crossed))
    if picture:
        write_text(out / "study.svg", study_picture(found).decode())
    typer.echo(f"{len(found)} rows; the verdict is in {out / 'study.md'}")
