import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pointsman.errors import BundleError
from pointsman.prediction.audit import audit_graph

FLOAT = TensorProto.FLOAT
WEIGHTS = np.arange(1, 5, dtype=np.float32)


def info(name, kind=FLOAT, shape=(4,)):
    return helper.make_tensor_value_info(name, kind, list(shape))


def model_of(*nodes, initializers=(), domains=(), functions=(), sparse=()):
    graph = helper.make_graph(nodes, "g", [info("x"), info("is_deep", TensorProto.BOOL, ())], [info("y")], initializers)
    graph.sparse_initializer.extend(sparse)
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, ir_version=9, opset_imports=opsets, functions=functions)


def audited(model):
    audit_graph(model.SerializeToString())


def refusal_of(model):
    with pytest.raises(BundleError) as refusal:
        audited(model)
    return refusal.value.message


def if_with(*nodes):
    """Return an If whose taken branch holds these nodes, the last of which gives `out`."""
    then = helper.make_graph(nodes, "then", [], [info("out")])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["out2"])], "else", [], [info("out2")])
    return helper.make_node("If", ["is_deep"], ["y"], then_branch=then, else_branch=other)


def external(name="w"):
    tensor = numpy_helper.from_array(WEIGHTS, name)
    onnx.external_data_helper.set_external_data(tensor, location="/etc/passwd")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def body_of_scan():
    nodes = [helper.make_node("Identity", ["a"], ["b"])]
    return helper.make_graph(nodes, "body", [info("a", shape=())], [info("b", shape=())])


def body_of_loop():
    nodes = [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["v"], ["w"])]
    ends = [info("i", TensorProto.INT64, ()), info("c", TensorProto.BOOL, ()), info("v")]
    return helper.make_graph(nodes, "body", ends, [info("d", TensorProto.BOOL, ()), info("w")])


IDENTITY = helper.make_node("Identity", ["x"], ["y"])
CUSTOM = helper.make_node("Evil", ["x"], ["out"], domain="com.evil")


def test_the_real_graph_passes(real):
    audit_graph(real.graph)


def test_a_standard_graph_with_its_weights_inside_passes():
    model = model_of(helper.make_node("Add", ["x", "w"], ["y"]), initializers=[numpy_helper.from_array(WEIGHTS, "w")])
    onnx.checker.check_model(model)
    audited(model)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml"])
def test_a_standard_domain_passes(domain):
    audited(model_of(helper.make_node("Scaler", ["x"], ["y"], domain=domain), domains=["ai.onnx.ml"]))


@pytest.mark.parametrize("domain", ["com.evil", "com.microsoft", "AI.ONNX", "ai.onnx ", "ai.onnx.training", "é\ufffd"])
def test_a_custom_domain_is_refused_by_the_name_of_its_operator(domain):
    node = helper.make_node("Run", ["x"], ["y"], domain=domain)
    assert refusal_of(model_of(node, domains=[domain])) == (
        f"graph.onnx uses the custom operator {domain}.Run; a bundle may use standard ones only."
    )


def test_an_if_passes_and_runs():
    model = model_of(if_with(helper.make_node("Neg", ["x"], ["out"])))
    onnx.checker.check_model(model)
    audited(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": WEIGHTS, "is_deep": np.array(True)})[0].tolist() == [-1, -2, -3, -4]


def test_a_custom_operator_in_a_branch_is_refused():
    assert "custom operator com.evil.Evil" in refusal_of(model_of(if_with(CUSTOM), domains=["com.evil"]))


def test_a_custom_operator_in_a_branch_of_a_branch_is_refused():
    inner = helper.make_node("If", ["is_deep"], ["out"], **{name.name: name.g for name in if_with(CUSTOM).attribute})
    assert "custom operator com.evil.Evil" in refusal_of(model_of(if_with(inner), domains=["com.evil"]))


def test_external_weights_in_a_branch_are_refused():
    constant = helper.make_node("Constant", [], ["out"], value=external())
    assert "keeps weights in external data" in refusal_of(model_of(if_with(constant)))


def test_branches_nested_without_end_are_refused():
    node = helper.make_node("Identity", ["x"], ["out"])
    for _ in range(6):
        node = helper.make_node("If", ["is_deep"], ["out"], **{a.name: a.g for a in if_with(node).attribute})
    assert refusal_of(model_of(if_with(node))) == "graph.onnx nests branches more than 4 deep."


LOOPS = {
    "Loop": lambda: helper.make_node("Loop", ["", "is_deep", "x"], ["y"], body=body_of_loop()),
    "Scan": lambda: helper.make_node("Scan", ["x"], ["y"], body=body_of_scan(), num_scan_inputs=1),
    "SequenceMap": lambda: helper.make_node("SequenceMap", ["x"], ["y"], body=body_of_scan()),
}


@pytest.mark.parametrize("operator", LOOPS)
@pytest.mark.parametrize("is_nested", [False, True], ids=["top", "in-a-branch"])
def test_a_loop_is_refused_by_name(operator, is_nested):
    node = LOOPS[operator]()
    if is_nested:
        node.output[0] = "out"
        node = if_with(node)
    assert refusal_of(model_of(node)) == (f"graph.onnx has a {operator}; of all control flow a bundle may use If only.")


def test_graphs_in_a_list_are_refused_too():
    node = helper.make_node("Odd", ["x"], ["y"], bodies=[body_of_scan(), body_of_scan()])
    assert refusal_of(model_of(node)) == "graph.onnx has a Odd; of all control flow a bundle may use If only."


def test_a_function_is_refused():
    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], [])
    model = model_of(helper.make_node("F", ["x"], ["y"], domain="own"), domains=["own"], functions=[function])
    assert refusal_of(model) == "graph.onnx defines functions of its own; a bundle may use standard operators only."


def test_external_weights_are_refused():
    model = model_of(helper.make_node("Add", ["x", "w"], ["y"]), initializers=[external()])
    assert refusal_of(model) == (
        "graph.onnx keeps weights in external data; a bundle must hold them in the file itself."
    )


@pytest.mark.parametrize("field", ["location-only", "place-only"])
def test_half_a_mark_of_external_weights_is_enough(field):
    tensor = external()
    tensor.ClearField("data_location" if field == "place-only" else "external_data")
    assert "external data" in refusal_of(model_of(IDENTITY, initializers=[tensor]))


@pytest.mark.parametrize("kind", ["tensor", "tensors"])
def test_external_weights_of_a_constant_are_refused(kind):
    value = external() if kind == "tensor" else [external("a"), external("b")]
    assert "external data" in refusal_of(model_of(helper.make_node("Constant", [], ["y"], value=value)))


def sparse_tensor(values):
    return helper.make_sparse_tensor(values, numpy_helper.from_array(np.arange(4), "at"), [8])


def test_sparse_weights_are_refused():
    sparse = sparse_tensor(numpy_helper.from_array(WEIGHTS, "w"))
    assert refusal_of(model_of(IDENTITY, sparse=[sparse])) == (
        "graph.onnx has sparse weights, which no bundle of this format has."
    )


@pytest.mark.parametrize("field", ["sparse_tensor", "sparse_tensors"])
def test_sparse_weights_of_a_constant_are_refused(field):
    node = helper.make_node("Constant", [], ["y"])
    attribute = node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
    place = attribute.sparse_tensor if field == "sparse_tensor" else attribute.sparse_tensors.add()
    place.CopyFrom(sparse_tensor(external()))
    assert "graph.onnx" in refusal_of(model_of(node))


def test_graphs_for_training_are_refused():
    model = model_of(IDENTITY)
    model.training_info.add().algorithm.CopyFrom(helper.make_graph([CUSTOM], "t", [info("x")], [info("out")]))
    assert "graph.onnx" in refusal_of(model)


def field_of(number, data):
    """Return the wire format of one field of bytes."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (field_of(4, b"A") + field_of(7, b"") + field_of(7, b"com.evil"), "custom operator com.evil.A"),
        (field_of(4, b"If") + field_of(4, b"Loop") + field_of(5, field_of(6, b"")), "has a Loop"),
        (field_of(5, field_of(6, b"")) + field_of(4, b"If") + field_of(4, b"Scan"), "has a Scan"),
    ],
    ids=["domain", "operator", "operator-last"],
)
def test_a_field_given_twice_counts_as_the_runtime_counts_it_which_is_the_last(node, words):
    data = field_of(7, field_of(1, node))
    parsed = onnx.ModelProto.FromString(data).graph.node[0]
    assert (parsed.domain or parsed.op_type) in words
    with pytest.raises(BundleError, match=words):
        audit_graph(data)


def test_a_second_graph_is_refused():
    data = model_of(IDENTITY).SerializeToString()
    with pytest.raises(BundleError, match=r"^graph\.onnx isn't an ONNX model: expected one graph, found 2\.$"):
        audit_graph(data + data)


@pytest.mark.parametrize("data", [b"", b"\x08\x09", field_of(1, b"x")], ids=["empty", "number", "other-field"])
def test_bytes_without_a_graph_are_refused(data):
    with pytest.raises(BundleError, match=r"^graph\.onnx isn't an ONNX model: expected one graph, found 0\.$"):
        audit_graph(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x3a\x05ab", "is cut short: a field of 5 bytes starts 2 before the end"),
        (b"\x3a", "is cut short inside a number"),
        (b"\x80", "is cut short inside a number"),
        (b"\x08" + b"\xff" * 11, "a number of more than ten bytes"),
        (b"\x3b\x3c", "wire type 3"),
        (b"\x3f", "wire type 7"),
        (b"\x0d\x00\x00", "is cut short: a field of 4 bytes"),
        (b"\x09\x00\x00", "is cut short: a field of 8 bytes"),
        (b"\x38\x01", "a number stands where a message was expected"),
        (b"\x3a\x02\x08\x01", "a number stands where a message was expected"),
        (b"<html>not found</html>", "isn't an ONNX model"),
    ],
)
def test_malformed_bytes_are_refused_with_their_fault(data, words):
    with pytest.raises(BundleError, match=words):
        audit_graph(data)


def test_every_truncation_of_a_graph_is_refused():
    weights = numpy_helper.from_array(WEIGHTS, "w")
    graph = model_of(if_with(helper.make_node("Add", ["x", "w"], ["out"])), initializers=[weights]).graph
    data = onnx.ModelProto(graph=graph).SerializeToString()
    audit_graph(data)
    for length in range(len(data)):
        with pytest.raises(BundleError):
            audit_graph(data[:length])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncation_of_the_real_graph_is_refused(real, share):
    with pytest.raises(BundleError):
        audit_graph(real.graph[: int(len(real.graph) * share)])


@given(st.binary(max_size=2_000))
@example(field_of(7, field_of(1, field_of(5, field_of(6, field_of(1, b""))))))
def test_arbitrary_bytes_pass_or_are_refused_and_nothing_else(data):
    try:
        audit_graph(data)
    except BundleError as refusal:
        assert refusal.message.startswith("graph.onnx ")


@given(st.data())
def test_a_graph_with_any_byte_changed_passes_or_is_refused_and_nothing_else(data):
    original = model_of(if_with(helper.make_node("Neg", ["x"], ["out"])), initializers=[external()]).SerializeToString()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = original[:at] + bytes([data.draw(st.integers(0, 255))]) + original[at + 1 :]
    try:
        audit_graph(changed)
    except BundleError as refusal:
        assert refusal.message.startswith("graph.onnx ")


@given(st.recursive(st.binary(max_size=8), lambda inner: st.builds(field_of, st.integers(1, 15), inner), max_leaves=30))
def test_messages_nested_at_will_pass_or_are_refused_and_nothing_else(data):
    try:
        audit_graph(data)
    except BundleError as refusal:
        assert refusal.message.startswith("graph.onnx ")


def test_the_file_name_of_the_caller_stands_in_the_message():
    with pytest.raises(BundleError, match=r"^other\.onnx isn't an ONNX model"):
        audit_graph(b"", "other.onnx")
