"""Pages of estimates: complete in one file, every number that of the JSON, the same bytes twice."""

import json
import re
from functools import cache
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.report.export import to_dict, to_json
from hwsim.report.figures import BUDGET
from hwsim.report.page import COLUMNS, comparison_page, estimate_page, number, stages

NETWORKS = {
    "plain": {},
    "fused": {"stage": "conv4_x", "form": "xvolution-fused"},
}


@cache
def estimated(name):
    asked = hwsim.network("resnet34", height=64, width=64, **NETWORKS[name])
    return hwsim.estimate(asked, hwsim.preset("tpu-v1"))


@cache
def page(name):
    return estimate_page(to_dict(estimated(name)))


class Tables(HTMLParser):
    """Cells of the bodies of all tables with an id: text and data-value."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.table, self.cell = {}, None, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "table" and "id" in attrs:
            self.table = self.tables.setdefault(attrs["id"], [])
        elif tag == "tr" and self.table is not None:
            self.table.append([])
        elif tag == "td" and self.table is not None:
            self.cell = [attrs.get("data-value"), ""]
            self.table[-1].append(self.cell)

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[1] += data

    def handle_endtag(self, tag):
        if tag == "td":
            self.cell = None
        elif tag == "table":
            self.table = None


def test_every_number_of_the_table_is_the_estimate_s_own():
    data = to_dict(estimated("plain"))
    rows = [row for row in Tables(page("plain")).tables["layers"] if row]
    assert len(rows) == len(data["layers"]) + 1
    for cells, row in zip(rows, [*data["layers"], {"name": "total", **data["total"]}], strict=True):
        assert cells[0][1] == row["name"]
        for (value, text), column in zip(cells[2:], COLUMNS, strict=True):
            assert float(value) == row[column.key]
            assert text == number(row[column.key], column)


def test_the_page_holds_the_data_it_was_made_of():
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page("plain"))
    assert json.loads(text[1]) == json.loads(to_json(estimated("plain")))


def test_a_name_cannot_end_the_script_or_the_page():
    data = json.loads(to_json(estimated("plain")))
    data["layers"][0]["name"] = data["network"] = "</script><b>&"
    html = estimate_page(data)
    assert html.count("</script>") == estimate_page(to_dict(estimated("plain"))).count("</script>")
    assert "<b>&" not in html.replace("\\u003cb>&", "")


def test_the_page_loads_nothing():
    for name in NETWORKS:
        assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[a-z]+:""", page(name))
        assert "http-equiv" not in page(name)


def test_the_same_estimate_gives_the_same_bytes():
    assert estimate_page(to_dict(estimated("plain"))) == page("plain")


def test_pictures_take_their_ink_from_the_page_and_name_every_part_of_the_budget():
    html = page("plain")
    assert "#123456" not in html
    assert html.count("currentColor") > 50
    present = [
        label for key, (label, _) in BUDGET.items() if to_dict(estimated("plain"))["total"][key]
    ]
    assert len(present) > 3
    assert all(label in html[html.index("<svg") :] for label in present)


def test_what_is_not_executable_stands_in_red_above_the_pictures():
    asked = hwsim.network("resnet34", height=64, width=64, stage="conv4_x", form="attention")
    html = estimate_page(to_dict(hwsim.estimate(asked, hwsim.preset("tpu-v1"))))
    assert re.search(r'<p class="bad">costed \d+ of \d+ primitives', html)
    assert '<p class="bad">' not in page("plain")


def test_a_comparison_shows_growth_of_the_sums_and_what_only_one_has():
    before, after = (to_dict(estimated(name)) for name in ("plain", "fused"))
    after["layers"] = [row for row in after["layers"] if row["name"] != "fc"]
    html = comparison_page(before, after, names=("plain", "fused"))
    totals = [row for row in Tables(html).tables["totals"] if row]
    cycles = before["total"]["cycles"], after["total"]["cycles"]
    assert [float(cell[0]) for cell in totals[0][1:3]] == list(cycles)
    assert totals[0][3][1] == f"{100 * (cycles[1] / cycles[0] - 1):+.2f} %"
    assert "Only in plain: fc." in html


def test_an_estimate_compared_with_itself_has_no_picture():
    data = to_dict(estimated("plain"))
    assert "No layer takes other cycles" in comparison_page(data, data, names=("a", "b"))


def test_stages_are_what_names_begin_with():
    rows = [{"name": n, "macs": 1} for n in ("conv1", "conv2_1.conv1", "conv2_2.conv1", "fc")]
    assert stages([*rows, {"name": "maxpool", "macs": 0}]) == ["conv1", "conv2", "fc"]


def test_the_command_writes_a_page_of_one_file_or_of_two(tmp_path):
    for name in NETWORKS:
        (tmp_path / f"{name}.json").write_text(to_json(estimated(name)), encoding="utf-8")
    plain, fused, out = (str(tmp_path / n) for n in ("plain.json", "fused.json", "page.html"))
    assert CliRunner().invoke(app, ["report", plain, "--out", out]).exit_code == 0
    assert "<h1>resnet34 on tpu-v1</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert CliRunner().invoke(app, ["report", plain, fused, "--out", out]).exit_code == 0
    assert "<h1>plain and fused</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d["layers"][3].pop("macs"), "layers.3.macs"),
        (lambda d: d["layers"][0].update(cycles=-1), "layers.0.cycles"),
        (lambda d: d["machine"]["dram"].update(bytes_per_cycle="1/0"), "machine.dram"),
        (lambda d: d.update(peak_macs_per_cycle=0), "peak_macs_per_cycle"),
    ],
)
def test_a_file_that_is_no_estimate_is_refused_by_the_place_that_is_wrong(tmp_path, change, place):
    data = json.loads(to_json(estimated("plain")))
    change(data)
    (tmp_path / "bad.json").write_text(json.dumps(data), encoding="utf-8")
    result = CliRunner().invoke(
        app, ["report", str(tmp_path / "bad.json"), "--out", str(tmp_path / "page.html")]
    )
    assert isinstance(result.exception, ValueError)
    assert f"of {place}" in str(result.exception)
    assert not (tmp_path / "page.html").exists()
