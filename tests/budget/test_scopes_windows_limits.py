"""The words of a budget: what they accept, how they are written, and what they refuse."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.budget import (
    GLOBAL,
    SCOPE_KINDS,
    Amount,
    HoldRequest,
    Limit,
    Scope,
    checked_limits,
    limit_in_usd,
    parse_scope,
    parse_window,
    window_end,
    window_id,
    window_start,
)
from pointsman.budget.windows import WINDOWS
from pointsman.errors import InvalidBudget

NAMED = [kind for kind in SCOPE_KINDS if kind not in ("global", "tenant")]
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=200)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
ANN = Scope("user", "ann")


@given(st.sampled_from(NAMED), NAMES)
def test_the_text_of_a_scope_leads_back_to_it(kind, name):
    scope = Scope(kind, name)
    assert (parse_scope(str(scope)), str(scope)) == (scope, f"{kind}:{name}")


def test_the_scopes_without_a_name_are_written_as_their_kind():
    assert [str(parse_scope(text)) for text in ("global", "tenant", "user:a:b")] == ["global", "tenant", "user:a:b"]


@pytest.mark.parametrize(
    "text",
    ["", "ann", "user", "user:", "users:ann", "global:x", "user: ann", "user:a\nb", "user:" + "x" * 201, None, 7],
)
def test_a_text_that_is_no_scope_is_refused(text):
    with pytest.raises(InvalidBudget):
        parse_scope(text)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_window_is_the_same_in_every_zone_and_holds_its_moment(moment, offset):
    elsewhere = moment.astimezone(timezone(timedelta(minutes=offset)))
    for window in ("day", "month"):
        start, end = window_start(window, elsewhere), window_end(window, elsewhere)
        assert start <= moment < end
        names = {window_id(window, one) for one in (moment, elsewhere, start, end - timedelta(microseconds=1))}
        assert names == {window_id(window, moment)}
        assert window_id(window, end) != window_id(window, moment)
        assert window_start(window, end) == end


def test_a_change_to_daylight_saving_neither_lengthens_nor_shortens_a_day():
    berlin = ZoneInfo("Europe/Berlin")
    for day in (datetime(2026, 3, 29, 12, tzinfo=berlin), datetime(2026, 10, 25, 12, tzinfo=berlin)):
        assert window_end("day", day) - window_start("day", day) == timedelta(hours=24)


def test_windows_at_the_turns_of_the_calendar():
    leap = datetime(2028, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    assert [window_id(window, leap) for window in WINDOWS] == ["day:2028-02-29", "month:2028-02", "total", "request"]
    assert window_end("month", leap) == window_end("day", leap) == datetime(2028, 3, 1, tzinfo=UTC)
    assert window_end("month", datetime(2026, 12, 31, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert (window_end("total", leap), window_start("total", leap)) == (None, None)


def test_a_time_without_a_zone_and_an_unknown_window_are_refused():
    with pytest.raises(InvalidBudget, match="has no zone"):
        window_id("day", datetime(2026, 1, 1))
    with pytest.raises(InvalidBudget, match="expected one of day, month, total, request"):
        parse_window("week")
    assert parse_window("day") == "day"


@pytest.mark.parametrize(
    "dollars", [-1, -0.01, float("nan"), float("inf"), 1e9 + 1, 10**400, True, None, "10", [10], 1e300]
)
def test_a_limit_that_can_not_be_kept_is_refused_with_its_place(dollars):
    with pytest.raises(InvalidBudget, match="the limit of user:ann per day"):
        limit_in_usd(ANN, "day", dollars)


def test_a_limit_in_another_currency_is_refused():
    with pytest.raises(InvalidBudget, match="'EUR'; expected USD"):
        limit_in_usd(ANN, "day", 10, currency="EUR")


def test_a_limit_reads_as_a_sentence():
    assert limit_in_usd(ANN, "day", 12.5) == Limit(ANN, "day", 12_500_000_000)
    assert str(limit_in_usd(ANN, "day", 12.5)) == "$12.50 per day for user:ann"
    assert str(Limit(GLOBAL, "month", 40_000, "input_tokens")) == "40,000 input tokens per month for global"


@pytest.mark.parametrize(
    "more",
    [
        *({"amount": amount} for amount in (-1, 1.0, True, 10**18 + 1)),
        *({"window": "week"}, {"unit": "EUR"}, {"window": "request"}, {"scope": Scope("request", "r")}),
    ],
)
def test_a_limit_made_by_hand_is_checked_as_well(more):
    with pytest.raises(InvalidBudget):
        Limit(**{"scope": ANN, "window": "day", "amount": 1} | more)


def test_two_limits_for_one_place_are_refused():
    one, other = Limit(ANN, "day", 1), Limit(ANN, "day", 2)
    with pytest.raises(InvalidBudget, match="two limits for one scope and window"):
        checked_limits([one, other])
    with pytest.raises(InvalidBudget, match="given twice"):
        checked_limits([one, one])
    apart = (one, Limit(ANN, "month", 2), Limit(GLOBAL, "day", 2), Limit(ANN, "day", 2, "tokens"))
    assert checked_limits(apart) == apart


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"scopes": ()}, "expected 1 to 32"),
        ({"scopes": (ANN, ANN)}, "each once"),
        ({"idempotency_key": ""}, "idempotency_key is ''"),
        ({"idempotency_key": "x" * 256}, "1 to 255"),
        ({"tenant": "a\0b"}, "tenant is"),
        ({"attempt": -1}, "attempt is -1"),
        ({"amount": Amount(10**15 + 1)}, "expected at most 1,000,000,000,000,000"),
        ({"amount": Amount(0, 10**9 + 1)}, "input_tokens of one attempt"),
        ({"expires_at": datetime(2026, 1, 1)}, "has no zone"),
        ({"body_hash": "x" * 256}, "body_hash is longer"),
    ],
)
def test_a_request_that_can_not_be_counted_is_refused(more, message):
    usual = {
        "idempotency_key": "k",
        "scopes": (ANN,),
        "amount": Amount(1),
        "expires_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    with pytest.raises(InvalidBudget, match=message):
        HoldRequest(**usual | more)
