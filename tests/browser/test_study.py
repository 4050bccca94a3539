"""The verdict's page in a real browser: what is read back, asked for and sorted is the study's."""

import json
from dataclasses import replace

import pytest

from hwsim.io import preset
from hwsim.io.studies import answers_from
from hwsim.report.study import study_document, unpacked
from hwsim.report.verdict import CASE_COLUMNS, MEASURES, study_page
from hwsim.study import Answers, Study, answered, parts, together
from hwsim.study.summary import bought
from tests.browser.contrast import contrast

STUDY = Study(
    networks=("resnet34",),
    stages=("conv4_x", "conv5_x"),
    batches=(1, 8),
    machines=("davinci-310p", "gemmini-default", "tpu-v1"),
    forms=(
        "convolution",
        "convolution-wide",
        "pssa",
        "aa-convolution",
        "xvolution-training",
        "xvolution-fused",
        "attention-unnormalised",
    ),
    training=("davinci-310p",),
    growth_sides=(7, 14),
    growth_channels=(64,),
)


@pytest.fixture(scope="module")
def answers():
    return together(STUDY, map(answered, parts(STUDY, [preset(name) for name in STUDY.machines])))


@pytest.fixture(scope="module")
def address(tmp_path_factory, answers):
    path = tmp_path_factory.mktemp("study") / "study.html"
    path.write_text(study_page(STUDY, answers), encoding="utf-8")
    return path.as_uri()


def cells(page, table):
    return page.eval_on_selector_all(
        f"#{table} tbody tr", "rows => rows.map(r => [...r.cells].map(c => c.innerText.trim()))"
    )


def heat_of(answers, form, batch, measure):
    at = {(r.machine, r.stage, r.form, r.batch, r.direction): r for r in answers.rows}
    found = []
    for machine in STUDY.machines:
        line = [machine]
        for stage in STUDY.stages:
            row = at[machine, stage, form, batch, "forward"]
            line.append(f"{getattr(row, measure):.2f} {'✓' if row.friendly else '✗'}")
        found.append(line)
    return found


def test_the_page_holds_the_study_and_every_answer(page, answers):
    held = page.eval_on_selector("#data", "element => JSON.parse(element.textContent)")
    assert unpacked(held) == json.loads(json.dumps(study_document(STUDY, answers)))
    assert answers_from(unpacked(held)) == (STUDY, answers)


def test_the_heat_map_shows_what_is_asked_of_it(page, answers):
    def shown():
        return [[cell.split("\n")[0] for cell in line] for line in cells(page, "heat")]

    assert shown() == heat_of(answers, "xvolution-fused", 1, "cycles_ratio")
    page.select_option("#heat-form", "pssa")
    page.select_option("#heat-batch", "8")
    for measure in MEASURES:
        page.select_option("#heat-measure", measure)
        assert shown() == heat_of(answers, "pssa", 8, measure)


def test_cases_are_the_rows_that_were_asked_for_with_their_numbers(page, answers):
    def shown():
        return page.eval_on_selector_all(
            "#cases tbody tr",
            f"rows => rows.map(r => [...r.cells].slice(5, {5 + len(CASE_COLUMNS)})"
            ".map(c => c.dataset.value === '' ? null : Number(c.dataset.value)))",
        )

    def asked(form, direction, machine=None):
        return [
            [None if row.reason else getattr(row, key) for key in CASE_COLUMNS]
            for row in answers.rows
            if (row.form, row.direction) == (form, direction) and machine in (None, row.machine)
        ]

    assert shown() == asked("xvolution-fused", "forward")
    page.select_option("#case-form", "aa-convolution")
    page.select_option("#case-machine", "tpu-v1")
    assert shown() == asked("aa-convolution", "forward", "tpu-v1")
    page.select_option("#case-machine", "all")
    page.select_option("#case-direction", "backward")
    assert shown() == asked("aa-convolution", "backward")
    assert page.locator("#case-count").inner_text() == "4"


def test_a_table_of_cases_sorts_by_keyboard_after_it_was_asked_for_anew(page, answers):
    page.select_option("#case-form", "pssa")
    button = page.locator("#cases th button", has_text="cycles").first
    button.focus()
    page.keyboard.press("Enter")
    shown = page.eval_on_selector_all(
        "#cases tbody tr", "rows => rows.map(r => Number(r.cells[5].dataset.value))"
    )
    cycles = [r.cycles for r in answers.rows if (r.form, r.direction) == ("pssa", "forward")]
    assert shown == sorted(cycles, reverse=True)


def test_gains_are_those_of_the_changes_in_their_order(page, answers):
    found = bought(answers.changed)
    shown = page.eval_on_selector_all(
        "#gains tbody tr",
        "rows => rows.map(r => [...r.cells].slice(1, 7).map(c => c.dataset.value))",
    )
    for line, each in zip(shown, found, strict=True):
        wanted = (
            each.cases, each.friendly_before, each.friendly_after, each.saved, each.most, each.ratio
        )  # fmt: skip
        assert tuple(map(float, line)) == wanted


def test_the_verdict_is_the_first_thing_said(page, answers):
    fused = [r for r in answers.rows if (r.form, r.direction) == ("xvolution-fused", "forward")]
    good = sum(row.friendly for row in fused)
    said = page.locator(".verdict").inner_text()
    assert f"conv-friendly in {good} of {len(fused)} cases" in said


@pytest.mark.parametrize(
    "page", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True
)
def test_text_stands_out_in_dark_and_light_in_cells_as_well(page):
    colours = page.evaluate(
        """() => [...document.querySelectorAll("body, .soft, .from, caption, td.yes, td.no, " +
        "td.none, .badge, .verdict li, select, figure svg text")].map(e => {
          const ground = element => { for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)") return colour; } return "rgb(255, 255, 255)"; };
          const ink = e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color;
          return [ink, ground(e), e.textContent.slice(0, 20)]; })"""
    )
    assert len(colours) > 100
    for ink, ground, text in colours:
        assert contrast(ink, ground) >= 4.5, (ink, ground, text)


@pytest.mark.parametrize("page", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_on_a_phone_the_page_does_not_scroll_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_paper_nothing_is_cut_off_and_nothing_asks(page):
    page.emulate_media(media="print")
    seen = "[...document.querySelectorAll('.scroll')].map(e => getComputedStyle(e).overflowX)"
    assert set(page.evaluate(seen)) == {"visible"}
    assert not page.locator("#heat-ask").is_visible()
    assert page.pdf(format="A3", landscape=True)[:5] == b"%PDF-"


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_verdict_heat_map_and_cases_are_there(page, answers):
    assert page.locator(".verdict").is_visible()
    assert len(page.locator("#heat tbody tr").all()) == len(STUDY.machines)
    assert len(page.locator("#cases tbody tr").all()) == 12


def test_everything_that_asks_and_sorts_can_be_reached_with_the_tab_key(page):
    reached = set()
    for _ in range(160):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert {"heat-form", "heat-batch", "heat-measure", "case-form", "case-machine"} <= reached


def test_a_study_without_the_fused_form_says_so(browser, answers, tmp_path):
    rows = tuple(row for row in answers.rows if row.form == "pssa")
    asked = replace(STUDY, forms=("pssa",))
    path = tmp_path / "none.html"
    path.write_text(study_page(asked, Answers(machines=answers.machines, rows=rows)), "utf-8")
    opened = browser.new_page()
    opened.goto(path.as_uri())
    assert "does not ask about the fused feature form" in opened.locator("header").inner_text()
    opened.close()
