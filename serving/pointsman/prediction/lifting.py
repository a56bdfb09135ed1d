"""One branch of a bundle's graph as a graph of its own, without the `If` that chooses.

A session on the whole graph would hold every weight of the branches twice: as the attributes of the `If`, and unpacked
(measured on the default bundle: 52 MB, where a session for each branch needs 40 together, and 29 with one token table).
The lifting works on the wire format, with nothing but nodes copied. Field numbers are those of onnx.proto3.
"""

import math
from collections.abc import Iterable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pointsman.errors import BundleError
from pointsman.prediction.audit import wire_fields
from pointsman.prediction.bundle import GRAPH

Tables = npt.NDArray[np.int8]
Branch = Literal["then_branch", "else_branch"]

_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER = 7, 1, 2, 5
_GRAPH_INPUT, _GRAPH_OUTPUT, _VALUE_NAME, _VALUE_TYPE = 11, 12, 1, 2
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_TENSOR_NAME, _ATTRIBUTE_NAME, _ATTRIBUTE_GRAPH = 8, 1, 6
_TENSOR_DIMENSION, _TENSOR_TYPE, _TENSOR_RAW, _INT8 = 1, 2, 9, 3
_LARGE_BYTES: Final = 1 << 20


def lifted(graph: bytes, branch: Branch, inputs: Iterable[str], output: bytes | None = None) -> bytes:
    """Return the model of these inputs whose only output is that of one branch, or `output`, a ValueInfoProto.

    Raises:
        BundleError: the graph has no such branch, or computes no such output.
    """
    model = list(wire_fields(memoryview(graph), GRAPH))
    main = _messages(_found((value for number, value in model if number == _MODEL_GRAPH), "graph"))
    nodes = [one for number, one in main if number == _GRAPH_NODE]
    choice = _found((one for one in nodes if _first(one, _NODE_OPERATOR) == b"If"), "If")
    inner = _messages(_branch(choice, branch))
    result = _found((one for number, one in inner if number == _GRAPH_OUTPUT), "output") if output is None else output
    steps = [one for one in nodes if one is not choice] + [one for number, one in inner if number == _GRAPH_NODE]
    kept = _needed(steps, _first(memoryview(result), _VALUE_NAME))
    used = {name for node in kept for name in _all(node, _NODE_INPUT)}
    wanted = {name.encode() for name in inputs}
    parts: list[tuple[int, memoryview | bytes]] = [(_GRAPH_NODE, node) for node in kept]
    parts.append((_GRAPH_NAME, branch.encode()))
    for number, one in (*main, *inner):
        is_weight = number == _GRAPH_INITIALIZER and _first(one, _TENSOR_NAME) in used
        if is_weight or (number == _GRAPH_INPUT and _first(one, _VALUE_NAME) in wanted):
            parts.append((number, one))
    parts.append((_GRAPH_OUTPUT, result))
    encoded = b"".join(_field(number, one) for number, one in parts)
    rest = [(number, value) for number, value in model if number != _MODEL_GRAPH]
    return b"".join(_field(number, value) for number, value in rest) + _field(_MODEL_GRAPH, encoded)


def shared_tables(graph: bytes) -> dict[str, Tables]:
    """Return the large int8 weights outside the branches by name: those that sessions of both branches have."""
    model = wire_fields(memoryview(graph), GRAPH)
    main = _messages(_found((value for number, value in model if number == _MODEL_GRAPH), "graph"))
    found = {}
    for number, tensor in main:
        if number == _GRAPH_INITIALIZER and len(tensor) >= _LARGE_BYTES:
            fields = list(wire_fields(tensor, GRAPH))
            shape = [value for field, value in fields if field == _TENSOR_DIMENSION and isinstance(value, int)]
            raw = _first(tensor, _TENSOR_RAW)
            if (_TENSOR_TYPE, _INT8) in fields and len(raw) == math.prod(shape) > 0:
                found[_first(tensor, _TENSOR_NAME).decode()] = np.frombuffer(raw, np.int8).reshape(shape)
    return found


def value_info(name: str, kind: bytes) -> bytes:
    """Return a ValueInfoProto of a value's name and TypeProto."""
    return _field(_VALUE_NAME, name.encode()) + _field(_VALUE_TYPE, kind)


def _needed(nodes: list[memoryview], output: bytes) -> list[memoryview]:
    """Return the nodes that an output needs, in their order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted & set(_all(node, _NODE_OUTPUT)):
            kept.append(node)
            wanted |= set(_all(node, _NODE_INPUT))
    if not kept:
        raise BundleError(f"{GRAPH} computes no {output.decode(errors='replace')}; train the bundle again.")
    return kept[::-1]


def _branch(choice: memoryview, branch: Branch) -> memoryview:
    attributes = (one for number, one in _messages(choice) if number == _NODE_ATTRIBUTE)
    found = _found((one for one in attributes if _first(one, _ATTRIBUTE_NAME) == branch.encode()), branch)
    return _found((one for number, one in _messages(found) if number == _ATTRIBUTE_GRAPH), branch)


def _found(values: Iterable[int | memoryview], what: str) -> memoryview:
    value = next(iter(values), None)
    if value is None or isinstance(value, int):
        raise BundleError(f"{GRAPH} has no {what}, which every bundle's graph has; train the bundle again.")
    return value


def _messages(message: memoryview) -> list[tuple[int, memoryview]]:
    return [(number, value) for number, value in wire_fields(message, GRAPH) if not isinstance(value, int)]


def _all(message: memoryview, wanted: int) -> list[bytes]:
    return [bytes(value) for number, value in _messages(message) if number == wanted]


def _first(message: memoryview, wanted: int) -> bytes:
    return next((bytes(value) for number, value in _messages(message) if number == wanted), b"")


def _field(number: int, value: int | bytes | memoryview) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return b"".join([_varint(number << 3 | 2), _varint(len(value)), value])


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
