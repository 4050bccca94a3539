"""One convolution as an int8 TFLite file: what Vela reads. Runs in Vela's environment.

``python vela_layer.py FILE in_channels out_channels height width kernel stride``, padded so that a
stride of one keeps the size. Weights are bytes of SHAKE-256, so they hardly compress.
"""

import hashlib
import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ethosu.vela.tflite import (
    Buffer,
    Conv2DOptions,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
)
from ethosu.vela.tflite.BuiltinOperator import BuiltinOperator
from ethosu.vela.tflite.BuiltinOptions import BuiltinOptions
from ethosu.vela.tflite.Padding import Padding
from ethosu.vela.tflite.TensorType import TensorType

SCHEMA, OPERATOR_VERSION = 3, 3
NONE, WEIGHTS, BIAS = 0, 1, 2  # buffers, by place


def model(in_channels, out_channels, height, width, kernel, stride):
    """The file's bytes: input, weights, bias and output, and one operator between them."""
    builder = flatbuffers.Builder(1 << 16)
    taps = out_channels * kernel * kernel * in_channels
    weights = hashlib.shake_256(b"weights").digest(taps).replace(b"\x80", b"\x00")
    buffers = [
        _table(builder, Buffer, Data=_bytes(builder, data))
        for data in (b"", weights, bytes(4 * out_channels))
    ]
    out = (1, -(-height // stride), -(-width // stride), out_channels)
    filters = (out_channels, kernel, kernel, in_channels)
    image = (1, height, width, in_channels)
    tensors = [
        _tensor(builder, "input", image, TensorType.INT8, NONE, 2**-4),
        _tensor(builder, "weights", filters, TensorType.INT8, WEIGHTS, 2**-6),
        _tensor(builder, "bias", (out_channels,), TensorType.INT32, BIAS, 2**-10),
        _tensor(builder, "output", out, TensorType.INT8, NONE, 1.0),
    ]
    options = _table(builder, Conv2DOptions, Padding=Padding.SAME, StrideW=stride, StrideH=stride)
    operator = _table(
        builder,
        Operator,
        OpcodeIndex=0,
        Inputs=_integers(builder, [0, 1, 2]),
        Outputs=_integers(builder, [3]),
        BuiltinOptionsType=BuiltinOptions.Conv2DOptions,
        BuiltinOptions=options,
    )
    graph = _table(
        builder,
        SubGraph,
        Tensors=_offsets(builder, tensors),
        Inputs=_integers(builder, [0]),
        Outputs=_integers(builder, [3]),
        Operators=_offsets(builder, [operator]),
    )
    code = _table(
        builder,
        OperatorCode,
        DeprecatedBuiltinCode=BuiltinOperator.CONV_2D,
        BuiltinCode=BuiltinOperator.CONV_2D,
        Version=OPERATOR_VERSION,
    )
    whole = _table(
        builder,
        Model,
        Version=SCHEMA,
        OperatorCodes=_offsets(builder, [code]),
        Subgraphs=_offsets(builder, [graph]),
        Buffers=_offsets(builder, buffers),
    )
    builder.Finish(whole, b"TFL3")
    return bytes(builder.Output())


def _tensor(builder, name, shape, kind, buffer, scale):
    quantised = _table(
        builder,
        QuantizationParameters,
        Scale=builder.CreateNumpyVector(np.array([scale], np.float32)),
        ZeroPoint=builder.CreateNumpyVector(np.array([0], np.int64)),
    )
    return _table(
        builder,
        Tensor,
        Name=builder.CreateString(name),
        Shape=_integers(builder, shape),
        Type=kind,
        Buffer=buffer,
        Quantization=quantised,
    )


def _table(builder, module, **fields):
    """A table of the schema; what its fields refer to is written before."""
    module.Start(builder)
    for name, value in fields.items():
        if value is not None:
            getattr(module, f"Add{name}")(builder, value)
    return module.End(builder)


def _bytes(builder, data):
    return builder.CreateByteVector(data) if data else None


def _integers(builder, values):
    return builder.CreateNumpyVector(np.array(values, np.int32))


def _offsets(builder, tables):
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(model(*map(int, sys.argv[2:])))
