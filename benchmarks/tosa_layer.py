"""Seconds that TOSA's reference model takes for one convolution: a script for TOSA's environment.

``python tosa_layer.py FOLDER CHANNELS OUTPUTS SIDE KERNEL STRIDE ARITHMETIC``: writes the graph
with the serializer of TOSA's tools, runs the model once and prints the seconds. TOSA wants strides
that end at the edge, so rows and columns that no output reads are left out. It imports nothing of
ours, since that environment has a NumPy of its own.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np

with warnings.catch_warnings(action="ignore"):
    from serializer import tosa_serializer as writer
    from tosa.DType import DType
    from tosa.Op import Op

KINDS = {"int8": ("INT8", "INT32"), "bf16": ("BF16", "FP32"), "fp16": ("FP16", "FP32")}


def numbers(shape: list[int], arithmetic: str) -> np.ndarray:
    """Random numbers of a format, in the type that the serializer takes."""
    rng = np.random.default_rng(1)
    if arithmetic == "int8":
        return rng.integers(-127, 128, shape).astype(np.int8)
    plain = rng.standard_normal(shape).astype(np.float32)
    if arithmetic == "fp16":
        return plain.astype(np.float16)
    from ml_dtypes import bfloat16  # noqa: PLC0415 - only here

    return plain.astype(bfloat16)


def main(words: list[str]) -> float:
    """Write, run, time."""
    folder = Path(words[0])
    channels, outputs, side, kernel, stride = map(int, words[1:6])
    arithmetic, pad = words[6], kernel // 2
    side -= (side - 1 + 2 * pad - (kernel - 1)) % stride
    kind, sums = (getattr(DType, name) for name in KINDS[arithmetic])
    accumulated = sums
    result = sums if arithmetic == "int8" else kind
    graph = writer.TosaSerializer(str(folder))
    image = numbers([1, side, side, channels], arithmetic)
    x = graph.addPlaceholder(list(image.shape), kind, None)
    kernels = numbers([outputs, kernel, kernel, channels], arithmetic)
    bias = np.zeros(outputs, np.int32 if arithmetic == "int8" else kernels.dtype)
    w = graph.addConst(list(kernels.shape), kind, kernels, "w")
    b = graph.addConst([outputs], result, bias, "b")
    zeros = [graph.addConst([1], kind, np.zeros(1, image.dtype), f"zero{at}").name for at in "xw"]
    attribute = writer.TosaSerializerAttribute()
    attribute.Conv2dAttribute([pad] * 4, [stride] * 2, [1, 1], False, accumulated)
    after = (side - 1 + 2 * pad - (kernel - 1)) // stride + 1
    y = graph.addOutput([1, after, after, outputs], result)
    graph.addOperator(Op.CONV2D, [x.name, w.name, b.name, *zeros], [y.name], attribute)
    (folder / "test.tosa").write_bytes(bytes(graph.serialize()))
    np.save(folder / "x.npy", image)
    description = {
        "tosa_file": "test.tosa", "ifm_name": [x.name], "ifm_file": ["x.npy"],
        "ofm_name": [y.name], "ofm_file": ["y.npy"], "expected_failure": False,
        "expected_failure_desc": "",
        "profile": ["tosa-pro_int" if arithmetic == "int8" else "tosa-pro_fp"],
    }  # fmt: skip
    if arithmetic == "bf16":
        description["extension"] = ["bf16"]
    (folder / "desc.json").write_text(json.dumps(description), encoding="utf-8")
    tool = Path(sys.executable).parent / "tosa_reference_model"
    start = perf_counter()
    subprocess.run(  # noqa: S603 - TOSA's own tool
        [tool, "--test_desc=desc.json", *([] if arithmetic == "int8" else ["--tosa_level=NONE"])],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return perf_counter() - start


if __name__ == "__main__":
    print(main(sys.argv[1:]))  # noqa: T201 - the one line the benchmark reads
