"""A sweep's page in a real browser: the tables read back are the sweep's."""

import json

import pytest

from hwsim.io import sweeps
from hwsim.io.runners import locally
from hwsim.io.swept import read_machines, read_points, varied_keys
from hwsim.report import sweep
from tests.browser.contrast import contrast
from tests.hwsim.sweep.test_sweep_page import GRID


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    at = tmp_path_factory.mktemp("swept")
    (at / "grid.toml").write_text(GRID, encoding="utf-8")
    parts = sweeps.start(at / "out", sweeps.read_declaration(at / "grid.toml"), resume=False)
    for number, content in locally(parts, range(parts.count), 1):
        sweeps.write_part(parts, number, content)
    machines = read_machines(at / "out", sweep.SUMMED, sweep.EACH)
    layers = read_points(at / "out", sweep.OF_LAYERS, machine=sweep.fastest(machines, "out"))
    return sweep.swept(varied_keys(at / "out"), machines, layers, "out")


@pytest.fixture(scope="module")
def address(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("page") / "sweep.html"
    path.write_text(sweep.sweep_page(data), encoding="utf-8")
    return path.as_uri()


def test_numbers_read_back_from_the_page_are_those_of_the_sweep(page, data):
    held = page.eval_on_selector("#data", "element => JSON.parse(element.textContent)")
    assert held == json.loads(json.dumps(data))
    first = 1 + len(data["keys"])
    shown = page.eval_on_selector_all(
        "#machines tbody tr",
        f"rows => rows.map(r => [...r.cells].slice({first}).map(c => Number(c.dataset.value)))",
    )
    assert shown == [[row[each.key] for each in sweep.COLUMNS] for row in data["listed"]]
    fewest = page.locator("#fewest").inner_text().replace("\u202f", "")
    assert int(fewest) == min(row["cycles"] for row in data["listed"])


def test_the_grid_is_read_back_cell_by_cell(page, data):
    shown = page.eval_on_selector_all(
        "#grid tbody tr",
        "rows => rows.map(r => [...r.querySelectorAll('td')].map(c => Number(c.dataset.value)))",
    )
    assert shown == data["grid"]["cells"]


def test_machines_sort_by_keyboard(page, data):
    page.locator("#machines th button", has_text="cycles").first.focus()
    page.keyboard.press("Enter")
    at = 1 + len(data["keys"]) + 1
    shown = page.eval_on_selector_all(
        "#machines tbody tr", f"rows => rows.map(r => Number(r.cells[{at}].dataset.value))"
    )
    assert shown == sorted((row["cycles"] for row in data["listed"]), reverse=True)


@pytest.mark.parametrize(
    "page", [{"color_scheme": "dark"}, {"color_scheme": "light"}], indirect=True
)
def test_text_stands_out_in_dark_and_light(page):
    """The heat map's grounds are mixed by the browser, which gives them as parts of one."""
    colours = page.evaluate(
        """() => [...document.querySelectorAll("body, .soft, figcaption, figure svg text")].map(e =>
        [e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color,
         getComputedStyle(document.body).backgroundColor, e.textContent.slice(0, 20)])"""
    )
    cells = page.evaluate(
        """() => [...document.querySelectorAll("#grid td")].map(e =>
        [getComputedStyle(e).color, getComputedStyle(e).backgroundColor, e.textContent])"""
    )
    for ink, ground, text in [*colours, *((i, bytes_of(g), t) for i, g, t in cells)]:
        assert contrast(ink, ground) >= 4.5, (ink, ground, text)


def bytes_of(colour):
    """color(srgb r g b) with parts of one as rgb(r, g, b) with bytes."""
    parts = colour.removeprefix("color(srgb ").rstrip(")").split()[:3]
    return f"rgb({', '.join(str(255 * float(each)) for each in parts)})"


@pytest.mark.parametrize("page", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_on_a_phone_the_page_does_not_scroll_sideways(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_paper_nothing_is_cut_off(page):
    page.emulate_media(media="print")
    seen = "[...document.querySelectorAll('.scroll')].map(e => getComputedStyle(e).overflowX)"
    assert set(page.evaluate(seen)) == {"visible"}
    assert page.pdf(format="A3", landscape=True)[:5] == b"%PDF-"
