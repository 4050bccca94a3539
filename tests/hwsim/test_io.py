import os
from fractions import Fraction
from importlib.resources import files

import pytest

from hwsim.io import (
    find_machine,
    machines,
    parse_machine,
    preset,
    preset_names,
    read_machine,
    write_text,
)
from hwsim.machine import constants, source_of, without_source

TPU = (files("hwsim") / "presets" / "tpu-v1.toml").read_text("utf-8")


def changed(old, new):
    assert old in TPU
    return TPU.replace(old, new, 1)


def test_the_presets_come_with_the_package():
    assert preset_names() == (
        "davinci-310p",
        "ethos-u55-like",
        "eyeriss-v1",
        "gemmini-default",
        "nvdla-full",
        "nvdla-small",
        "scalesim-default",
        "sme-512-like",
        "tpu-v1",
    )


@pytest.mark.parametrize("name", preset_names())
def test_every_constant_of_a_preset_has_a_source(name):
    machine = preset(name)
    assert machine.name == name
    assert without_source(machine) == ()
    assert all(source_of(machine, key) for key in constants(machine))


def test_a_preset_that_lacks_a_source_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "presets"
    folder.mkdir()
    lines = [
        line for line in TPU.splitlines() if not line.startswith(('"array.rows"', 'clock_hz = "'))
    ]
    (folder / "tpu-v1.toml").write_text("\n".join(lines))
    monkeypatch.setattr(machines, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"^preset tpu-v1 must name a source for clock_hz, array"):
        preset("tpu-v1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            changed("cols = 256", "colums = 256"),
            r"in my\.toml, key array\.colums must be .* rows, cols, .*'colums' .*mean cols\?\)$",
        ),
        (changed("dataflow = ", "data_flow = "), r"in my\.toml, key data_flow must be one of name"),
        (changed("rows = 256\n", ""), r"in my\.toml, there must be a key array\.rows$"),
        (changed("rows = 256", "rows = 'many'"), r"in my\.toml, array\.rows must be an integer"),
        (changed("rows = 256", "rows = 0"), r"in my\.toml, array\.rows must be an integer of at"),
        (changed('"340/7"', '"340/0"'), r"in my\.toml, dram\.bytes_per_cycle must be a number or"),
        (changed('"340/7"', "-3"), r"in my\.toml, dram\.bytes_per_cycle must be a positive number"),
        (
            changed("lanes = 256", "lanes = 256\nhypothetical = true"),
            r"in my\.toml, key vector\.hyp",
        ),
        (changed("weight-stationary", "row-static"), r"in my\.toml, dataflow must be one of"),
        (
            changed("weight-stationary", "row-stationary"),
            r"in my\.toml, key array\.double_buffered_weights must be one of rows, cols, ifmap_w",
        ),
        (
            changed('energy = "horowitz-45nm"', 'energy = "horowitz"'),
            r"in my\.toml, energy must be one of .*mean horowitz-45nm",
        ),
        (
            changed("[sources]", '[support]\nsoftmax = "native"\n\n[sources]'),
            r"in my\.toml, support\.softmax must be not executable, as vector\.cycles_per_el",
        ),
        (
            changed("[sources]", '[support]\nshift = "emulated"\n\n[sources]'),
            r"in my\.toml, support\.shift: support must say how exactly where it is emulated",
        ),
        (
            changed('formats = ["int8", "int16"]', 'formats = "int8"'),
            r"in my\.toml, formats must be a list, not 'int8'$",
        ),
        (
            changed('formats = ["int8", "int16"]', 'formats = ["fp16"]'),
            r"in my\.toml, operand_bytes must be the width of one of formats \(fp16\), not 1$",
        ),
        ("array = 3", r"in my\.toml, array must be a table, not 3$"),
        ("rows = = 3", r"my\.toml must be TOML: "),
    ],
)
def test_a_wrong_machine_file_gets_one_sentence_with_file_and_key(text, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}") as error:
        parse_machine(text, "my.toml")
    assert "\n" not in str(error.value)


def test_a_machine_file_reads_as_the_preset_it_is_a_copy_of(tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(TPU)
    assert read_machine(path) == find_machine(str(path)) == find_machine("tpu-v1")
    assert preset("tpu-v1").dram.bytes_per_cycle == Fraction(34_000_000_000, 700_000_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("16", Fraction(16)), ("0.1", Fraction(1, 10)), ('"2/3"', Fraction(2, 3))],
)
def test_bandwidth_is_read_exactly(text, expected):
    assert parse_machine(changed('"340/7"', text), "x").dram.bytes_per_cycle == expected


def test_a_missing_file_gets_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"^machine file .*none\.toml must be readable: No such"):
        read_machine(tmp_path / "none.toml")


def test_a_pipe_gets_one_sentence_and_nothing_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ValueError, match=r"pipe\.toml must be readable: not a regular file"):
        read_machine(tmp_path / "pipe.toml")
    with pytest.raises(ValueError, match="must be readable: Is a directory"):
        read_machine(tmp_path)


def test_an_unknown_preset_is_told_the_nearest_one():
    with pytest.raises(ValueError, match=r"^machine must be one of .*did you mean gemmini-defa"):
        find_machine("gemini-default")


def test_a_file_is_written_whole_or_not_at_all(monkeypatch, tmp_path):
    path = tmp_path / "out.csv"
    write_text(path, "old")
    write_text(path, "new\n")
    assert path.read_bytes() == b"new\n"
    monkeypatch.setattr(os, "fdopen", refuse)
    with pytest.raises(ValueError, match=r"^file .*out\.csv must be writable: disk full$"):
        write_text(path, "lost")
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_bytes() == b"new\n"


def refuse(handle, *_, **__):
    os.close(handle)
    raise OSError(28, "disk full")


def test_a_directory_that_does_not_exist_gets_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"^directory of .*out\.csv must exist before the file"):
        write_text(tmp_path / "none" / "out.csv", "text")
