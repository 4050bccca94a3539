"""The released sets, written from Python, and their hashes."""

import json
from functools import partial
from hashlib import sha256
from pathlib import Path

from refimpl.cli.sources import layer_cases
from refimpl.score.select import default_cases
from refimpl.vectors.case import Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.manifest import ARITHMETIC_VERSION
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

OPERATORS = ("conv2d", "shift_product", "pssa", "xvolution", "xvolution_fused")
OTHERS = (
    "batch_norm",
    "global_attention",
    "local_attention",
    "conv2d_backward",
    "pssa_backward",
    "xvolution_backward",
    "xvolution_training",
)
GROUPED = ("conv2d", "pssa", "xvolution", "conv2d_backward")
BOTH = ("int8", "fp32")
SMALL = Sizes(batch=1, channels=3, outputs=2, height=5, width=4)
SETS = {
    "random": lambda: (random_cases(OPERATORS, SMALL, Choices(arithmetics=BOTH)), Written()),
    "blocked": lambda: (
        random_cases(
            ("conv2d", "pssa"),
            Sizes(batch=1, channels=5, outputs=3, height=5, width=4, stride=2),
            Choices(arithmetics=BOTH, rounding="half_even", order="uvc", bias_at="first"),
        ),
        Written(layout="nc1hwc0", lanes=2),
    ),
    "chain": lambda: (
        chained_cases(("conv2d", "pssa"), SMALL, Choices(arithmetics=("int8",))),
        Written(layout="skew4", kinds=("npy", "hex", "coe", "mif", "h", "npz")),
    ),
    "others": lambda: (
        random_cases(OTHERS, SMALL, Choices(arithmetics=BOTH)),
        Written(kinds=("npy", "hex")),
    ),
    "widths": lambda: (
        random_cases(
            ("conv2d", "pssa", "global_attention", "pssa_backward"),
            SMALL,
            Choices(arithmetics=("int4", "int16", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2")),
        ),
        Written(kinds=("npy",)),
    ),
    "groups": lambda: (
        random_cases(
            GROUPED,
            Sizes(batch=1, channels=4, outputs=4, height=5, width=4, groups=2),
            Choices(arithmetics=BOTH, im2col="uvc", k_tile=7),
        ),
        Written(kinds=("npy", "hex")),
    ),
    "declared": lambda: (
        random_cases(
            ("global_attention", "xvolution_training"),
            SMALL,
            Choices(
                arithmetics=("int8",),
                rounding="float_even",
                declared={
                    "softmax": {"kind": "integer", "index_bits": 7},
                    "rsqrt": {"kind": "table", "index_bits": 6, "interpolation": "linear"},
                },
            ),
        ),
        Written(kinds=("npy",)),
    ),
    "wide": lambda: (
        random_cases(
            ("shift_product", "pssa"),
            SMALL,
            Choices(
                arithmetics=("int8", "int4"),
                rounding="tosa_double",
                declared={"product": "wide", "boundary": "zero"},
            ),
        ),
        Written(layout="nhwc", lanes=2, kinds=("npy", "bin", "hex")),
    ),
    "network": lambda: (
        layer_cases(
            ["conv1", "conv2_1.conv1"],
            Choices(arithmetics=BOTH),
            network="trained",
            stage="none",
            image="chelsea",
            seed="0",
            side=None,
            crop=4,
        )[0],
        Written(kinds=("npy",)),
    ),
    "designed": lambda: (
        default_cases(["conv2d.int8", "shift_product.int8", "global_attention.int8"]),
        Written(kinds=("npy",)),
    ),
    "sequence": lambda: (
        random_cases(("conv2d", "pssa"), SMALL, Choices(arithmetics=("int8",))),
        Written(kinds=("npy", "bin")),
    ),
}
SEQUENCED = ("sequence",)


def hashes():
    """SHA-256 of every file of every released set but its manifest, as computed now."""
    about = About(command="released", tool_version="released")
    found = {}
    for name, make in SETS.items():
        cases, written = make()
        sequencer = partial(run_in_one_memory, plan=Plan()) if name in SEQUENCED else None
        for path, content in set_files(cases, about=about, written=written, sequencer=sequencer):
            if path != "manifest.json":
                found[f"{name}/{path}"] = sha256(content).hexdigest()
    return found


def extended(then, now):
    """The hashes of then with those of paths that are new; a changed or missing path is refused."""
    differing = [path for path in sorted(then) if now.get(path) != then[path]]
    if differing:
        raise ValueError(f"{len(differing)} of its paths have other bytes, first {differing[0]}")
    return now | then


def list_of(version=ARITHMETIC_VERSION):
    """Where the hashes of an arithmetic version are committed."""
    return Path(__file__).with_name(f"arithmetic-{version}.json")


def committed(version=ARITHMETIC_VERSION):
    """The committed hashes."""
    return json.loads(list_of(version).read_text())
