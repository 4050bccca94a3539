"""Networks as lists of layers in TOML files."""

import pytest

from hwsim import (
    Convolution,
    Copy,
    Elementwise,
    Pooling,
    Softmax,
    estimate,
    find_network,
    matrix_product,
    preset,
)

TEXT = """name = "mine"

[[layers]]
name = "conv1"
in_channels = 3
height = 32
width = 32
out_channels = 16
kernel_h = 3
kernel_w = 3
padding = 1
relu = true

[[layers]]
name = "pool"
kind = "pooling"
operation = "maximum"
inputs = 16_384
outputs = 4_096
window = 4

[[layers]]
name = "sum"
kind = "elementwise"
operation = "add"
elements = 4_096
inputs = 2

[[layers]]
name = "scores"
kind = "matrix product"
m = 256
n = 256
k = 16
count = 2

[[layers]]
name = "normal"
kind = "softmax"
rows = 512
cols = 256

[[layers]]
name = "turned"
kind = "copy"
read_elements = 100
write_elements = 100

[[layers]]
name = "fc"
kind = "matrix product"
m = 1
n = 10
k = 4_096
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "net.toml"
        path.write_text(text)
        return str(path)

    return write


def test_every_kind_of_layer_is_read_and_sizes_are_those_of_one_image(written):
    net = find_network(written(TEXT), batch=3)
    conv = Convolution(
        batch=3, in_channels=3, height=32, width=32, out_channels=16, kernel_h=3, kernel_w=3,
        padding=1,
    )  # fmt: skip
    assert [layer.primitives for layer in net.layers] == [
        (conv, Elementwise(kind="relu", elements=conv.out_elements, fused=True)),
        (Pooling(kind="maximum", inputs=3 * 16_384, outputs=3 * 4_096, window=4),),
        (Elementwise(kind="add", elements=3 * 4_096, inputs=2),),
        (matrix_product(256, 256, 16, count=6),),
        (Softmax(rows=3 * 512, cols=256),),
        (Copy(read_elements=300, write_elements=300),),
        (matrix_product(3, 10, 4_096),),
    ]
    found = estimate(net, preset("tpu-v1")).coverage
    assert found.sentence == (
        "costed 6 of 7 nodes, 100.0% of the MACs; not executable: "
        "1 x normal: tpu-v1 does not execute softmax"
    )


def test_a_layer_may_take_another_form(written):
    text = TEXT.replace("relu = true", 'relu = true\nform = "xvolution-fused"', 1)
    plain, fused = (find_network(written(each)) for each in (TEXT, text))
    assert fused.layers[0].macs == 5 * plain.layers[0].macs


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[[layers]]", "[layers]", "there must be layers, each a table [[layers]]"),
        ('name = "mine"', 'nam = "mine"', "key nam must be one of name, layers, not 'nam'"),
        ('name = "mine"', "name = 3", "name must be a text, not 3"),
        ("height = 32", "height = '32'", "layer conv1: height must be an integer of at least 1, n"),
        ("height = 32", "height = true", "layer conv1: height must be an integer of at least 1, n"),
        ("height = 32", "hight = 32", "layer conv1: key hight must be one of in_channels, height,"),
        ("height = 32\n", "", "layer conv1: there must be a key height"),
        ("kernel_h = 3", "kernel_h = 99", "layer conv1: kernel 99x3 must fit in the padded image"),
        ("relu = true", "relu = 1", "layer conv1: relu must be true or false, not 1"),
        ('kind = "pooling"', 'kind = "poling"', "layer pool: kind must be one of convolution, mat"),
        ('operation = "add"', 'operation = "power"', "layer sum: elementwise kind must be one of "),
        ('operation = "add"', "", "layer sum: operation must be a text, not None"),
        ('name = "pool"', 'name = "conv1"', "names of layers must differ, not be 'conv1' 2 times"),
        (
            "rows = 512",
            "rows = 99999999999",
            "layer normal: rows must be at most 2147483647",
        ),
    ],
)
def test_a_wrong_list_is_told_by_file_layer_and_key(written, old, new, sentence):
    assert old in TEXT
    count = -1 if old == "[[layers]]" else 1
    text = TEXT.replace(old, new, count) if count == 1 else 'name = "x"\nlayers = 3\n'
    with pytest.raises(ValueError, match=r"^in .*net\.toml, ") as error:
        find_network(written(text))
    assert f", {sentence}" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_toml_is_refused(written):
    with pytest.raises(ValueError, match=r"net\.toml must be TOML: "):
        find_network(written("layers = = 3"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stage": "conv2_x"}, "must come without stage, which only a built-in network has"),
        ({"image": (8, 8)}, "must come without input, which only an ONNX file or a built-in netw"),
        ({"sizes": {"n": 3}}, "must come without sizes, which only an ONNX file or a built-in ne"),
    ],
)
def test_an_option_that_a_file_does_not_have_is_refused(written, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        find_network(written(TEXT), **options)
