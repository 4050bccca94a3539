"""The study: every form on every stage, batch and machine, and the verdict in words."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

EXAMPLES = """\b
Examples:
  hwsim study --out out/study
  hwsim study --print-assumptions > mine.toml     # change a line, and run it again
  hwsim study --assumptions mine.toml --out out/study
  hwsim study --machine tpu-v1 --batch 1 --network resnet50 --out out/study
"""
Given = Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")]


def study_command(
    assumptions: Annotated[
        Path | None,
        typer.Option(help="TOML: all that the study assumes; the packaged one if none."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for the files; made if missing.")] = Path(
        "out/study"
    ),
    machine: Given = None,
    network: Given = None,
    stage: Given = None,
    form: Given = None,
    batch: Annotated[list[int] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    html: Annotated[bool, typer.Option(help="Write study.html as well (extra report).")] = True,
    picture: Annotated[bool, typer.Option(help="Draw study.svg as well (extra plots).")] = True,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that work on it; one a core if left out.")
    ] = None,
    print_assumptions: Annotated[
        bool, typer.Option("--print-assumptions", help="Print the packaged assumptions; no study.")
    ] = False,
) -> None:
    """Write study.md (the verdict), .html, .json, .csv and .svg; same assumptions, same bytes."""
    from dataclasses import replace  # noqa: PLC0415 - as the next: for this one command

    from hwsim.cli.terminal import progress  # noqa: PLC0415
    from hwsim.io import find_machine, read_text, write_text  # noqa: PLC0415
    from hwsim.io.studies import DEFAULT, answers_of, read_study  # noqa: PLC0415
    from hwsim.report.study import study_csv, study_document, study_json  # noqa: PLC0415
    from hwsim.study import parts, together  # noqa: PLC0415
    from hwsim.study.words import page  # noqa: PLC0415

    if print_assumptions:
        typer.echo(read_text(DEFAULT, "study file"), nl=False)
        return
    study = read_study(assumptions)
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
    asked = parts(study, machines)
    found = []
    with progress("parts", len(asked)) as advance:
        for each in answers_of(asked, processes or os.cpu_count() or 1):
            found.append(each)
            advance()
    answers = together(study, found)
    document = study_document(study, answers)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "study.json", study_json(document))
    write_text(out / "study.csv", study_csv(answers.rows))
    write_text(out / "study.md", page(study, answers))
    if html:
        write_text(out / "study.html", _html(study, answers))
    if picture:
        from hwsim.report.study import study_picture  # noqa: PLC0415

        write_text(out / "study.svg", study_picture(answers.rows).decode())
    typer.echo(f"{len(answers.rows)} rows; the verdict is in {out / 'study.md'}")


def _html(study: Any, answers: Any) -> str:
    try:
        from hwsim.report.verdict import study_page  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"study.html needs the extra report: pip install 'xvolution[report]' ({error.name}), "
            f"or leave it out with --no-html"
        ) from error
    return study_page(study, answers)
