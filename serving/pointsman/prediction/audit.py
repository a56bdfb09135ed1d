"""Read an ONNX file's wire format just far enough to refuse what a bundle must not hold, before any runtime parses it.

A graph may use the standard operators only, without loops, functions or custom domains, and holds all its weights
itself. The one branch it may have is `If`, by which a bundle chooses its depth. Field numbers are those of onnx.proto3.
"""

from collections.abc import Iterator
from typing import Final

from pointsman.errors import BundleError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE = (22, 23)
_MAX_DEPTH = 4
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14

_STANDARD_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})


def audit_graph(data: bytes, name: str = "graph.onnx") -> None:
    """Refuse a graph with external data, custom operators, functions or loops.

    Raises:
        BundleError: one of these, or bytes that aren't an ONNX model; the message names the operator or tensor.
    """
    fields = list(wire_fields(memoryview(data), name))
    graphs = [value for number, value in fields if number == _MODEL_GRAPH]
    if len(graphs) != 1:
        raise BundleError(f"{name} isn't an ONNX model: expected one graph, found {len(graphs)}.")
    if any(number == _MODEL_TRAINING for number, _ in fields):
        raise BundleError(f"{name} brings graphs for training, which a bundle must not.")
    if any(number == _MODEL_FUNCTIONS for number, _ in fields):
        raise BundleError(f"{name} defines functions of its own; a bundle may use standard operators only.")
    _audit_nodes(_message(graphs[0], name), name, depth=0)


def _audit_nodes(graph: memoryview, name: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BundleError(f"{name} nests branches more than {_MAX_DEPTH} deep.")
    for number, value in wire_fields(graph, name):
        if number == _GRAPH_NODE:
            _audit_node(_message(value, name), name, depth)
        elif number == _GRAPH_INITIALIZER:
            _audit_tensor(_message(value, name), name)
        elif number == _GRAPH_SPARSE_INITIALIZER:
            raise BundleError(f"{name} has sparse weights, which no bundle of this format has.")


def _audit_node(node: memoryview, name: str, depth: int) -> None:
    fields = list(wire_fields(node, name))
    operator, domain = (_text(fields, wanted, name) for wanted in (_NODE_OPERATOR, _NODE_DOMAIN))
    if domain not in _STANDARD_DOMAINS:
        raise BundleError(f"{name} uses the custom operator {domain}.{operator}; a bundle may use standard ones only.")
    for attribute in (_message(value, name) for number, value in fields if number == _NODE_ATTRIBUTE):
        for number, value in wire_fields(attribute, name):
            if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _audit_tensor(_message(value, name), name)
            elif number in _ATTRIBUTE_SPARSE:
                raise BundleError(f"{name} has sparse weights, which no bundle of this format has.")
            elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                if operator != "If":
                    raise BundleError(f"{name} has a {operator}; of all control flow a bundle may use If only.")
                _audit_nodes(_message(value, name), name, depth + 1)


def _text(fields: list[tuple[int, int | memoryview]], wanted: int, name: str) -> str:
    value = next((_message(value, name) for number, value in reversed(fields) if number == wanted), b"")
    return bytes(value).decode(errors="replace")


def _audit_tensor(tensor: memoryview, name: str) -> None:
    for number, value in wire_fields(tensor, name):
        if number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value != 0):
            raise BundleError(f"{name} keeps weights in external data; a bundle must hold them in the file itself.")


def _message(value: int | memoryview, name: str) -> memoryview:
    if isinstance(value, int):
        raise BundleError(f"{name} isn't an ONNX model: a number stands where a message was expected.")
    return value


def wire_fields(message: memoryview, name: str) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and value of each field of a protobuf message; fixed-width values come as their bytes.

    Raises:
        BundleError: the bytes aren't such a message; `name` is the file's.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position, name)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(message, position, name)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, position = _varint(message, position, name)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise BundleError(f"{name} isn't an ONNX model: wire type {wire} at byte {position}.")
        if length > end - position:
            raise BundleError(f"{name} is cut short: a field of {length} bytes starts {end - position} before the end.")
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int, name: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise BundleError(f"{name} is cut short inside a number.")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise BundleError(f"{name} isn't an ONNX model: a number of more than ten bytes.")
