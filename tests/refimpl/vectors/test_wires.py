"""A product that is kept wide is a wire of 9, 17 or 33 bits, in every file and to every reader."""

import numpy as np
import pytest
from typer.testing import CliRunner

from refimpl import io
from refimpl.bitexact.describe import SHIFTED
from refimpl.bitexact.operators import INTEGER_ARITHMETICS
from refimpl.cli import app
from refimpl.vectors.case import Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.chunks import Chunk
from refimpl.vectors.compare import compare
from refimpl.vectors.files.kinds import decode, encode
from refimpl.vectors.formats import FORMATS, must_fit
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.physical import Physical
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.variants import VARIANTS, run
from refimpl.vectors.write import About, Written, case_files, set_files

BITS = {"int4": 9, "int8": 17, "int16": 33}
SIZES = Sizes(batch=1, channels=2, outputs=2, height=4, width=3)
KINDS = ("npy", "bin", "hex", "h", "vh")


def wide_set(root, operator, arithmetic, **choices):
    (case,) = random_cases(
        [operator], SIZES, Choices(arithmetics=(arithmetic,), declared={"product": "wide"})
    )
    how = Written(kinds=KINDS, **choices)
    io.write_directory(
        root, set_files([case], about=About(command="c", tool_version="0"), written=how)
    )
    (entry,) = io.read_manifest(root).cases
    return case, entry, {tensor.name: tensor for tensor in entry.tensors}


@pytest.mark.parametrize("operator", sorted(SHIFTED))
@pytest.mark.parametrize("arithmetic", INTEGER_ARITHMETICS)
def test_the_manifest_the_words_and_the_constants_are_as_wide_as_the_wire(
    operator, arithmetic, tmp_path
):
    case, entry, tensors = wide_set(tmp_path / "set", operator, arithmetic)
    bits = BITS[arithmetic]
    (name,) = (each for each in tensors if each.endswith("wide_product"))
    prefix = name.removesuffix("wide_product")
    read = [each for each in (f"{prefix}padded",) if each in tensors]
    assert read or operator in ("shift_product", "pssa_backward")
    for each in (name, *read):
        tensor = tensors[each]
        assert (tensor.format, tensor.word_bits) == (f"int{bits}", bits)
        lines = (tmp_path / "set" / entry.id / f"{each}.hex").read_text().split()
        assert {len(line) for line in lines} == {-(-bits // 4)}
        raw = (tmp_path / "set" / entry.id / f"{each}.bin").read_bytes()
        assert len(raw) == tensor.words * -(-bits // 8)
        signed = stages(case)[each].reshape(-1).tolist()
        assert [int(line, 16) for line in lines] == [number % 2**bits for number in signed]
    constants = (tmp_path / "set" / entry.id / f"{entry.id}.vh").read_text()
    assert f"{name.upper()}_WORD_BITS = {bits};" in constants
    header = (tmp_path / "set" / entry.id / f"{name}.h").read_text()
    assert f"WORD_BITS {bits}\n" in header


def extremes(arithmetic):
    """Inputs of the largest product: the lowest number, read with the highest zero point."""
    low = -(2 ** (FORMATS[arithmetic].bits - 1))
    return low, -low - 1


@pytest.mark.parametrize("arithmetic", INTEGER_ARITHMETICS)
def test_the_largest_product_there_is_needs_every_bit_and_fits(arithmetic):
    low, high = extremes(arithmetic)
    (case,) = random_cases(
        ["shift_product"], SIZES, Choices(arithmetics=(arithmetic,), declared={"product": "wide"})
    )
    case.tensors["x"][...] = low
    case.attributes["x_zero"] = high
    found = stages(case)["wide_product"]
    assert (found == (low - high) ** 2).all()
    wire = FORMATS[f"int{BITS[arithmetic]}"]
    must_fit(found, wire)
    assert found.max() > 2 ** (wire.bits - 2)
    with pytest.raises(ValueError, match=f"must hold {wire.name}, numbers from"):
        must_fit(found * 2, wire)


def test_a_requantised_product_is_held_as_an_accumulator_is():
    (case,) = random_cases(["pssa"], SIZES, Choices(arithmetics=("int8",)))
    entry, _, _ = case_files(case, Written(kinds=("npy",)))
    assert {each.name: each.format for each in entry.tensors}["wide_product"] == "int32"


def judged(tmp_path, kind, content, entry, name="wide_product"):
    place = tmp_path / "device" / entry.id
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.{kind}").write_bytes(content)
    return CliRunner().invoke(app, ["check", str(tmp_path / "set"), str(tmp_path / "device")])


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            "npy",
            "must hold int17, numbers from -65536 to 65535, not 65536 as element 5 of the file",
        ),
        ("bin", "word 5 must be at most 17 bits wide, not 0x020000"),
        ("hex", "word 5 must be at most 17 bits wide"),
    ],
)
def test_a_word_of_a_device_that_is_wider_than_the_wire_is_refused(kind, sentence, tmp_path):
    case, entry, _ = wide_set(tmp_path / "set", "shift_product", "int8")
    golden = tmp_path / "set" / entry.id / f"wide_product.{kind}"
    assert judged(tmp_path, kind, golden.read_bytes(), entry).exit_code == 0
    raw = bytearray(golden.read_bytes())
    if kind == "npy":
        start = len(raw) - 4 * stages(case)["wide_product"].size
        raw[start + 20 : start + 24] = (2**16).to_bytes(4, "little")
    elif kind == "bin":
        raw[15:18] = (2**17).to_bytes(3, "little")
    else:
        raw[30:35] = b"20000"
    done = judged(tmp_path, kind, bytes(raw), entry)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())


def test_an_int4_of_a_device_that_four_bits_do_not_hold_is_refused(tmp_path):
    """100 is 4 in its last four bits: it must not pass for it."""
    (case,) = random_cases(["conv2d"], SIZES, Choices(arithmetics=("int4",)))
    about = About(command="c", tool_version="0")
    io.write_directory(
        tmp_path / "set", set_files([case], about=about, written=Written(kinds=("npy",)))
    )
    (entry,) = io.read_manifest(tmp_path / "set").cases
    raw = bytearray((tmp_path / "set" / entry.id / "output.npy").read_bytes())
    raw[-1] = (raw[-1] & 0x0F) | 0x60
    done = judged(tmp_path, "npy", bytes(raw), entry, "output")
    assert done.exit_code == 2
    assert "must hold int4, numbers from -8 to 7, not" in " ".join(done.output.split())


def test_a_wide_shift_product_is_the_output_that_a_device_must_leave(tmp_path):
    _, entry, tensors = wide_set(tmp_path / "set", "shift_product", "int8")
    assert tensors["wide_product"].role == "output"
    (tmp_path / "device").mkdir()
    done = CliRunner().invoke(app, ["check", str(tmp_path / "set"), str(tmp_path / "device")])
    assert done.exit_code == 2
    assert f"must hold {entry.id}/wide_product.npy" in " ".join(done.output.split())


def test_words_of_several_lanes_lie_side_by_side():
    form = FORMATS["int17"]
    layout = layout_for("nchw", rank=1, kernel=False, element_bits=17)
    of = Physical(form=form, shape=(3,), layout=layout, lanes=2)
    assert (of.width_bits, of.word_bytes, of.words) == (34, 5, 2)
    array = np.array([-1, 1, -65536], np.int32)
    assert encode("hex", array, of, "x") == b"00003ffff\n000010000\n"
    np.testing.assert_array_equal(decode("hex", b"00003ffff\n000010000\n", of), array)


def test_davincis_innermost_axis_holds_as_many_as_in_the_next_wider_integer():
    for bits, lanes in ((8, 32), (9, 16), (17, 8), (32, 8), (33, 4), (4, 64)):
        of = layout_for("nc1hwc0", rank=4, kernel=False, element_bits=bits)
        assert of.name == f"NC1HWC0(C0={lanes})"


def test_what_was_never_written_shows_in_a_memory_of_odd_words():
    form = FORMATS["int17"]
    layout = layout_for("nchw", rank=1, kernel=False, element_bits=17)
    of = Physical(form=form, shape=(6,), layout=layout, lanes=1)
    golden = np.arange(6, dtype=np.int32)
    device = golden.copy()
    device[2:4] = (0xDEADBEEF & 0x1FFFF) - 2**17
    found = compare([Chunk(0, golden, device)], of, logical=True)
    assert (found.wrong, found.unwritten) == (2, 2)


def test_a_diagnosis_and_a_shrunk_case_work_on_wide_products(tmp_path):
    case, entry, _ = wide_set(tmp_path / "set", "pssa", "int8")
    place = tmp_path / "device" / entry.id
    place.mkdir(parents=True)
    wrong = run(VARIANTS["shift-direction"], case)
    for tensor in entry.tensors:
        if tensor.role != "input":
            raw = encode("hex", wrong[tensor.name], tensor.physical, "x")
            (place / f"{tensor.name}.hex").write_bytes(raw)
    done = CliRunner().invoke(app, ["check", str(tmp_path / "set"), str(tmp_path / "device")])
    assert done.exit_code == 1
    assert "(shift-direction)" in " ".join(done.output.split())
    arguments = ["shrink", *(str(tmp_path / each) for each in ("set", "device", "small"))]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    small = io.read_manifest(tmp_path / "small" / "golden")
    assert any(each.format == "int17" for each in small.cases[0].tensors)


def test_no_arithmetic_reads_a_wire_so_that_a_chain_ends_with_it():
    """Of int4 too, though its int9 is carried as an int16 is."""
    choices = Choices(arithmetics=("int4",), declared={"product": "wide"})
    with pytest.raises(ValueError, match="not int9: leave product=wide out"):
        chained_cases(["shift_product", "conv2d"], SIZES, choices)
    assert len(chained_cases(["conv2d", "shift_product"], SIZES, choices)) == 2
