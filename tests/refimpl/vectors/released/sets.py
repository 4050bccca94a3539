"""The released sets, written from Python, and their hashes."""

import json
from hashlib import sha256
from pathlib import Path

from refimpl.vectors.case import Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.manifest import ARITHMETIC_VERSION
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

OPERATORS = ("conv2d", "shift_product", "pssa", "xvolution", "xvolution_fused")
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
}


def hashes():
    """SHA-256 of every file of every released set but its manifest, as computed now."""
    about = About(command="released", tool_version="released")
    found = {}
    for name, make in SETS.items():
        cases, written = make()
        for path, content in set_files(cases, about=about, written=written):
            if path != "manifest.json":
                found[f"{name}/{path}"] = sha256(content).hexdigest()
    return found


def list_of(version=ARITHMETIC_VERSION):
    """Where the hashes of an arithmetic version are committed."""
    return Path(__file__).with_name(f"arithmetic-{version}.json")


def committed(version=ARITHMETIC_VERSION):
    """The committed hashes."""
    return json.loads(list_of(version).read_text())
