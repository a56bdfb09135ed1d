import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.http.bodies import InvalidJson
from pointsman.http.nesting import check_depth, depth_of

TEXTS = st.text(st.sampled_from('[]{}"\\,:ab\n\u2028é'), max_size=8)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=30,
)


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans())
def test_the_depth_of_any_json_is_counted_exactly(value, is_ascii):
    assert depth_of(json.dumps(value, ensure_ascii=is_ascii).encode()) == depth(value)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_depth(body):
    assert 0 <= depth_of(body) <= len(body)


@pytest.mark.parametrize("filling", [b"", b'"' + b'\\"[' * (3 << 19) + b'",', b"[]," * (1 << 19), b"[[]," * 5])
def test_the_depth_does_not_depend_on_where_a_body_is_cut(filling):
    body = b"[" + filling + b"[" * 70 + b"]" * 71
    expected = 71 + 5 * (filling == b"[[]," * 5)
    assert depth_of(body) == expected
    check_depth(body, expected)
    with pytest.raises(InvalidJson, match=f"nested more than {expected - 1} deep"):
        check_depth(body, expected - 1)


def test_brackets_within_texts_and_many_side_by_side_are_no_depth():
    check_depth(b'"' + b"[" * 1000 + b'"', 3)
    check_depth(b"[" + b"{}," * 1000 + b"{}]", 3)
