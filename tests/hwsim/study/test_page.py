"""docs/study.html holds the study's answers: the pages are made of them, and the model gives them.

``make study`` writes both pages. The whole study takes minutes, so the model is asked again for one
stage of one network at one batch on each machine, every form, both passes; the places differ from
machine to machine, so that every network, stage and batch is among them.
"""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from hwsim.io import preset, read_text
from hwsim.io.studies import answers_from, read_study
from hwsim.report.study import unpacked
from hwsim.report.verdict import study_page
from hwsim.study import changed, crossings, rows
from hwsim.study.words import page

DOCS = Path(__file__).parents[3] / "docs"
STUDY = read_study()


@cache
def held():
    text = (DOCS / "study.html").read_text(encoding="utf-8")
    return answers_from(
        unpacked(json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]))
    )


def place(machine):
    """Where a machine is asked again."""
    at = STUDY.machines.index(machine)
    return (
        STUDY.networks[at % len(STUDY.networks)],
        STUDY.stages[(at + 1) % len(STUDY.stages)],
        STUDY.batches[at // len(STUDY.networks) % len(STUDY.batches)],
    )


def test_the_pages_are_of_the_packaged_study_and_of_every_case():
    study, answers = held()
    assert study == STUDY
    cases = len(STUDY.networks) * len(STUDY.stages) * len(STUDY.batches)
    passes = len(STUDY.machines) + len(STUDY.training)
    assert len(answers.rows) == cases * passes * len(STUDY.forms)
    assert answers.crossings == tuple(
        each for channels in STUDY.growth_channels for each in crossings(channels)
    )


def test_the_page_in_words_is_what_the_answers_say():
    assert page(*held()) == read_text(DOCS / "study.md", "page")


def test_the_page_in_pictures_is_made_of_the_answers_it_holds():
    assert study_page(*held()) == (DOCS / "study.html").read_text(encoding="utf-8")


def test_every_network_stage_and_batch_is_asked_again_on_some_machine():
    places = list(map(place, STUDY.machines))
    for number, names in enumerate((STUDY.networks, STUDY.stages, STUDY.batches)):
        assert {each[number] for each in places} == set(names)


@pytest.mark.parametrize("machine", STUDY.machines)
def test_the_model_gives_the_rows_of_the_pages(machine):
    network, stage, batch = place(machine)
    asked = replace(STUDY, networks=(network,), stages=(stage,), batches=(batch,))
    unit = [preset(machine)]
    for found, known in (
        (rows(asked, unit), held()[1].rows),
        (changed(asked, unit), held()[1].changed),
    ):
        here = [
            each
            for each in known
            if (each.machine, each.network, each.stage, each.batch)
            == (machine, network, stage, batch)
        ]
        assert list(found) == here
