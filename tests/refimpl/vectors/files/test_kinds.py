"""Every kind of file holds the array, bit for bit, and reads back; and refuses what is none."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.vectors.files.binary import from_binary
from refimpl.vectors.files.c_header import identifier, to_c_header
from refimpl.vectors.files.constants import from_verilog, to_verilog
from refimpl.vectors.files.kinds import KINDS, TENSOR_KINDS, decode, encode
from refimpl.vectors.files.memory import from_coe, from_mif, to_coe, to_mif
from refimpl.vectors.files.numpy_file import from_npz, to_npy, to_npz
from refimpl.vectors.files.readmem import UnknownBitsError, from_dump, from_hex, to_hex
from refimpl.vectors.files.words import from_words, to_words, word_bits
from refimpl.vectors.formats import FORMATS, bits_of, from_bits
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.physical import Physical, mask_of, words_of

INT8 = FORMATS["int8"]


@st.composite
def laid(draw):
    """An array of any format with any bits, and a way for it to lie in memory."""
    form = FORMATS[draw(st.sampled_from(list(FORMATS)))]
    lanes = draw(st.sampled_from([1, 2, 4, 16] if form.bits < 8 else [1, 2, 3, 4, 16]))
    family = draw(st.sampled_from(["nchw", "nhwc", "nchw4c", "nc1hwc0", "skew3"]))
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=4, max_size=4)))
    kernel = draw(st.booleans())
    layout = layout_for(family, rank=4, kernel=kernel, element_bits=form.bits)
    seed = draw(st.integers(0, 2**32))
    bits = np.random.default_rng(seed).integers(0, 2**form.bits, shape, np.uint64)
    array = from_bits(bits.astype(form.word), form)
    return array, Physical(form=form, shape=shape, layout=layout, lanes=lanes)


@pytest.mark.parametrize("kind", TENSOR_KINDS)
@given(of=laid())
@settings(deadline=None, max_examples=40)
def test_what_is_written_reads_back_with_every_bit(kind, of):
    array, physical = of
    if kind == "h" and physical.width_bits > 64:
        with pytest.raises(ValueError, match="a C header must hold words of at most 64 bits"):
            encode(kind, array, physical, "x")
        return
    raw = encode(kind, array, physical, "x")
    again = decode(kind, raw, physical)
    assert again.dtype == np.dtype(physical.form.dtype)
    np.testing.assert_array_equal(bits_of(again, physical.form), bits_of(array, physical.form))


@given(of=laid())
@settings(deadline=None, max_examples=60)
def test_a_word_holds_its_lanes_the_first_in_the_lowest_bits(of):
    array, physical = of
    words = words_of(array, physical)
    assert words.shape == (physical.words, physical.word_bytes)
    index = tuple(size - 1 for size in physical.shape)
    names = dict(zip(physical.layout.letters, index, strict=True))
    names |= dict(zip(physical.layout.letters.upper(), physical.shape, strict=True))
    word = eval(physical.word_of, {}, names)  # noqa: S307 - the manifest's formula
    lane = eval(physical.lane_of, {}, names)  # noqa: S307 - the manifest's formula
    number = int.from_bytes(words[word].tobytes(), "little")
    bits = physical.form.bits
    assert number >> (lane * bits) & ((1 << bits) - 1) == int(
        bits_of(array[index].reshape(1), physical.form)[0]
    )


@given(of=laid())
@settings(deadline=None, max_examples=60)
def test_the_mask_has_ones_exactly_where_no_element_lies(of):
    _, physical = of
    full = from_bits(
        np.full(physical.shape, 2**physical.form.bits - 1, physical.form.word), physical.form
    )
    ones, mask = words_of(full, physical), mask_of(physical)
    width = (1 << physical.width_bits) - 1
    for word, masked in zip(ones, mask, strict=True):
        value, dont_care = (int.from_bytes(each.tobytes(), "little") for each in (word, masked))
        assert value ^ dont_care == width


@pytest.mark.small
def test_int4_are_packed_two_to_a_byte_the_first_in_the_low_half():
    four = FORMATS["int4"]
    values = np.array([-8, 7, 1, -1, 3], np.int8)
    assert to_words(values, four, 2).tobytes() == bytes([0x78, 0xF1, 0x03])
    assert from_words(to_words(values, four, 2), four, 2, 5).tolist() == values.tolist()
    assert to_hex(to_words(values, four, 4), 16) == b"f178\n0003\n"
    assert to_hex(to_words(values, four, 1), 4) == b"8\n7\n1\nf\n3\n"
    with pytest.raises(ValueError, match="word 1 must be at most 4 bits wide, not 0x1f"):
        from_words(np.array([[3], [0x1F]], np.uint8), four, 1, 2)


@pytest.mark.small
@pytest.mark.parametrize("lanes", [0, -1, 1025])
def test_impossible_words_are_refused(lanes):
    with pytest.raises(ValueError, match="a word must have 1 to 1024 lanes, not"):
        word_bits(INT8, lanes)
    with pytest.raises(ValueError, match="a word of int4 must have one lane or an even number"):
        word_bits(FORMATS["int4"], 3)


def words(*values):
    return np.array(values, np.uint8).reshape(-1, 1)


@pytest.mark.small
def test_hex_is_fixed_width_without_signs():
    assert to_hex(words(1, 255, 128), 8) == b"01\nff\n80\n"
    assert to_hex(np.array([[1, 2, 3, 0x80]], np.uint8), 32) == b"80030201\n"


@pytest.mark.small
def test_comments_addresses_underscores_and_short_words_are_read_as_readmemh_does():
    text = "// dump of y\n\n00 7f // two\n /* a\n block */ F_F\t80\n1 // zero-extended\n"
    assert from_hex(text, 5, 8).tolist() == [[0], [127], [255], [128], [1]]
    placed = "@2 02 03 @0 00\n01\n"
    assert from_hex(placed, 4, 8).tolist() == [[0], [1], [2], [3]]


@pytest.mark.small
@pytest.mark.parametrize(
    ("word", "driven", "x", "z"),
    [
        ("xx", 0, 0xFF, 0),
        ("Zz", 0, 0, 0xFF),
        ("0x", 0, 0x0F, 0),
        ("z7", 7, 0, 0xF0),
        ("x", 0, 0xFF, 0),
        ("7_X", 0x70, 0x0F, 0),
        ("zzzzzzzz", 0, 0, 0xFF),
    ],
)
def test_bits_never_driven_come_beside_the_words(word, driven, x, z):
    text = f"00\n01\n{word}\n03\n"
    dump = from_dump(text, 4, 8)
    assert dump.words.tolist() == [[0], [1], [driven], [3]]
    assert dump.undriven.x.tolist() == [[0], [0], [x], [0]]
    assert dump.undriven.z.tolist() == [[0], [0], [z], [0]]
    with pytest.raises(UnknownBitsError, match="word 2 has bits that were never driven"):
        from_hex(text, 4, 8)


@pytest.mark.small
def test_an_address_that_was_skipped_was_never_written():
    dump = from_dump("@0 00 @2 02 03", 4, 8)
    assert dump.words.tolist() == [[0], [0], [2], [3]]
    assert [each.tolist() for each in dump.undriven] == [[[0], [255], [0], [0]]] * 2
    narrow = from_dump("@1 3ff", 2, 10)
    assert [each.tolist() for each in narrow.undriven] == [[[0xFF, 3], [0, 0]]] * 2


@pytest.mark.small
def test_addresses_may_count_from_the_base_of_a_memory():
    for text in ("@10 00 01 @12 02", "@0 00 01 02", "00 01 02", "@11 01 02 @10 00"):
        assert from_dump(text, 3, 8, base=16).words.tolist() == [[0], [1], [2]]
    for text in ("@10 00 01 02 03", "@0 00 @11 01 02", "@f 00 01 02"):
        with pytest.raises(ValueError, match="must hold 3 hex words, not one at address"):
            from_dump(text, 3, 8, base=16)


@pytest.mark.small
def test_words_that_are_all_driven_have_nothing_beside_them():
    assert from_dump("@0 00 @2 02 @1 01", 3, 8).undriven is None


@pytest.mark.small
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("00 01", "must hold 3 hex words, not 2"),
        ("00 01 02 03", "must hold 3 hex words, not 4"),
        ("", "must hold 3 hex words, not 0"),
        ("00 100 02", "word 1 must be at most 2 hex digits, not '100'"),
        ("00 -1 02", "word 1 must be at most 2 hex digits, not '-1'"),
        ("00 0g 02", "word 1 must be at most 2 hex digits, not '0g'"),
        ("00 _ 02", "word 1 must be at most 2 hex digits, not '_'"),
        ("@3 00", "must hold 3 hex words, not one at address 0x3"),
        ("@q 00 01 02", "an address must be as @1f, not '@q'"),
    ],
)
def test_a_file_that_is_not_so_many_hex_words_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence) as refusal:
        from_hex(text, 3, 8)
    assert not isinstance(refusal.value, UnknownBitsError)


@pytest.mark.small
def test_a_word_wider_than_its_bits_is_refused_even_within_its_digits():
    with pytest.raises(ValueError, match="word 1 must be at most 6 bits wide"):
        from_hex("3f\n40\n", 2, 6)


@pytest.mark.small
@pytest.mark.parametrize("size", [0, 1, 3, 5, 8])
def test_a_short_or_long_binary_is_refused(size):
    with pytest.raises(ValueError, match=f"must hold 2 words of 16 bits, 4 bytes, not {size}"):
        from_binary(b"\0" * size, 2, 16)


@pytest.mark.small
def test_fpga_files_are_as_the_tools_have_them():
    assert to_coe(words(1, 254), 8) == (
        b"memory_initialization_radix=16;\nmemory_initialization_vector=\n01,\nfe;\n"
    )
    assert to_mif(words(1, 254), 8) == (
        b"WIDTH=8;\nDEPTH=2;\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n"
        b"0 : 01;\n1 : fe;\nEND;\n"
    )


@pytest.mark.small
@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (from_coe, "memory_initialization_radix=2;\n", "must be a .coe file of radix 16"),
        (from_coe, to_coe(words(1), 8).decode(), "must hold 2 hex words, not 1"),
        (from_mif, to_mif(words(1), 8).decode(), "must be a .mif file of width 8 and depth 2"),
        (from_mif, to_mif(words(1, 2), 8).decode().replace("1 : ", "2 : "), "address 1"),
        (from_mif, to_mif(words(1, 2), 8).decode().replace("END;", ""), "must be a .mif file"),
    ],
)
def test_another_fpga_file_is_refused(read, text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read(text, 2, 8)


@pytest.mark.small
def test_a_c_header_declares_what_it_holds():
    physical = Physical(
        form=INT8, shape=(2,), layout=layout_for("nchw", rank=1, kernel=False, element_bits=8)
    )
    text = encode("h", np.array([-1, 5], np.int8), physical, "conv2d-int8_x").decode()
    assert (
        "static const uint8_t conv2d_int8_x[CONV2D_INT8_X_WORDS] = {\n  0xffu,\n  0x05u,\n};"
        in text
    )
    assert "#define CONV2D_INT8_X_WORDS 2\n#define CONV2D_INT8_X_WORD_BITS 8\n" in text
    for broken in (text.replace("uint8_t", "uint16_t"), text.replace("  0x05u,\n", ""), ""):
        with pytest.raises(ValueError, match=r"must (be a C header|hold 2 hex words)"):
            decode("h", broken.encode(), physical)


@pytest.mark.small
def test_names_become_identifiers():
    assert identifier("conv3_1.conv2-int8") == "conv3_1_conv2_int8"
    assert identifier("1x1") == "_1x1"


@pytest.mark.small
@pytest.mark.parametrize("kind", ["hex", "coe", "mif", "h"])
def test_bytes_that_are_no_text_are_refused(kind):
    physical = Physical(
        form=INT8, shape=(1,), layout=layout_for("nchw", rank=1, kernel=False, element_bits=8)
    )
    with pytest.raises(ValueError, match="must be plain text of hex words"):
        KINDS[kind].decode(b"\xff\xfe", physical)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
        st.one_of(st.integers(-(2**62), 2**62), st.lists(st.integers(-9, 9), max_size=3)),
    )
)
@settings(deadline=None)
def test_constants_read_back(values):
    expected = {}
    for name, value in values.items():
        if isinstance(value, list):
            expected |= {f"{name}_{at}".upper(): each for at, each in enumerate(value)}
        else:
            expected[name.upper()] = value
    assert from_verilog(to_verilog(values).decode()) == expected


@pytest.mark.small
def test_words_and_lists_of_words_are_no_constants_and_other_lines_are_refused():
    assert to_verilog({"boundary": "circular", "scale": 0.5}) == b"// no constants\n"
    assert to_verilog({"x_zero": -7}) == b"localparam integer X_ZERO = -7;\n"
    with pytest.raises(ValueError, match="a line must be a localparam of a whole number"):
        from_verilog("`define X 1\n")


EXPECTED = {"x": (INT8, (2, 3)), "y": (FORMATS["fp32"], (4,))}
ARRAYS = {"x": np.arange(6, dtype=np.int8).reshape(2, 3), "y": np.ones(4, np.float32)}


def packed(**changed):
    arrays = ARRAYS | changed
    return to_npz({name: (arrays[name], EXPECTED[name][0]) for name in arrays})


@pytest.mark.small
def test_an_archive_reads_back_and_is_the_same_bytes_each_time():
    again = from_npz(packed(), EXPECTED)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(again[name], array)
    assert packed() == packed()


@pytest.mark.small
@pytest.mark.parametrize("cut", [0, 10, 100, 300])
def test_a_truncated_archive_is_refused(cut):
    with pytest.raises(ValueError, match=r"must be a (complete|readable) \.npz archive"):
        from_npz(packed()[:cut], EXPECTED)


def test_a_zip_bomb_is_refused_without_unpacking_it():
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2**26))
        archive.writestr("y.npy", to_npy(ARRAYS["y"], FORMATS["fp32"]))
    assert len(buffer.getvalue()) < 2**17
    with pytest.raises(ValueError, match=r"x\.npy must unpack to at most \d+ bytes: is this a zip"):
        from_npz(buffer.getvalue(), EXPECTED)


@pytest.mark.small
def test_an_archive_with_other_members_is_refused():
    with pytest.raises(ValueError, match="must hold the arrays x, y, and no others"):
        from_npz(to_npz({"x": (ARRAYS["x"], INT8)}), EXPECTED)


@pytest.mark.small
def test_a_big_endian_array_is_recognised():
    import io  # noqa: PLC0415

    buffer = io.BytesIO()
    np.save(buffer, ARRAYS["y"].astype(">f4"))
    with pytest.raises(ValueError, match=r"big-endian; words must be little-endian"):
        decode(
            "npy",
            buffer.getvalue(),
            Physical(
                form=FORMATS["fp32"],
                shape=(4,),
                layout=layout_for("nchw", rank=1, kernel=False, element_bits=32),
            ),
        )


@pytest.mark.small
def test_constants_beyond_an_integer_of_verilog_have_their_size_and_sign():
    """`integer` has 32 bits, and -2^31 is the minus of a literal that has no room in it."""
    edge = 2**31
    values = {"a": edge - 1, "b": edge, "c": -edge, "d": -edge + 1}
    assert to_verilog(values).decode().splitlines() == [
        "localparam integer A = 2147483647;",
        "localparam signed [63:0] B = 64'sd2147483648;",
        "localparam signed [63:0] C = -64'sd2147483648;",
        "localparam integer D = -2147483647;",
    ]


@pytest.mark.small
@pytest.mark.parametrize(
    ("bits", "integer"), [(4, 8), (8, 8), (9, 16), (16, 16), (17, 32), (32, 32), (33, 64), (64, 64)]
)
def test_words_of_c_and_of_intels_tools_are_as_wide_as_they_say(bits, integer):
    one = np.zeros((1, -(-bits // 8)), np.uint8)
    one[0, 0] = 1
    assert f"static const uint{integer}_t y[" in to_c_header(one, bits, "y").decode()
    assert f"WIDTH={bits};" in to_mif(one, bits).decode()
    assert "0 : " + "1".rjust(-(-bits // 4), "0") + ";" in to_mif(one, bits).decode()
