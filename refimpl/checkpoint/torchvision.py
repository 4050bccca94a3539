"""Keys of a torchvision ResNet as nodes of a network, as a mapping: X-volutions in it included.

    conv1.weight                       conv1/w
    bn1.running_var                    conv1.bn/bn.var
    layer2.0.conv2.weight              conv3_1.conv2/w
    layer2.0.bn2.weight                conv3_1.conv2.bn/bn.gamma
    layer2.0.conv2.bn_c.running_mean   conv3_1.conv2/bn_c.mean
    layer2.0.downsample.1.bias         conv3_1.downsample.bn/bn.beta
    fc.weight                          fc/w

Stage k of the article is conv k_x, torchvision's layer k − 1; blocks count from 1 instead of 0.

Source: torchvision, ``torchvision/models/resnet.py``, for the names of the modules.
"""

from refimpl.checkpoint.keys import ARRAY_NAMES, COUNTER, MEMBERS
from refimpl.checkpoint.mapping import KeyMap

_BLOCK, _HERE = "layer{i}.{j}", "conv{i+1}_{j+1}"


def _norm(theirs: str, ours: str) -> dict[str, str]:
    members = {f"{theirs}.{name}": f"{ours}/bn.{mine}" for mine, name in MEMBERS.items()}
    return members | {f"{theirs}.{COUNTER}": ""}


TORCHVISION = KeyMap(
    keys={
        "conv1.weight": "conv1/w",
        **_norm("bn1", "conv1.bn"),
        f"{_BLOCK}.conv{{k}}.weight": f"{_HERE}.conv{{k}}/w",
        **_norm(f"{_BLOCK}.bn{{k}}", f"{_HERE}.conv{{k}}.bn"),
        **{
            f"{_BLOCK}.conv{{k}}.{end}": f"{_HERE}.conv{{k}}/{array}"
            for end, array in ARRAY_NAMES.items()
        },
        f"{_BLOCK}.conv{{k}}.bn_{{of}}.{COUNTER}": "",
        f"{_BLOCK}.downsample.0.weight": f"{_HERE}.downsample/w",
        **_norm(f"{_BLOCK}.downsample.1", f"{_HERE}.downsample.bn"),
        "fc.weight": "fc/w",
        "fc.bias": "fc/b",
    }
)
"""From torchvision's keys to "node/array"."""
