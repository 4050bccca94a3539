"""ONNX models for tests: built by hand, weights without numbers."""

from itertools import count

from onnx import TensorProto, helper


class Builder:
    """Nodes one after another; every method returns the name of what it wrote."""

    def __init__(self, name="net"):
        self.name, self.nodes, self.weights = name, [], []
        self.numbers = count()

    def weight(self, *shape, kind=TensorProto.FLOAT, values=None):
        name = f"w{next(self.numbers)}"
        if values is None:
            tensor = TensorProto(name=name, data_type=kind, dims=shape)
        else:
            tensor = helper.make_tensor(name, kind, shape, values)
        self.weights.append(tensor)
        return name

    def integers(self, *values):
        return self.weight(len(values), kind=TensorProto.INT64, values=values)

    def node(self, operator, *inputs, outputs=1, domain="", name=None, **attributes):
        number = next(self.numbers)
        written = [f"t{number}.{i}" for i in range(outputs)]
        made = helper.make_node(
            operator, inputs, written, name=name or f"{operator}{number}", domain=domain,
            **attributes,
        )  # fmt: skip
        self.nodes.append(made)
        return written[0] if outputs == 1 else written

    def conv(self, x, channels_in, channels_out, kernel, **attributes):
        group = attributes.get("group", 1)
        weights = self.weight(channels_out, channels_in // group, kernel, kernel)
        return self.node("Conv", x, weights, **attributes)

    def model(self, inputs, outputs):
        """A model from inputs {name: shape}, sizes as numbers or names, to outputs by name."""
        given = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        ]
        left = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, self.name, given, left, initializer=self.weights)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("custom", 1)]
        return helper.make_model(graph, opset_imports=opsets)


def resnet50():
    """ResNet-50, version 1.5, as frameworks export it before folding its normalisations."""
    net = Builder("resnet50")

    def normalised(x, channels_in, channels_out, kernel, stride=1):
        pads = [kernel // 2] * 4
        y = net.conv(x, channels_in, channels_out, kernel, strides=[stride] * 2, pads=pads)
        return net.node("BatchNormalization", y, *(net.weight(channels_out) for _ in range(4)))

    x = net.node("Relu", normalised("image", 3, 64, 7, 2))
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for index, (wide, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            stride = 2 if index and not block else 1
            y = net.node("Relu", normalised(x, channels, wide, 1))
            y = net.node("Relu", normalised(y, wide, wide, 3, stride))
            y = normalised(y, wide, 4 * wide, 1)
            if not block:
                x = normalised(x, channels, 4 * wide, 1, stride)
            x = net.node("Relu", net.node("Add", y, x))
            channels = 4 * wide
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    x = net.node("Gemm", x, net.weight(1000, 2048), net.weight(1000), transB=1)
    return net.model({"image": ["batch", 3, 224, 224]}, [x])


def detector():
    """A backbone, a pyramid, heads, and boxes chosen by the data."""
    net = Builder("detector")
    levels, x, channels = [], "image", 3
    for wide in (16, 32, 64):
        x = net.conv(x, channels, wide, 3, strides=[2, 2], pads=[1] * 4)
        x = net.node("Mul", x, net.node("Sigmoid", x))
        levels.append(net.conv(x, wide, 16, 1))
        channels = wide
    top = levels[-1]
    heads = []
    for level in reversed(levels[:-1]):
        up = net.node("Resize", top, "", net.weight(4, values=[1.0, 1.0, 2.0, 2.0]))
        top = net.node("Add", level, up)
        heads.append(net.conv(top, 16, 5, 3, pads=[1] * 4))
    flat = [net.node("Reshape", head, net.integers(0, 5, -1)) for head in heads]
    every = net.node("Concat", *flat, axis=2)
    boxes = net.node("Slice", every, net.integers(0), net.integers(4), net.integers(1))
    scores = net.node("Slice", every, net.integers(4), net.integers(5), net.integers(1))
    boxes = net.node("Transpose", boxes, perm=[0, 2, 1])
    chosen = net.node("NonMaxSuppression", boxes, scores, name="choose")
    kept = net.node("Gather", chosen, net.integers(0), axis=1, name="keep")
    return net.model({"image": [1, 3, "height", "width"]}, [kept])


def encoder(length="sequence"):
    """One layer of a transformer, four heads of eight, with the arithmetic that exporters leave."""
    net = Builder("encoder")
    shape = net.node("Shape", "x")
    images, tokens = (net.node("Gather", shape, net.integers(i), axis=0) for i in (0, 1))
    heads = net.node("Concat", images, tokens, net.integers(4), net.integers(8), axis=0)
    split = []
    for _ in range(3):
        y = net.node("Add", net.node("MatMul", "x", net.weight(32, 32)), net.weight(32))
        y = net.node("Reshape", y, heads)
        split.append(net.node("Transpose", y, perm=[0, 2, 1, 3]))
    query, key, value = split
    scores = net.node("MatMul", query, net.node("Transpose", key, perm=[0, 1, 3, 2]))
    scores = net.node("Div", scores, net.weight(values=[2.8]))
    y = net.node("MatMul", net.node("Softmax", scores, axis=-1), value)
    y = net.node("Transpose", y, perm=[0, 2, 1, 3])
    y = net.node("Reshape", y, net.node("Concat", images, tokens, net.integers(32), axis=0))
    y = net.node("Add", net.node("MatMul", y, net.weight(32, 32)), "x")
    y = net.node("LayerNormalization", y, net.weight(32), net.weight(32))
    z = net.node("MatMul", y, net.weight(32, 128))
    z = net.node("MatMul", net.node("Relu", z), net.weight(128, 32))
    out = net.node("Add", z, y)
    return net.model({"x": ["batch", length, 32]}, [out])
