"""What is routed of authored conversations, and the laws of reading."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from authored import anthropic_chat, conversations, openai_chat
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import Chat, Turn
from pointsman.conversation import HARNESSES, Routed, Rule, needs, routed
from pointsman.conversation.followups import standing
from pointsman.conversation.sense import MOST_CHARACTERS
from pointsman.conversation.standing_task import standing_task
from pointsman.prediction import Predictor, read_bundle

AUTHORED = conversations()
SHAPES = [openai_chat, anthropic_chat]


def is_right(case, shape):
    result = routed(shape(case.turns))
    return (
        result.reading == case.reading
        and all(part in result.text for part in case.has)
        and not any(part in result.text for part in case.lacks)
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", [each for each in AUTHORED if not each.is_held_out], ids=lambda case: case.name)
def test_what_people_wrote_is_routed(case, shape):
    assert is_right(case, shape), routed(shape(case.turns))


@pytest.mark.parametrize("shape", SHAPES)
def test_of_the_conversations_that_no_rule_was_tuned_on_as_many_are_read_rightly_as_the_docs_say(shape):
    held_out = [case for case in AUTHORED if case.is_held_out]
    assert len(AUTHORED) >= 120
    assert (sum(is_right(case, shape) for case in held_out), len(held_out)) == (66, 69)


def test_follow_ups_inherit_the_demand_of_the_conversation(bundle_dir):
    """The bundled model calls every one of these follow-ups simple where it reads the last turn alone."""
    bundle = read_bundle(bundle_dir)
    predictor = Predictor(bundle)
    results = [routed(openai_chat(case.turns)) for case in AUTHORED]
    inherited = [result for result in results if result.follow_up]
    alone = predictor.read([result.text.rsplit("\n\n", 1)[1] for result in inherited], "deep")
    whole = predictor.read([result.text for result in inherited], "deep")
    simple = bundle.manifest.complexities.index("simple")
    assert set(alone.complexity.argmax(axis=1).tolist()) == {simple}
    assert np.mean(whole.complexity.argmax(axis=1) != simple) > 0.6


def test_a_task_that_stands_in_the_system_prompt_is_read_with_its_text(bundle_dir):
    cases = yaml.safe_load(Path(__file__).with_name("standing.yaml").read_text(encoding="utf-8"))
    bundle = read_bundle(bundle_dir)
    predictor = Predictor(bundle)

    def rightly_typed(texts):
        types = predictor.read(texts, "deep").type.argmax(axis=1)
        return sum(bundle.manifest.types[index] == case["type"] for index, case in zip(types, cases, strict=True))

    chats = [openai_chat([{"s": case["system"]}, {"u": case["text"]}]) for case in cases]
    assert rightly_typed([routed(chat).text for chat in chats]) >= 20
    assert rightly_typed([case["text"] for case in cases]) <= 8


def test_a_general_system_prompt_leaves_a_follow_up_its_request():
    turns = [
        {"s": "You write code for the user's input."},
        {"u": "Write a B-tree in Rust"},
        {"a": "Done."},
        {"u": "go on"},
    ]
    assert routed(openai_chat(turns)) == Routed("Write a B-tree in Rust\n\ngo on", "follow_up", 1)


def test_a_translator_translates_yes_too():
    turns = [
        {"s": "You are a translator. Translate every message into French."},
        {"u": "Prove that the square root of two is irrational"},
        {"a": "Prouvez que..."},
        {"u": "yes"},
    ]
    assert routed(openai_chat(turns)) == Routed(
        "You are a translator. Translate every message into French.\n\nyes", "standing", 3
    )


def test_with_tools_the_system_prompt_never_is_the_task():
    turns = [{"s": "Translate every message into French."}, {"u": "The train was late."}]
    assert routed(openai_chat(turns, has_tools=True)) == Routed("The train was late.", "request", 1)
    assert routed(openai_chat(turns)).reading == "standing"


def test_a_long_system_prompt_names_every_task_and_so_gives_none():
    assert standing_task("Translate every message into French. " + "x" * 4_000, "Le train") is None


def test_the_place_of_the_demand_and_the_rules_that_acted_are_told():
    turns = [
        {"u": "<system-reminder>a</system-reminder>Port the parser"},
        {"a": "Done"},
        {"u": "[Request interrupted by user]\nok"},
    ]
    assert routed(anthropic_chat(turns)) == Routed(
        "Port the parser\n\nok",
        "follow_up",
        0,
        rules=("claude-code-interruptions", "claude-code-reminders"),
    )


def test_a_tool_loop_is_routed_on_its_request_at_every_step():
    turns = [{"u": "Find the leak"}]
    texts = []
    for step in range(5):
        texts.append(routed(openai_chat(turns)).text)
        turns = [*turns, {"c": f"step {step}"}, {"t": f"result {step}"}]
    assert texts == ["Find the leak"] * 5
    assert routed(openai_chat(turns)).in_tools


def test_tool_results_among_a_users_words_are_not_read():
    message = [
        {"type": "tool_result", "tool_use_id": "t1", "content": "prove a theorem"},
        {"type": "text", "text": "rename the file instead"},
    ]
    turns = (
        Turn("user", "Sort my photos", 0),
        Turn("assistant", "", 1, calls=("t1",)),
        Turn("user", "prove a theorem\nrename the file instead", 2, answers=("t1",)),
    )
    body = {"messages": [{"role": "user", "content": "Sort my photos"}, {}, {"role": "user", "content": message}]}
    result = routed(Chat("anthropic", body, turns, "auto"))
    assert result == Routed("Sort my photos\n\nrename the file instead", "follow_up", 0, in_tools=True)


@pytest.mark.parametrize(
    ("turns", "fields", "expected"),
    [
        ((Turn("user", "a", 0),), {}, ()),
        ((Turn("user", "a", 0, images=1),), {}, ("vision",)),
        ((Turn("user", "a", 0),), {"has_tools": True, "wants_json": True}, ("tools", "json_mode")),
        (
            (Turn("user", "a", 0), Turn("assistant", "", 1, calls=("x",)), Turn("tool", "", 2, (), ("x",))),
            {},
            ("tools",),
        ),
    ],
)
def test_what_a_model_must_be_able_to_do_is_told(turns, fields, expected):
    assert needs(Chat("openai", {}, turns, "auto", **fields)) == expected


def test_a_deployment_adds_rules_and_replaces_ours():
    ours = HARNESSES.plus([Rule("acme", "block", ("acme-*",)), Rule("cursor-query", "wrapper", ("acme_says",))])
    turns = [{"u": "<acme-note>x</acme-note><user_query>sort this list</user_query>"}]
    assert routed(openai_chat(turns), ours).text == "<user_query>sort this list</user_query>"
    assert "user_query" not in routed(openai_chat(turns)).text


said = st.text(alphabet="ab <>/\n`[]-", max_size=40) | st.sampled_from(
    ["yes", "thanks", "<system-reminder>x</system-reminder>", "</task>", "<task>", "写", "👍", "\ud800"]
)


@given(st.lists(st.tuples(st.sampled_from("suact"), said), max_size=8))
def test_any_conversation_gives_a_text_to_route(pairs):
    turns = [{letter: text} for letter, text in pairs]
    for shape in SHAPES:
        result = routed(shape(turns))
        assert result.text.strip()
        assert result.place is None or 0 <= result.place < len(turns)


@given(st.text(max_size=300), st.booleans())
def test_any_turn_is_a_request_a_follow_up_or_a_courtesy(text, is_answer):
    assert standing(text, is_answer) in ("request", "follow_up", "courtesy")


@given(st.lists(said, min_size=1, max_size=4))
def test_the_first_thing_a_person_writes_is_never_a_follow_up(parts):
    result = routed(openai_chat([{"u": "\n".join(parts)}]))
    assert result.reading in ("request", "nothing")


def test_of_a_text_of_megabytes_both_ends_are_read():
    result = routed(openai_chat([{"u": "Sum up this log: " + "x" * 3_000_000 + " in one line"}]))
    assert len(result.text) == MOST_CHARACTERS + 1
    assert (result.text[:16], result.text[-12:]) == ("Sum up this log:", " in one line")
