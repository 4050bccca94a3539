"""Networks that PyTorch exports, read by hwsim: what they cost is what ours do."""

import warnings

import pytest

import hwsim

torch = pytest.importorskip("torch", reason="make test-oracles installs PyTorch")
from torch import nn  # noqa: E402 - it needs PyTorch


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions beside the identity or a projection."""

    def __init__(self, channels, wide, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, stride, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, 4 * wide, 1, bias=False),
            nn.BatchNorm2d(4 * wide),
        )
        changes = stride != 1 or channels != 4 * wide
        projection = nn.Conv2d(channels, 4 * wide, 1, stride, bias=False)
        self.other = nn.Sequential(projection, nn.BatchNorm2d(4 * wide)) if changes else None

    def forward(self, x):
        return torch.relu(self.body(x) + (x if self.other is None else self.other(x)))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for index, (wide, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            layers.append(Bottleneck(channels, wide, 2 if index and not block else 1))
            channels = 4 * wide
    ends = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))
    return nn.Sequential(*layers, *ends).eval()


def exported(module, example, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(module, (example,), str(path), dynamo=False, **options)
    return str(path)


@pytest.mark.parametrize("folded", [True, False])
def test_an_exported_resnet50_costs_what_the_built_in_one_does(tmp_path, folded):
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    path = exported(
        resnet50(),
        torch.zeros(1, 3, 224, 224),
        tmp_path / "resnet50.onnx",
        input_names=["image"],
        dynamic_axes={"image": {0: "batch"}},
        training=mode,
        do_constant_folding=folded,
    )
    unit = hwsim.preset("tpu-v1")
    read, ours = hwsim.find_network(path, batch=4), hwsim.network("resnet50", batch=4)
    assert len(read.layers) == len(ours.layers)
    assert hwsim.estimate(read, unit).cost == hwsim.estimate(ours, unit).cost
    assert hwsim.estimate(read, unit).coverage.is_complete


def test_an_exported_transformer_encoder_is_costed_and_its_softmax_named(tmp_path):
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    path = exported(
        module,
        torch.zeros(1, 24, 64),
        tmp_path / "encoder.onnx",
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
    )
    read = hwsim.find_network(path, batch=3)
    rows, length, wide = 3 * 24, 24, 64
    per_layer = rows * wide * (4 * wide + 2 * 256) + 2 * 3 * length * length * wide
    assert read.macs == 2 * per_layer
    missing = hwsim.estimate(read, hwsim.preset("tpu-v1")).coverage.not_executable
    assert any("Softmax" in each for each in missing)
    full = hwsim.with_vector_unit(hwsim.preset("tpu-v1"), 64)
    assert hwsim.estimate(read, full).coverage.is_complete
