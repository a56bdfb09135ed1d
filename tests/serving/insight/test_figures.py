"""Statistics, costs, savings and series, against sums made by hand and by Python."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from ledgers import NOON
from log_lines import DAY_US, LOGS, NOON_US, line, logged

from pointsman.errors import InvalidInput
from pointsman.insight import BY, costs, optimization_metrics, period, savings, statistics, time_series
from pointsman.insight.optimization import TokenBudget
from pointsman.insight.savings import projections
from pointsman.insight.statistics import Reported, Share, Spread

LAW = settings(max_examples=40)
SAMPLE = [
    line(1, cost_nanousd=100, baseline="gpt-4o", baseline_nanousd=1_000, input_tokens=10, output_tokens=5, cache="miss",
         latency_ms=100.0, overhead_ms=1.0, complexity="simple", strategy="cost-optimised", task_type="debugging",
         confidence=0.9, quality=0.8, tags={"user": "ann", "team": "search"}),
    line(2, cost_nanousd=0, baseline="gpt-4o", baseline_nanousd=500, cache="exact", latency_ms=2.0, tokens_saved=40,
         complexity="simple", tags={"user": "bob"}),
    line(3, 2, cost_nanousd=900, baseline="opus", baseline_nanousd=700, model="gpt-4o", escalated_from="mini",
         latency_ms=300.0, is_degraded=True, confidence=0.7),
    line(4, 30, cost_nanousd=50, baseline="gpt-4o", baseline_nanousd=400, status=502, error="upstream"),
    line(5, 30, cost_nanousd=70, baseline="gpt-4o", baseline_nanousd=800, is_routed=False),
    line(6, 30, cost_nanousd=11, kind="evaluate", model="judge"),
    line(7, 30, cost_nanousd=0, kind="route", baseline="gpt-4o", baseline_nanousd=900),
]  # fmt: skip


@pytest.fixture
def sample(log, tenants):
    tenant = next(tenants)
    logged(log, tenant, SAMPLE)
    return period(log, tenant)


def test_statistics_of_a_sample_are_those_counted_by_hand(log, sample):
    found = statistics(log, sample, budget_remaining_nanousd=2_500_000_000)
    assert found == msgspec.structs.replace(
        found,
        since=(NOON - timedelta(hours=30)).isoformat(),
        until=NOON.isoformat(),
        requests=7,
        succeeded=6,
        failed=1,
        success_rate=6 / 7,
        error_rate=1 / 7,
        cost_nanousd=1131,
        cost_usd=1131 / 1e9,
        average_cost_usd=1131 / 1e9 / 7,
        input_tokens=10,
        output_tokens=5,
        tokens_saved=40,
        latency_ms=Spread(134.0, 100.0, 300.0),
        overhead_ms=Spread(1.0, 1.0, 1.0),
        models={"mini": Share(5, 5 / 7), "gpt-4o": Share(1, 1 / 7), "judge": Share(1, 1 / 7)},
        complexities={"simple": Share(2, 2 / 7)},
        strategies={"cost-optimised": Share(1, 1 / 7)},
        types={"debugging": Share(1, 1 / 7)},
        errors={"upstream": Share(1, 1 / 7)},
        average_confidence=pytest.approx(0.8),
        average_quality=0.8,
        reported_quality=Reported(0, None),
        escalation_rate=1 / 6,
        degradation_rate=1 / 7,
        cache_hits=1,
        cache_misses=1,
        cache_hit_rate=0.5,
        budget_remaining_usd=2.5,
        uptime_s=None,
        lost_events=None,
    )


def test_a_server_adds_its_uptime_and_what_it_lost(log, sample):
    found = statistics(log, sample, is_server=True)
    assert (found.uptime_s, found.lost_events) == (0.0, 0)


def test_statistics_of_nothing_divide_by_nothing(log, tenants):
    found = statistics(log, period(log, next(tenants)))
    assert (found.requests, found.cost_nanousd, found.models) == (0, 0, {})
    assert (found.success_rate, found.latency_ms, found.cache_hit_rate, found.average_cost_usd) == (None,) * 4


def test_reported_qualities_are_those_of_the_tenants_decisions(log, sample):
    def add(connection):
        report = "INSERT INTO outcomes (tenant, decision_id, digest, at_us, body) VALUES ('{}', '{}', '{}', 0, '{}')"
        for tenant, number, digest, body in (
            (sample.tenant, 0, "a", '{"quality":0.5}'),
            (sample.tenant, 0, "b", '{"quality":1}'),
            (sample.tenant, 1, "c", '{"success":true}'),
            ("other", 0, "d", '{"quality":0}'),
        ):
            decision_id = f"{sample.tenant}-{number}"
            connection.exec_driver_sql(report.format(tenant, decision_id, digest, body))

    log._database.administer(add)
    assert statistics(log, sample).reported_quality == Reported(2, 0.75)


def test_savings_take_off_failures_and_judging_and_leave_out_what_was_not_routed_or_not_sent(log, sample):
    found = savings(log, sample, np.random.default_rng(7))
    assert found.baselines == {"gpt-4o": 1_500, "opus": 700}
    assert (found.compared, found.uncompared) == (3, 4)
    assert found.baseline_nanousd == 2_200
    assert found.cost_nanousd == 100 + 0 + 900 + 50 + 11
    assert found.saved_nanousd == 2_200 - 1_061
    assert found.saved_share == (2_200 - 1_061) / 2_200
    assert (found.failed_nanousd, found.judging_nanousd, found.by_cache_nanousd) == (50, 11, 500)
    assert found.uncompared_nanousd == 70
    assert "same tokens" in found.caveat


def test_savings_may_be_negative(log, tenants):
    tenant = next(tenants)
    logged(log, tenant, [line(1, cost_nanousd=10, baseline="a", baseline_nanousd=4)])
    found = savings(log, period(log, tenant), np.random.default_rng(7))
    assert (found.saved_nanousd, found.saved_share) == (-6, -1.5)


def test_projections_are_of_whole_days_and_have_an_interval_from_a_week_on(log, tenants):
    tenant = next(tenants)
    usd = 10**9
    days = [line(n, 24 * n + 1, cost_nanousd=usd, baseline="a", baseline_nanousd=(2 + n % 2) * usd) for n in range(8)]
    logged(log, tenant, [*days, line(9, 24 * 8.5, cost_nanousd=99 * usd)])
    found = savings(log, period(log, tenant), np.random.default_rng(7))
    assert found.days == 8
    day, month, year = found.projections
    assert (day.window, day.cost_usd, day.saved_usd) == ("day", 1.0, 1.5)
    assert 1.0 <= day.low_usd < 1.5 < day.high_usd <= 2.0
    assert (month.saved_usd, year.saved_usd) == (1.5 * 365.25 / 12, 1.5 * 365.25)
    assert year.high_usd == day.high_usd * 365.25
    short = savings(log, period(log, tenant, since=NOON - timedelta(days=6.9)), np.random.default_rng(7))
    assert short.days == 6
    assert (short.projections[0].low_usd, short.projections[0].high_usd) == (None, None)


def test_the_same_generator_gives_the_same_interval():
    days = [(number, 5 * number) for number in range(10)]
    assert projections(days, np.random.default_rng(1)) == projections(days, np.random.default_rng(1))
    assert projections([], np.random.default_rng(1)) == []


@given(events=LOGS)
@LAW
def test_savings_are_the_baseline_less_the_cost_and_every_nano_usd_is_compared_or_not(log, tenants, events):
    tenant = next(tenants)
    own = logged(log, tenant, events)
    whole_log = period(log, tenant, since=NOON - timedelta(days=20))
    found = savings(log, whole_log, np.random.default_rng(7))
    assert found.saved_nanousd == found.baseline_nanousd - found.cost_nanousd
    assert found.baseline_nanousd == sum(found.baselines.values())
    assert found.cost_nanousd + found.uncompared_nanousd == sum(event.cost_nanousd for event in own)
    compared = [event for event in own if is_compared(event)]
    assert found.compared == len(compared)
    assert found.baseline_nanousd == sum(event.baseline_nanousd for event in compared)
    points = time_series(log, whole_log, "hour").points
    assert sum(point.saved_nanousd for point in points) == found.saved_nanousd


def is_compared(event):
    is_answer = event.status < 400 and event.kind in ("chat", "execute")
    return event.is_routed and is_answer and event.baseline_nanousd is not None


@given(events=LOGS)
@LAW
def test_the_parts_of_any_partition_sum_to_the_total(log, tenants, events):
    tenant = next(tenants)
    own = logged(log, tenant, events)
    whole_log = period(log, tenant, since=NOON - timedelta(days=20))
    figures = statistics(log, whole_log)
    total = [len(own), *(sum(getattr(event, name) for event in own) for name in SUMMED)]
    assert [figures.requests, *(getattr(figures, name) for name in SUMMED)] == total
    latencies = sorted(event.latency_ms for event in own if event.latency_ms is not None)
    assert ranks_of(figures.latency_ms) == ([nearest_rank(latencies, 0.5), nearest_rank(latencies, 0.95)])
    for by in BY:
        found = costs(log, whole_log, by)
        parts = found.lines + ([found.rest] if found.rest else [])
        assert [sum(counts) for counts in zip(*map(counts_of, parts), strict=True)] == (total if own else [])
        assert counts_of(found.total) == total
        assert len({part.name for part in found.lines}) == len(found.lines)
    for step in ("hour", "day"):
        points = time_series(log, whole_log, step).points
        assert [sum(counts) for counts in zip(*map(counts_of, points), strict=True)] == total


SUMMED = ("cost_nanousd", "input_tokens", "output_tokens")


def ranks_of(spread):
    return [None, None] if spread is None else [spread.p50, spread.p95]


def nearest_rank(ordered, share):
    """Return the smallest value that at least this share of the values don't exceed."""
    return next((value for rank, value in enumerate(ordered, start=1) if rank / len(ordered) >= share), None)


def counts_of(part):
    return [part.requests, *(getattr(part, name) for name in SUMMED)]


def test_costs_by_payer_are_the_dearest_first_and_those_without_a_name_count_too(log, sample):
    found = costs(log, sample, "user")
    assert [(one.name, one.requests, one.cost_nanousd) for one in found.lines] == [
        (None, 5, 1031), ("ann", 1, 100), ("bob", 1, 0),
    ]  # fmt: skip
    assert found.rest is None
    assert sum(one.share for one in found.lines) == pytest.approx(1)


def test_days_are_named_and_in_order(log, sample):
    found = costs(log, sample, "day")
    assert [(one.name, one.requests) for one in found.lines] == [("2026-11-20", 4), ("2026-11-21", 3)]
    hours = costs(log, sample, "hour")
    assert [one.name for one in hours.lines] == ["2026-11-20T06:00Z", "2026-11-21T10:00Z", "2026-11-21T11:00Z"]


def test_more_names_than_are_listed_are_summed_as_the_rest(log, tenants):
    tenant = next(tenants)
    logged(log, tenant, [line(n, cost_nanousd=n, tags={"user": f"u{n}"}) for n in range(1, 6)])
    found = costs(log, period(log, tenant), "user", most=2)
    assert [one.name for one in found.lines] == ["u5", "u4"]
    assert (found.rest.requests, found.rest.cost_nanousd, found.rest.share) == (3, 6, 0.4)


def test_a_series_has_every_step_even_without_requests(log, sample):
    points = time_series(log, sample, "hour").points
    assert len(points) == 30
    assert [point.at for point in points if point.requests] == [
        "2026-11-20T06:00Z",
        "2026-11-21T10:00Z",
        "2026-11-21T11:00Z",
    ]
    assert points[-1].average_latency_ms == 51.0
    assert points[1].average_latency_ms is None


def test_what_cannot_be_counted_is_refused_with_what_can(log, sample):
    with pytest.raises(InvalidInput, match="by is 'colour'; expected one of model, type, complexity"):
        costs(log, sample, "colour")
    with pytest.raises(InvalidInput, match="step is 'week'; expected one of hour, day"):
        time_series(log, sample, "week")
    with pytest.raises(InvalidInput, match="expected at most 2,000: shorten it, or take longer steps"):
        time_series(log, period(log, sample.tenant, since=NOON - timedelta(days=100)), "hour")
    with pytest.raises(InvalidInput, match="before it begins"):
        period(log, sample.tenant, since=NOON, until=NOON - timedelta(hours=1))


def test_a_period_begins_at_the_last_reset_and_tenants_never_mix(log, tenants):
    first, second = next(tenants), next(tenants)
    logged(log, first, [line(1, 5), line(2, 0.001)])
    logged(log, second, [line(1, 3)])
    assert period(log, first).since == NOON - timedelta(hours=5)
    assert statistics(log, period(log, second)).requests == 1
    log.reset(first)
    assert period(log, first).since == NOON
    assert statistics(log, period(log, first)).requests == 0
    assert statistics(log, period(log, first, since=NOON - timedelta(hours=6))).requests == 2


def test_optimization_metrics_have_the_shape_that_token_optimisers_give(log, tenants):
    tenant = next(tenants)
    usd = 10**9
    hits = [line(n, 30, cache="exact", tokens_saved=100, baseline="a", baseline_nanousd=2 * usd) for n in range(9)]
    logged(log, tenant, [*hits, line(9, 1, cache="miss", cost_nanousd=usd, baseline="a", baseline_nanousd=usd)])
    whole_log = period(log, tenant)
    figures, saved = statistics(log, whole_log), savings(log, whole_log, np.random.default_rng(7))
    found = msgspec.to_builtins(optimization_metrics(figures, saved, TokenBudget(600_000, 450_000)))
    assert found == {
        "optimization": {
            "cacheHits": 9,
            "cacheMisses": 1,
            "tokensSaved": 900,
            "costSaved": 18.0,
            "cacheEfficiency": 90.0,
        },
        "tokenBudget": {"remaining": {"month": 450_000, "percentUsed": 25.0}},
        "estimatedMonthlySavings": "$0.00",
    }
    bare = msgspec.to_builtins(optimization_metrics(figures, saved))
    assert bare["tokenBudget"] == {"remaining": {"month": None, "percentUsed": None}}


def test_the_moments_of_the_tests_are_as_they_say():
    assert NOON_US % DAY_US == DAY_US // 2
