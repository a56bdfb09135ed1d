from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.budget import GLOBAL, Limit, Scope
from pointsman.budget.alerts import Alert, forecast_alert, freeze_alert, threshold_alerts, unsent
from pointsman.budget.forecast import Standing, forecast
from pointsman.budget.traffic import HourTotal, epoch_hours
from pointsman.errors import InvalidBudget

USD = 10**9
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAILY = Limit(GLOBAL, "day", 10 * USD)


def test_a_threshold_is_told_whole_and_in_words():
    [alert] = threshold_alerts(DAILY, 4 * USD, 6 * USD, NOON)
    assert alert == Alert(
        id="threshold|default|global|day:2026-11-21|nanousd|50",
        kind="threshold",
        tenant="default",
        scope="global",
        window="day",
        unit="nanousd",
        used=6 * USD,
        limit=10 * USD,
        percent=50,
        at=NOON,
        window_end=datetime(2026, 11, 22, tzinfo=UTC),
        words="global has used 60 % of $10.00 per day ($6.00).",
    )


@pytest.mark.parametrize(
    ("before", "after", "percents"),
    [(0, 49, []), (0, 50, [50]), (49, 51, [50]), (50, 60, []), (0, 100, [50, 80, 95]), (79, 120, [80, 95]),
     (96, 99, []), (60, 55, [])],
)  # fmt: skip
def test_a_threshold_is_passed_when_usage_reaches_it(before, after, percents):
    limit = Limit(Scope("user", "ann"), "month", 100, "output_tokens")
    assert [alert.percent for alert in threshold_alerts(limit, before, after, NOON)] == percents


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=20), st.integers(1, 100))
def test_rising_usage_tells_each_threshold_once_a_window(steps, amount):
    limit, used, told = Limit(GLOBAL, "day", amount), 0, []
    for step in steps:
        told += threshold_alerts(limit, used, used + step, NOON)
        used += step
    assert [alert.percent for alert in told] == [p for p in (50, 80, 95) if used * 100 >= p * amount]
    assert unsent(told + told, []) == told


def test_the_same_threshold_is_told_again_in_the_next_window_only():
    today = threshold_alerts(DAILY, 0, 5 * USD, NOON)
    again = threshold_alerts(DAILY, 0, 5 * USD, NOON + timedelta(hours=3))
    tomorrow = threshold_alerts(DAILY, 0, 5 * USD, NOON + timedelta(days=1))
    sent = {alert.id for alert in today}
    assert unsent(again, sent) == []
    assert unsent(tomorrow, sent) == tomorrow


def test_a_limit_that_will_run_out_is_told_before_it_does():
    start = NOON.replace(hour=0)
    first = int(epoch_hours(start)) - 240
    history = [HourTotal(first + hour, USD) for hour in range(252)]
    told = forecast(history, Standing(14 * USD, 12 * USD, start, start + timedelta(days=1)), NOON)
    alert = forecast_alert(Limit(GLOBAL, "day", 14 * USD), told, NOON)
    assert (alert.kind, alert.id) == ("forecast", "forecast|default|global|day:2026-11-21|nanousd|")
    assert "will run out before the window ends" in alert.words
    holds = forecast(history, Standing(90 * USD, 12 * USD, start, start + timedelta(days=1)), NOON)
    spent = forecast(history, Standing(12 * USD, 12 * USD, start, start + timedelta(days=1)), NOON)
    assert forecast_alert(DAILY, holds, NOON) is None
    assert forecast_alert(DAILY, spent, NOON) is None


def test_a_freeze_is_told_with_its_reason_each_time_it_happens():
    one = freeze_alert(DAILY, USD, "a bill of $3.00 came for a hold of $1.00", NOON)
    two = freeze_alert(DAILY, USD, "again", NOON + timedelta(hours=1))
    assert one.words == (
        "global was stopped and takes no holds until someone unfreezes it: a bill of $3.00 came for a hold of $1.00"
    )
    assert one.id != two.id


@pytest.mark.parametrize("thresholds", [(0,), (101,), (50.0,), (True,)])
def test_impossible_thresholds_are_refused(thresholds):
    with pytest.raises(InvalidBudget, match="expected a whole number from 1 to 100"):
        threshold_alerts(DAILY, 0, 1, NOON, thresholds=thresholds)
