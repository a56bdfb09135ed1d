import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import Chat, Reply, Turn
from pointsman.registry import TokenUsage
from pointsman.verification import Expectation, Signals, check
from pointsman.verification.demands import Demand, demands, is_met
from pointsman.verification.formats import is_valid
from pointsman.verification.languages import is_other_language, language
from pointsman.verification.loops import loop_share

GERMAN = "Warum ist der Himmel blau und nicht grün, und was ist die Ursache?"
ENGLISH_ANSWER = "The sky is blue because of the way that light is scattered, and this is what you see from the ground."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer", "minimum": 0}},
    "required": ["city", "population"],
    "additionalProperties": False,
}


def chat(question, **fields):
    body = fields.pop("body", {})
    return Chat("openai", body, (Turn("system", "Be brief.", 0), Turn("user", question, 1)), "auto", **fields)


def reply(text, finish="stop", calls=0, tokens=None):
    return Reply(text, finish, calls, None if tokens is None else TokenUsage(10, tokens))


def json_chat(schema=SCHEMA, wrapped=True):
    inner = {"name": "place", "schema": schema}
    asked = {"type": "json_schema", "json_schema": inner} if wrapped else {"type": "json_schema", "schema": schema}
    body = {"response_format": asked} if wrapped else {"output_config": {"format": asked}}
    return chat("Which city is largest?", body=body, wants_json=True)


def test_nothing_is_wrong_with_a_plain_answer():
    seen = check(chat("What is the capital of Australia?"), reply("The capital of Australia is Canberra."))

    assert seen == Signals(empty=0, refusal=0, hedging=0, truncated=0, loops=0, echo=0)


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Hi", reply("  \n"), {"empty": 1.0}),
        ("Hi", reply("", finish="content_filter"), {"empty": 1.0, "refusal": 1.0}),
        ("Hi", reply("I'm sorry, but I can't help with that."), {"refusal": 1.0}),
        ("Hi", reply("Here it is: the first", finish="length"), {"truncated": 1.0}),
        ("Hi", reply("```python\nprint(1)\n"), {"truncated": 0.5}),
        ("Hi", reply("```python\ndef f(:\n```\nor\n```json\n{\"a\": 1}\n```"), {"code_broken": 0.5}),
        ("Answer yes or no: is 7 prime?", reply("Seven is prime."), {"demands_broken": 1.0}),
        ("Name a colour in at most 3 words, in one sentence.", reply("Red."), {"demands_broken": 0.0}),
        (
            "Please tell me what the capital of Australia is.",
            reply("Please tell me what the capital of Australia is?"),
            {"echo": 1.0},
        ),
    ],
)  # fmt: skip
def test_signs_are_seen(question, answer, expected):
    seen = check(chat(question), answer).seen()

    assert {name: seen.get(name) for name in expected} == expected


def test_an_answer_of_tool_calls_is_judged_by_how_it_ended_alone():
    assert check(chat("Weather?"), reply("", calls=1)) == Signals(empty=0, refusal=0, truncated=0)


def test_code_is_missed_where_the_task_asks_for_it_and_the_answer_has_none():
    wanted = Expectation(task_type="code_generation")

    assert check(chat("Reverse a list."), reply("Use slicing."), wanted).code_missing == 1
    assert check(chat("Reverse a list."), reply("def rev(a):\n    return a[::-1]"), wanted).code_missing == 0
    assert check(chat("Reverse a list."), reply("Use slicing.")).code_missing is None


@pytest.mark.parametrize(
    ("text", "broken", "schema_broken"),
    [
        ('{"city": "Tokyo", "population": 37000000}', 0, 0),
        ('```json\n{"city": "Tokyo", "population": 37000000}\n```', 0.5, 0),
        ('{"city": "Tokyo"}', 0, 1),
        ('{"city": "Tokyo", "population": -1}', 0, 1),
        ('Sure! {"city": "Tokyo", "population": 1}', 1, None),
        ('{"city": "Tokyo", "populat', 1, None),
        ("[" * 100_000, 1, None),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_json_must_parse_and_fit_the_schema(text, broken, schema_broken, wrapped):
    seen = check(json_chat(wrapped=wrapped), reply(text))

    assert (seen.json_broken, seen.schema_broken) == (broken, schema_broken)


def test_a_schema_that_cannot_be_used_says_nothing_of_the_answer_and_fetches_nothing(tmp_path):
    elsewhere = tmp_path / "schema.json"
    elsewhere.write_text('{"type": "object"}')

    assert is_valid({}, {"type": "no such type"}) is None
    assert is_valid({}, {"$ref": elsewhere.as_uri()}) is None
    assert is_valid({}, {"$ref": "http://127.0.0.1:9/schema.json"}) is None


def test_a_pattern_made_to_take_for_ever_does_not():
    assert is_valid("a" * 40 + "!", {"pattern": "^(a+)+$"}) is False
    assert is_valid("a" * 40 + "!", {"pattern": r"^(a+)+\1$"}) is None


@pytest.mark.parametrize(
    ("tokens", "short_by", "long_by"), [(100, 0, 0), (270, 0, 0), (1000, 0, 1.303), (10, 1.303, 0), (0, 3.605, 0)]
)
def test_a_length_far_from_the_predicted_one_is_counted_beyond_a_factor_of_e(tokens, short_by, long_by):
    seen = check(chat("Hi"), reply("Some words.", tokens=tokens), Expectation(output_tokens=100.0))

    assert (seen.short_by, seen.long_by) == (pytest.approx(short_by, abs=1e-3), pytest.approx(long_by, abs=1e-3))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Roses are red. Violets are blue. Sugar is sweet, and so are you.", 0),
        ("The model said that. " + "I will try again and again, my friend. " * 20, 0.97),
        ("\n".join(["This line is said once more."] * 12), 0.99),
        ("ha" * 400, 1),
        ("| a | b |\n" * 3, 0),
    ],
)
def test_texts_that_turn_in_circles_are_seen(text, share):
    assert loop_share(text) == pytest.approx(share, abs=0.12)


@pytest.mark.parametrize(
    ("question", "answer", "verdict"),
    [
        (GERMAN, ENGLISH_ANSWER, True),
        (GERMAN, "Der Himmel ist blau, weil die Luft das "
         "kurzwellige Licht stärker streut, und das ist die Ursache für die Farbe.", False),
        (f"{GERMAN} Answer in English, please.", ENGLISH_ANSWER, None),
        ("Translate this into French: the cat is on the table and the dog is in the garden.",
         "Le chat est sur la table et le chien est dans le jardin, avec des fleurs pour vous.", None),
        ("Почему небо голубое, а не зелёное? Объясните, пожалуйста, подробно.", ENGLISH_ANSWER, True),
        ("为什么天空是蓝色的而不是绿色的？请详细解释原因。", "天空呈现蓝色，是因为大气对短波长光的散射更强。", False),
        ("2 + 2?", "4", None),
    ],
)  # fmt: skip
def test_an_answer_in_another_language_is_seen_where_both_are_clear(question, answer, verdict):
    assert is_other_language(question, answer) is verdict


def test_code_says_nothing_about_the_language():
    assert language("```python\n" + "the = and_of.to_is(that)\n" * 30 + "```\nHallo") is None


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("Summarise this in three bullet points.", (Demand("bullet", 3, 3),)),
        ("Describe it in at most 50 words.", (Demand("word", 0, 50),)),
        ("Write fewer than 20 words and exactly two sentences.", (Demand("word", 0, 19), Demand("sentence", 2, 2))),
        ("Write at least 300 words.", (Demand("word", 300, float("inf")),)),
        ("Explain it in about 100 words.", (Demand("word", 80, 125),)),
        ("Explain it in 100 words.", (Demand("word", 0, 125),)),
        ("Between 3 and 5 sentences, please.", (Demand("sentence", 3, 5),)),
        ("Answer with yes or no.", (Demand("yes or no"),)),
        ("Reply with only the number.", (Demand("number"),)),
        ("Answer with the letter only.", (Demand("letter"),)),
        ("Is it yes or no matter what?", ()),
        ("The novel has 300 words a page.", ()),
        ("How many sentences are there in War and Peace?", ()),
    ],
)
def test_explicit_demands_are_read(request_text, expected):
    assert demands(request_text) == expected


@pytest.mark.parametrize(
    ("demand", "text", "is_right"),
    [
        (Demand("bullet", 3, 3), "Here:\n- one\n- two\n- three", True),
        (Demand("bullet", 3, 3), "1. one\n2. two", False),
        (Demand("sentence", 2, 2), "It is 3.14 wide. It is tall!", True),
        (Demand("word", 0, 3), "one two three four", False),
        (Demand("paragraph", 2, 2), "One\nstill one.\n\nTwo.", True),
        (Demand("yes or no"), "**Yes**, it is.", True),
        (Demand("yes or no"), "Nobody knows.", False),
        (Demand("letter"), "(B)", True),
        (Demand("number"), "$1,250", True),
        (Demand("number"), "It is 12", False),
    ],
)
def test_demands_are_met_or_not(demand, text, is_right):
    assert is_met(demand, text) is is_right


@given(st.text(max_size=300), st.text(max_size=300), st.booleans())
def test_any_texts_give_numbers_from_0(question, answer, wants_json):
    seen = check(chat(question, wants_json=wants_json), reply(answer), Expectation(50.0, "testing")).seen()

    assert all(value >= 0 for value in seen.values())
    assert all(value <= 1 for name, value in seen.items() if name not in ("short_by", "long_by"))
    json.dumps(seen, allow_nan=False)


@pytest.mark.parametrize(
    "answer",
    [
        "```a b\n" * 30_000,
        "```\n" + " " * 200_000,
        "." * 200_000 + "x",
        "[" * 200_000,
        "```python\n" + "(" * 19_000 + "\n```",
        "```python\n" + "{" * 19_000 + "\n```",
        "\"'" * 100_000,
        "\ud800",
    ],
)
@pytest.mark.parametrize("wants_json", [True, False])
def test_answers_made_to_take_for_ever_do_not(answer, wants_json):
    asked = chat(
        "Answer in exactly 3 sentences and 2 paragraphs with 3 bullets. " + "`" * 100_000, wants_json=wants_json
    )

    assert check(asked, reply(answer)).empty == 0


def test_code_too_deep_for_the_parser_is_not_called_broken_and_json_too_deep_for_the_validator_not_unfit():
    deep = json.loads("[" * 400 + "]" * 400)

    assert check(chat("Hi"), reply("```python\n" + "1+" * 9000 + "1\n```")).code_broken == 0
    assert is_valid(deep, {"type": "array"}) is not False
