from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.budget.forecast import Standing, forecast
from pointsman.budget.traffic import FLAT, Arrivals, HourTotal, epoch_hours, fit_profile, to_come
from pointsman.errors import InvalidBudget

USD = 10**9
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def hours_from(moment, totals):
    first = int(epoch_hours(moment))
    return [HourTotal(first + place, float(total)) for place, total in enumerate(totals)]


def traffic(rng, n_days, per_day):
    """Return hourly totals (n_days, 24): a day's pattern, quiet weekends, days and hours that swing."""
    shape = 0.2 + np.exp(-(((np.arange(24) - 14) / 4) ** 2))
    week = np.array([1, 1.1, 1.1, 1, 0.9, 0.3, 0.3])[np.arange(n_days) % 7]
    level = week * rng.gamma(16, 1 / 16, n_days)
    return per_day * level[:, None] * shape / shape.sum() * rng.gamma(6, 1 / 6, (n_days, 24))


def test_even_traffic_runs_out_when_arithmetic_says_so():
    history = hours_from(MONDAY - 28 * DAY, [USD] * (28 * 24 + 6))  # a dollar an hour, up to 06:00 today
    now = MONDAY + timedelta(hours=6)
    told = forecast(history, Standing(12 * USD, 6 * USD, MONDAY, MONDAY + DAY), now)
    assert abs(told.runs_out_at - (MONDAY + timedelta(hours=12))) < timedelta(minutes=20)
    assert told.earliest < told.runs_out_at < told.latest
    assert abs(told.expected_nanousd - 24 * USD) < USD // 10
    assert told.will_run_out
    assert told.chance > 0.99
    assert "will run out before the window ends, at about 2026-06-01 1" in told.words()


def test_a_limit_that_holds_is_said_to_hold():
    history = hours_from(MONDAY - 28 * DAY, [USD] * 28 * 24)
    told = forecast(history, Standing(100 * USD, 0, MONDAY, MONDAY + DAY), MONDAY)
    assert (told.runs_out_at, told.earliest, told.latest, told.will_run_out) == (None, None, None, False)
    assert told.words().endswith("The limit holds with probability 1.00.")


def test_a_weekend_is_told_from_a_weekday():
    totals = np.ones((28, 24)) * USD
    totals[[5, 6, 12, 13, 19, 20, 26, 27]] /= 10
    history = hours_from(MONDAY - 28 * DAY, totals.ravel())
    on = {name: MONDAY + offset * DAY for name, offset in (("Monday", 0), ("Saturday", 5))}
    expected = {
        name: forecast(history, Standing(100 * USD, 0, day, day + DAY), day).expected_nanousd / USD
        for name, day in on.items()
    }
    assert expected["Monday"] > 3 * expected["Saturday"]


def test_without_history_nothing_is_expected_and_nothing_is_said_to_run_out():
    told = forecast([], Standing(USD, USD // 2, MONDAY, MONDAY + DAY), MONDAY + timedelta(hours=5))
    assert (told.expected_nanousd, told.chance, told.hours_learned) == (USD // 2, 0.0, 0)
    assert fit_profile([], MONDAY) == FLAT


def test_a_limit_that_is_spent_has_run_out_already():
    now = MONDAY + timedelta(hours=5)
    told = forecast([], Standing(USD, 2 * USD, MONDAY, MONDAY + DAY), now)
    assert (told.chance, told.runs_out_at, told.earliest, told.latest) == (1.0, now, now, now)


@pytest.mark.parametrize(
    ("standing", "now"),
    [
        (Standing(-1, 0, MONDAY, MONDAY + DAY), MONDAY),
        (Standing(1, -1, MONDAY, MONDAY + DAY), MONDAY),
        (Standing(1, 0, MONDAY, MONDAY + DAY), MONDAY + DAY),
        (Standing(1, 0, MONDAY, MONDAY + DAY), MONDAY.replace(tzinfo=None)),
    ],
)
def test_impossible_questions_are_refused(standing, now):
    with pytest.raises(InvalidBudget):
        forecast([], standing, now)


@pytest.mark.parametrize("total", [-1.0, float("nan"), float("inf")])
def test_impossible_history_is_refused(total):
    with pytest.raises(InvalidBudget, match="expected a finite number from 0"):
        fit_profile([HourTotal(0, total)], datetime(1970, 1, 2, tzinfo=UTC))


def backtest(seed, weeks, hour):
    """Return (window totals within their interval, exhaustion times within theirs) of 30 days foreseen at an hour."""
    rng = np.random.default_rng(seed)
    first = weeks * 7
    totals = traffic(rng, first + 30, 10 * USD)
    spend_hits, time_hits = [], []
    for day in range(first, first + 30):
        start = MONDAY + day * DAY
        now = start + timedelta(hours=hour)
        history = hours_from(start - first * DAY, totals[day - first : day].ravel()) + hours_from(
            start, totals[day, :hour]
        )
        spent, limit = int(totals[day, :hour].sum()), int(9 * USD)
        if spent >= limit:
            continue
        told = forecast(history, Standing(limit, spent, start, start + DAY), now)
        spend_hits.append(told.least_nanousd <= totals[day].sum() <= told.most_nanousd)
        path = np.concatenate(([spent], spent + np.cumsum(totals[day, hour:])))
        reached = int(np.searchsorted(path, limit))
        if reached == len(path):
            time_hits.append(told.latest is None)
        else:
            share = (limit - path[reached - 1]) / (path[reached] - path[reached - 1])
            at = now + timedelta(hours=reached - 1 + float(share))
            time_hits.append(
                told.earliest is not None and told.earliest <= at and (told.latest is None or at <= told.latest)
            )
    return spend_hits, time_hits


def test_intervals_cover_as_often_as_they_promise():
    runs = [backtest(seed, 4, hour) for seed in range(2) for hour in (0, 12)]
    spend = np.concatenate([run[0] for run in runs])
    times = np.concatenate([run[1] for run in runs])
    assert len(spend) > 100
    assert 0.84 <= spend.mean() <= 0.97
    assert 0.84 <= times.mean() <= 0.98


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=24 * 4), st.integers(1, 10**13), st.floats(0, 23.9))
def test_a_larger_limit_never_runs_out_earlier(totals, limit, hour):
    history = hours_from(MONDAY - timedelta(hours=len(totals)), totals)
    now = MONDAY + timedelta(hours=hour)
    small, large = (
        forecast(history, Standing(amount, 0, MONDAY, MONDAY + 3 * DAY), now) for amount in (limit, 2 * limit)
    )
    assert large.chance <= small.chance + 1e-12
    if large.runs_out_at is not None:
        assert small.runs_out_at <= large.runs_out_at


def test_a_burst_is_expected_to_last():
    profile = fit_profile(hours_from(MONDAY - 28 * DAY, [60.0] * 28 * 24), MONDAY)
    now = MONDAY + timedelta(hours=10)
    window = {"start": MONDAY, "now": now, "end": MONDAY + DAY}
    calm = to_come(profile, Arrivals(60.0, epoch_hours(now)), 600, **window)
    burst = to_come(profile, Arrivals(1_000.0, epoch_hours(now)), 600, **window)
    assert 14 * 60 <= calm <= 14 * 60 * 1.3
    assert burst == pytest.approx(calm + (1_000 - 60) / 2, rel=0.02)


def test_without_a_profile_the_rate_so_far_goes_on():
    now = MONDAY + timedelta(hours=6)
    assert to_come(FLAT, Arrivals(), 60, start=MONDAY, now=now, end=MONDAY + DAY) == pytest.approx(180)


def test_arrivals_forget_and_a_clock_that_steps_back_does_no_harm():
    seen = Arrivals().after(10, MONDAY)
    assert seen.tasks_per_hour == pytest.approx(100)
    assert seen.tasks_per_hour_at(MONDAY + timedelta(hours=1)) < 0.01
    assert seen.after(0, MONDAY - DAY) == seen
