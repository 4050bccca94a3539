"""Reports in a real browser: what is read back is what was computed, by keyboard, dark or small.

``conftest.py`` says what opens them.
"""

import json
from functools import cache

import pytest

import hwsim
from hwsim.report.export import to_dict
from hwsim.report.page import COLUMNS, estimate_page
from tests.browser.contrast import contrast


@cache
def data():
    return to_dict(hwsim.estimate(hwsim.network("resnet34"), hwsim.preset("gemmini-default")))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(estimate_page(data()), encoding="utf-8")
    return path.as_uri()


def column(title):
    return next(n for n, each in enumerate(COLUMNS, start=2) if each.title == title)


def names(page):
    return page.locator("#layers tbody tr td:first-child").all_inner_texts()


def test_numbers_read_back_from_the_page_are_those_of_the_estimate(page):
    values = page.eval_on_selector_all(
        "#layers tbody tr",
        "rows => rows.map(r => [...r.cells].slice(2).map(c => Number(c.dataset.value)))",
    )
    assert values == [[row[each.key] for each in COLUMNS] for row in data()["layers"]]
    embedded = page.eval_on_selector("#data", "element => JSON.parse(element.textContent)")
    assert embedded == json.loads(json.dumps(data()))
    shown = page.locator("#cycles").inner_text().replace("\u202f", "")
    assert int(shown) == sum(row["cycles"] for row in data()["layers"])


def test_a_heading_sorts_by_keyboard_down_and_then_up(page):
    by_cycles = sorted(data()["layers"], key=lambda row: -row["cycles"])
    button = page.locator("#layers th button", has_text="cycles").first
    button.focus()
    page.keyboard.press("Enter")
    shown = page.eval_on_selector_all(
        "#layers tbody tr",
        f"rows => rows.map(r => Number(r.cells[{column('cycles')}].dataset.value))",
    )
    assert shown == [row["cycles"] for row in by_cycles]
    assert button.locator("..").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert button.locator("..").get_attribute("aria-sort") == "ascending"
    assert names(page)[0] == min(data()["layers"], key=lambda row: row["cycles"])["name"]


def test_everything_can_be_reached_with_the_tab_key(page):
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.slice(0, 40)"))
    assert "To the content" in reached
    assert {each.title for each in COLUMNS} <= reached


@pytest.mark.parametrize(
    "page", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True
)
def test_text_stands_out_from_its_ground_in_dark_and_light(page):
    """Contrast of at least 4.5 (WCAG 2.1, 1.4.3) for text and for the pictures' labels."""
    colours = page.evaluate(
        """() => [...document.querySelectorAll("body, .soft, caption, figure svg text")].map(e =>
        [e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color,
         getComputedStyle(document.body).backgroundColor, e.textContent.slice(0, 20)])"""
    )
    heat = {text for _, _, text in colours if text.strip().isdigit()}
    for ink, ground, text in colours:
        if text not in heat:
            assert contrast(ink, ground) >= 4.5, (ink, ground, text)


@pytest.mark.parametrize("page", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_on_a_phone_the_page_does_not_scroll_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_paper_nothing_is_cut_off(page):
    page.emulate_media(media="print")
    seen = "[...document.querySelectorAll('.scroll')].map(e => getComputedStyle(e).overflowX)"
    assert set(page.evaluate(seen)) == {"visible"}
    assert page.pdf(format="A3", landscape=True)[:5] == b"%PDF-"


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_the_layers_are_in_the_order_of_the_network(page):
    assert names(page) == [row["name"] for row in data()["layers"]]
