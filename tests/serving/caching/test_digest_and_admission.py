"""Which requests are the same, and which may be cached at all."""

import msgspec
import pytest
from cachedchats import GOOD, chat
from hypothesis import given
from hypothesis import strategies as st

from pointsman.caching.admission import MAX_BODY_BYTES, CacheControl, cache_control, may_cache, may_keep
from pointsman.caching.digest import question_of, request_digest, seed_place, seed_question
from pointsman.chat import Reply
from pointsman.settings import CacheSettings

ON = CacheSettings(enabled=True)


@pytest.mark.parametrize(
    "field",
    [
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"user": "ann"},
        {"metadata": {"trace": "7"}},
        {"seed": None},
        {"service_tier": "flex"},
    ],
)
def test_what_changes_no_answer_changes_no_digest(field):
    assert request_digest(chat(body=field)) == request_digest(chat())


@pytest.mark.parametrize(
    "field",
    [
        {"temperature": 0.2},
        {"seed": 7},
        {"stop": ["\n"]},
        {"max_tokens": 50},
        {"top_p": 0.5},
        {"model": "gpt-4o"},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"a_field_of_next_year": 1},
    ],
)
def test_whatever_else_stands_in_a_request_changes_its_digest_and_its_place(field):
    assert request_digest(chat(body=field)) != request_digest(chat())
    assert question_of(chat(body=field)).place != question_of(chat()).place


def test_protocol_and_routing_constraints_change_the_digest():
    digests = {request_digest(chat()), request_digest(chat(protocol="anthropic")), request_digest(chat(), "eu-only")}
    assert len(digests) == 3


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_the_order_of_fields_changes_no_digest(fields):
    backwards = dict(reversed(list(fields.items())))
    assert request_digest(chat(body={"x": fields})) == request_digest(chat(body={"x": backwards}))


def test_only_the_last_turn_of_a_user_is_a_question_and_everything_before_it_is_its_place():
    alone, again = question_of(chat("And in Peru?")), question_of(chat("And in Chile?"))
    told = question_of(chat("And in Peru?", earlier=[("user", "What is the VAT in Spain?"), ("assistant", "21 %.")]))
    other = question_of(chat("And in Peru?", earlier=[("user", "Who rules Spain?"), ("assistant", "A king.")]))
    ruled = question_of(chat("And in Peru?", system="Answer in French."))
    assert alone.text == told.text == "And in Peru?"
    assert alone.place == again.place
    assert len({alone.place, told.place, other.place, ruled.place}) == 4


def test_parts_of_plain_text_are_a_question_and_other_parts_are_not():
    def asked(*parts):
        return question_of(chat(body={"messages": [{"role": "user", "content": list(parts)}]}))

    assert asked({"type": "text", "text": "a"}, {"type": "text", "text": "b"}).text == "a\nb"
    assert asked({"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {}}) is None
    assert question_of(chat(body={"messages": [{"role": "assistant", "content": "Sure: "}]})) is None
    assert question_of(chat(body={"messages": "nonsense"})) is None
    assert question_of(chat("  ")) is None


def test_a_seed_lies_in_the_place_of_first_questions_whatever_their_parameters():
    place = seed_question("openai", "auto", "Be kind.", "x").place
    assert seed_place(chat(system="Be kind.", body={"max_tokens": 9})) == place
    assert seed_place(chat()) != place
    assert seed_place(chat(earlier=[("user", "a"), ("assistant", "b")])) is None
    assert seed_place(chat(wants_json=True)) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 0.3}, True),
        ({"temperature": 0.31}, False),
        ({"answers": 2}, False),
        ({"has_tools": True}, False),
        ({"body": {"web_search_options": {}}}, False),
    ],
)
def test_what_may_be_cached(fields, expected):
    assert may_cache(chat(**fields), ON) is expected


def test_images_are_never_cached_and_tools_only_where_asked_for():
    seen = chat()
    seen = msgspec.structs.replace(seen, turns=(msgspec.structs.replace(seen.turns[0], images=1),))
    assert not may_cache(seen, ON)
    assert may_cache(chat(has_tools=True), CacheSettings(enabled=True, with_tools=True))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (GOOD, True),
        (Reply("", "stop", 0, None), False),
        (Reply("I can't help with that.", "refusal", 0, None), False),
        (Reply("Once upon", "length", 0, None), False),
        (Reply("x", "content_filter", 0, None), False),
        (Reply("x", "unknown", 0, None), False),
        (Reply("", "tool_calls", 1, None), False),
    ],
)
def test_only_complete_good_answers_are_kept(reply, expected):
    assert may_keep(chat(), reply, b"{}") is expected


def test_broken_json_long_bodies_and_calls_of_tools_nobody_offered_are_not_kept():
    assert may_keep(chat(wants_json=True), Reply('{"a": 1}', "stop", 0, None), b"{}")
    assert not may_keep(chat(wants_json=True), Reply('{"a": ', "stop", 0, None), b"{}")
    assert not may_keep(chat(), GOOD, bytes(MAX_BODY_BYTES + 1))
    assert may_keep(chat(has_tools=True), Reply("", "tool_calls", 1, None), b"{}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, CacheControl()),
        ("", CacheControl()),
        ("private, unheard-of=3", CacheControl()),
        ("no-store", CacheControl(may_read=False, may_store=False)),
        ("No-Cache", CacheControl(may_read=False)),
        ("max-age=60", CacheControl(max_age_s=60.0)),
        ('max-age="60"', CacheControl(max_age_s=60.0)),
        ("max-age=soon", CacheControl(max_age_s=0.0)),
        ("only-if-cached, max-age=5", CacheControl(max_age_s=5.0, must_hit=True)),
    ],
)
def test_cache_control_is_read_as_http_says(header, expected):
    assert cache_control(header) == expected


@given(st.text())
def test_no_cache_control_header_is_refused(header):
    assert isinstance(cache_control(header), CacheControl)
