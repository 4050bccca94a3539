"""ONNX files as graphs: shapes are inferred, the numbers of weights are never read.

Needs the ``onnx`` extra. Weights stay where they are, in the file or beside it: only sizes and the
few integers that shapes are made of are looked at, and external data is not opened.

A size without a number in the model's inputs must be the batch, the first of a tensor; any other
needs ``image`` (the last two of an input of four) or ``sizes`` (by its name in the model). Sizes
the file claims for tensors inside are not trusted: they are inferred again from the inputs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.checks import at_least
from hwsim.importers.graph import MOST_NODES, Graph, Node
from hwsim.importers.layers import network_of
from hwsim.io.onnx_shapes import inferred_shapes
from hwsim.io.onnx_wire import without_weights
from hwsim.networks import Network

if TYPE_CHECKING:
    import onnx


def read_onnx(
    path: str | Path,
    *,
    batch: int | None = None,
    image: tuple[int, int] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Network:
    """The network of an ONNX file; ``ValueError`` names the file, and the node or tensor."""
    try:
        import onnx  # noqa: F401, PLC0415 - an extra, and slow
    except ImportError as error:
        raise ValueError(
            f"ONNX file {path} must be read with the onnx package: pip install xvolution[onnx]"
        ) from error
    model = _parse(path)
    try:
        graph, images = _graph(model, Path(path), batch, image, dict(sizes or {}))
        return network_of(graph, batch=images)
    except ValueError as error:
        sentence = " ".join(str(error).split())  # names in a file may hold anything
        raise ValueError(f"in {path}, {sentence}") from error


def _parse(path: str | Path) -> "onnx.ModelProto":
    import onnx  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # noqa: PLC0415
    from onnx import inliner  # noqa: PLC0415

    model = onnx.ModelProto()
    try:
        model.ParseFromString(without_weights(path))
    except DecodeError as error:
        raise ValueError(f"ONNX file {path} must be an ONNX model: {error}") from error
    if not model.graph.node:
        raise ValueError(f"ONNX file {path} must hold a graph with nodes, which it does not")
    if len(model.graph.node) > MOST_NODES:
        raise ValueError(
            f"in {path}, nodes must be at most {MOST_NODES}, not {len(model.graph.node)}"
        )
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise ValueError(f"in {path}, names must be UTF-8, as one of its nodes or tensors has none")
    return inliner.inline_local_functions(model) if model.functions else model


def _texts(model: "onnx.ModelProto") -> Iterator[str | bytes]:
    """Names in a model; protobuf hands out bytes where one is no UTF-8."""
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (each.name for each in node.attribute)
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        yield tensor.name
        yield from (text for each in tensor.external_data for text in (each.key, each.value))
    yield from (each.domain for each in model.opset_import)


def _graph(
    model: "onnx.ModelProto",
    path: Path,
    batch: int | None,
    image: tuple[int, int] | None,
    sizes: dict[str, int],
) -> tuple[Graph, int]:
    """The graph and its number of images."""
    _check_external(model, path)
    constants = {each.name for each in model.graph.initializer}
    constants |= {each.values.name for each in model.graph.sparse_initializer}
    given = [each for each in model.graph.input if each.name not in constants]
    for each in given:
        _fix(each, batch, image, sizes)
    ordered = Graph(
        name=path.stem,
        nodes=tuple(_nodes(model.graph.node)),
        inputs=tuple(each.name for each in given),
        outputs=tuple(each.name for each in model.graph.output),
        constants=frozenset(constants),
        shapes={},
    )
    graph = replace(ordered, shapes=inferred_shapes(model))
    images = next((graph.shapes[n][0] for n in graph.inputs if graph.shapes.get(n)), 1)
    return graph, images


def _check_external(model: "onnx.ModelProto", path: Path) -> None:
    """Refuse weights that are said to lie outside the folder of the file."""
    folder = path.resolve().parent
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            place = Path(entry.value)
            if place.is_absolute() or not (folder / place).resolve().is_relative_to(folder):
                raise ValueError(
                    f"tensor {tensor.name} must have its data in the file's folder, not in "
                    f"{entry.value!r}"
                )


def _fix(
    value: "onnx.ValueInfoProto",
    batch: int | None,
    image: tuple[int, int] | None,
    sizes: Mapping[str, int],
) -> None:
    """Give an input's sizes the numbers asked for; ``ValueError`` if one stays open."""
    if not value.type.tensor_type.HasField("shape"):
        raise ValueError(f"input {value.name} must have a shape")
    dims = value.type.tensor_type.shape.dim
    asked: dict[int, int] = {}
    if image is not None and len(dims) == 4:
        asked = {2: image[0], 3: image[1]}
    for index, dim in enumerate(dims):
        is_open = not dim.HasField("dim_value") or dim.dim_value <= 0
        wanted = asked.get(index, sizes.get(dim.dim_param) if dim.dim_param else None)
        if index == 0 and (wanted is None):
            wanted = batch if batch is not None else (1 if is_open else None)
        if wanted is None and is_open:
            raise ValueError(_open(value.name, index, dim.dim_param, len(dims)))
        if wanted is not None:
            at_least(f"size {index + 1} of input {value.name}", wanted, 1)
            if not is_open and dim.dim_value != wanted:
                raise ValueError(
                    f"size {index + 1} of input {value.name} must be the {dim.dim_value} it was "
                    f"exported with, not {wanted}; export it dynamic to choose"
                )
            dim.dim_value = wanted


def _open(name: str, index: int, symbol: str, count: int) -> str:
    known = f"{symbol!r}" if symbol else "open"
    way = "--input HxW" if count == 4 and index > 1 else f"--size {symbol or 'NAME'}=NUMBER"
    return f"size {index + 1} of input {name} must be a number, not {known}; give {way}"


def _nodes(nodes: Iterable["onnx.NodeProto"]) -> Iterable[Node]:
    import onnx  # noqa: PLC0415

    taken: set[str] = set()
    for index, node in enumerate(nodes):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken:
            name += f"_{index}"
        taken.add(name)
        yield Node(
            name=name,
            operator=node.op_type,
            domain=node.domain,
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            attributes={each.name: _attribute(onnx, each) for each in node.attribute},
        )


def _attribute(onnx: Any, attribute: "onnx.AttributeProto") -> Any:
    """Numbers, texts and lists of them; a tensor or a graph is only said to be one."""
    kinds = onnx.AttributeProto
    if attribute.type in {kinds.TENSOR, kinds.GRAPH, kinds.SPARSE_TENSOR, kinds.TYPE_PROTO}:
        return attribute.name
    try:
        value = onnx.helper.get_attribute_value(attribute)
    except ValueError as error:
        raise ValueError(f"attribute {attribute.name} must have a value: {error}") from error
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return tuple(value) if isinstance(value, list) else value
