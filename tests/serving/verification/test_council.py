import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.chat import Reply
from pointsman.errors import BudgetExceeded, InvalidInput, UpstreamError
from pointsman.verification import METHODS, Comparison, Criterion, Rubric, Verdict, aggregate, compare, evaluate

RUBRIC = Rubric((Criterion("clarity"), Criterion("flow")))
SCORES = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1), min_size=1, max_size=6)


def asking(replies):
    """Judges that answer from a table; an exception is raised."""

    async def ask(model, chat):
        assert chat.model == model
        reply = replies[model]
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply, "stop", 0, None)

    return ask


def scores(clarity, flow):
    return json.dumps({"scores": {"clarity": clarity, "flow": flow}})


def test_a_council_gives_the_median_and_says_who_judged_and_who_did_not():
    replies = {
        "a": scores(10, 8), "b": scores(4, 6), "c": scores(6, 6), "d": "Nice text!",
        "e": UpstreamError("the provider is down"), "f": scores(6, 99),
    }  # fmt: skip
    verdict = asyncio.run(evaluate("Buy it.", RUBRIC, list(replies), asking(replies)))

    assert verdict == Verdict(
        score=pytest.approx(0.6),
        disagreement=pytest.approx((0.4 + 0.3 + 0.1) / 3),
        by_judge={"a": pytest.approx(0.9), "b": pytest.approx(0.5), "c": pytest.approx(0.6)},
        by_criterion={"clarity": pytest.approx(2 / 3), "flow": pytest.approx(2 / 3)},
        refused={"d": "not_json", "e": "upstream", "f": "off_scale"},
        method="median",
    )
    assert verdict.judge == "council:median(a,b,c)"


def test_one_judge_is_named_as_itself_and_agrees_with_itself():
    verdict = asyncio.run(evaluate("Buy it.", RUBRIC, ["a"], asking({"a": scores(5, 5)}), "mean"))

    assert (verdict.score, verdict.disagreement, verdict.judge) == (0.5, 0.0, "a")


def test_the_name_of_a_large_council_fits_an_outcome():
    judges = {"a-model-with-a-very-long-name-" * 3 + str(n): scores(5, 5) for n in range(5)}
    verdict = asyncio.run(evaluate("Buy it.", RUBRIC, list(judges), asking(judges)))

    assert verdict.judge == "council:median(5 judges)"


def test_all_judges_are_asked_at_once():
    async def run():
        everyone = asyncio.Barrier(3)

        async def ask(model, chat):
            await everyone.wait()
            return Reply(scores(5, 5), "stop", 0, None)

        async with asyncio.timeout(5):
            return await evaluate("Buy it.", RUBRIC, ["a", "b", "c"], ask)

    assert len(asyncio.run(run()).by_judge) == 3


def test_where_no_judge_gives_scores_the_error_says_why():
    with pytest.raises(UpstreamError, match=r"a: not_json, b: off_scale"):
        asyncio.run(evaluate("Buy it.", RUBRIC, ["a", "b"], asking({"a": "hm", "b": scores(50, 1)})))
    with pytest.raises(BudgetExceeded, match="no room"):
        asyncio.run(evaluate("Buy it.", RUBRIC, ["a"], asking({"a": BudgetExceeded("no room")})))


def test_a_defect_of_one_call_ends_the_others():
    async def run():
        ended = []

        async def ask(model, chat):
            if model == "b":
                raise ZeroDivisionError
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(model)

        with pytest.raises(ZeroDivisionError):
            await evaluate("Buy it.", RUBRIC, ["a", "b"], ask)
        await asyncio.sleep(0)
        return tuple(ended)

    assert asyncio.run(run()) == ("a",)


@pytest.mark.parametrize(
    ("text", "judges", "method"),
    [(" ", ["a"], "mean"), ("x", [], "mean"), ("x", ["a", "a"], "mean"), ("x", list("abcdefghij"), "mean"),
     ("x", ["a"], "mode")],
)  # fmt: skip
def test_a_council_that_cannot_judge_is_refused_before_anyone_is_asked(text, judges, method):
    with pytest.raises(InvalidInput, match="expected"):
        asyncio.run(evaluate(text, RUBRIC, judges, asking({}), method))


@given(SCORES, st.sampled_from(METHODS))
def test_an_aggregate_lies_in_0_to_1_and_ignores_the_order_of_judges(given_scores, method):
    found = aggregate(given_scores, method)

    assert all(0 <= value <= 1 for value in found)
    assert aggregate(dict(reversed(given_scores.items())), method) == pytest.approx(found)


@given(st.floats(0, 1), st.integers(1, 6))
def test_judges_who_agree_are_repeated(score, judges):
    same = {str(n): score for n in range(judges)}

    assert aggregate(same, "mean") == pytest.approx((score, 0))
    assert aggregate(same, "median") == pytest.approx((score, 0))
    assert aggregate(same, "majority") == (float(score >= 0.5), 0)


def test_the_majority_decides_and_a_tie_is_a_half():
    assert aggregate({"a": 0.9, "b": 0.6, "c": 0.1}, "majority")[0] == 1
    assert aggregate({"a": 0.9, "b": 0.1, "c": 0.1}, "majority")[0] == 0
    assert aggregate({"a": 0.9, "b": 0.1}, "majority") == (0.5, pytest.approx(0.8))


def preferring(choose):
    async def ask(model, chat):
        text = chat.turns[1].text
        return Reply(choose(text.index("good answer") < text.index("poor answer")), "stop", 0, None)

    return ask


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda good_first: '{"better": "A"}' if good_first else '{"better": "B"}', Comparison("first", True)),
        (lambda good_first: '{"better": "B"}' if good_first else '{"better": "A"}', Comparison("second", True)),
        (lambda good_first: '```json\n{"better": "A"}\n```', Comparison("tie", False)),
        (lambda good_first: '{"better": "tie"}', Comparison("tie", True)),
    ],
)
def test_two_answers_are_compared_in_both_orders_and_a_judge_who_goes_by_the_order_decides_nothing(choose, expected):
    found = asyncio.run(compare("Which?", "a good answer", "a poor answer", "judge", preferring(choose)))

    assert found == expected


def test_a_comparison_that_cannot_be_read_is_an_error():
    with pytest.raises(UpstreamError, match="doesn't say which"):
        asyncio.run(compare("Which?", "a good answer", "a poor answer", "judge", preferring(lambda _: "A")))
