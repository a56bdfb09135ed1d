"""Circuits and availability: when a model is left alone, when it is tried again, and what is learned of it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidChat, UpstreamError, UpstreamTimeout
from pointsman.gateway.health import HALF_LIFE_S, OUTCOME_WEIGHT, Health, ModelHealth
from pointsman.settings import Retries

DOWN = UpstreamError("p answered 503.", status=503, is_retryable=True, is_unbilled=True)
WRONG_KEY = UpstreamError("p answered 401: Incorrect API key provided: [key]", status=401, is_unbilled=True)
RETRIES = Retries(open_after=3, open_for_s=15.0)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health({"small": 0.99, "large": 1.0}, RETRIES, clock=clock)


def fail(health, model="small", times=3, error=DOWN):
    for _ in range(times):
        health.failed(model, error)


def test_a_circuit_opens_after_failures_in_a_row_and_only_that_models(health):
    fail(health, times=2)
    assert (health.is_open("small"), health.admits("small")) == (False, True)
    health.failed("small", UpstreamTimeout("p answered nothing for 60 s."))
    assert (health.is_open("small"), health.admits("small")) == (True, False)
    assert (health.is_open("large"), health.admits("large")) == (False, True)


def test_a_success_between_failures_starts_the_count_again(health):
    fail(health, times=2)
    health.succeeded("small")
    fail(health, times=2)
    assert not health.is_open("small")


def test_an_open_circuit_lets_one_call_try_after_its_time(health, clock):
    fail(health)
    clock.now += 14.9
    assert not health.admits("small")
    clock.now += 0.2
    assert not health.is_open("small")
    assert [health.admits("small") for _ in range(3)] == [True, False, False]
    assert health.is_open("small")


def test_asking_whether_a_circuit_is_open_uses_up_no_trial(health, clock):
    fail(health)
    clock.now += 16
    assert [health.is_open("small") for _ in range(3)] == [False] * 3
    assert health.admits("small")


def test_a_trial_that_succeeds_closes_the_circuit(health, clock):
    fail(health)
    clock.now += 16
    assert health.admits("small")
    health.succeeded("small")
    assert [health.admits("small") for _ in range(3)] == [True] * 3
    assert health.snapshot()["small"].state == "closed"


def test_a_trial_that_fails_opens_it_again_at_once(health, clock):
    fail(health)
    clock.now += 16
    assert health.admits("small")
    health.failed("small", DOWN)
    assert not health.admits("small")
    clock.now += 14.9
    assert not health.admits("small")


def test_a_trial_that_fails_opens_a_circuit_again_that_one_failure_had_opened(health, clock):
    health.failed("small", WRONG_KEY)
    clock.now += 16
    assert health.admits("small")
    health.failed("small", DOWN)
    assert (health.admits("small"), health.snapshot()["small"].reason) == (False, str(DOWN))


@pytest.mark.parametrize("give_back", [lambda h: h.not_called("small"), lambda h: h.failed("small", InvalidChat("x"))])
def test_a_trial_that_told_nothing_is_given_to_the_next(health, clock, give_back):
    fail(health)
    clock.now += 16
    assert health.admits("small")
    give_back(health)
    assert [health.admits("small"), health.admits("small")] == [True, False]


def test_a_trial_of_which_nobody_tells_is_given_on_after_a_while(health, clock):
    fail(health)
    clock.now += 16
    assert health.admits("small")
    clock.now += 15
    assert health.admits("small")


def upstream(status, code=None, message="p answered so."):
    error = UpstreamError(message, status=status, is_unbilled=True)
    error.upstream_code = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        InvalidChat("no"),
        upstream(400),
        upstream(413),
        upstream(422),
        upstream(404, "not_found_error", "p answered 404 (not_found_error): file_1"),
        upstream(403, None, "p answered 403: your input was flagged"),
    ],
)
def test_what_the_callers_request_is_to_blame_for_changes_nothing(health, error):
    before = health.snapshot()
    fail(health, times=50, error=error)
    assert health.snapshot() == before


@pytest.mark.parametrize(
    "error",
    [
        WRONG_KEY,
        upstream(403),
        upstream(402),
        upstream(429, "insufficient_quota"),
        upstream(404),
        upstream(404, "model_not_found"),
        upstream(404, "not_found_error", "p answered 404 (not_found_error): model: claude-1"),
    ],
)
def test_what_no_request_escapes_opens_at_once_with_its_reason(health, error):
    health.failed("small", error)
    state = health.snapshot()["small"]
    assert (state.state, state.failures_in_a_row, state.retry_in_s, state.reason) == ("open", 1, 15.0, str(error))


def test_a_circuit_stays_open_as_long_as_the_provider_asks_for(health, clock):
    fail(health, times=2)
    health.failed("small", UpstreamError("p answered 429.", status=429, retry_after_s=60.0))
    clock.now += 59
    assert health.is_open("small")
    clock.now += 2
    assert not health.is_open("small")


def test_availability_starts_at_the_cards_and_moves_by_a_fixed_share(health):
    assert health.availability("small") == 0.99
    health.failed("small", DOWN)
    assert health.availability("small") == pytest.approx(0.99 * (1 - OUTCOME_WEIGHT))
    health.succeeded("small")
    expected = 0.99 * (1 - OUTCOME_WEIGHT)
    assert health.availability("small") == pytest.approx(expected + OUTCOME_WEIGHT * (1 - expected))


def test_the_last_34_calls_weigh_half():
    assert pytest.approx(0.5, abs=0.005) == (1 - OUTCOME_WEIGHT) ** 34


def test_what_was_learned_gives_way_to_the_card_without_calls(health, clock):
    fail(health, times=30)
    learned = health.availability("small")
    clock.now += HALF_LIFE_S
    assert health.availability("small") == pytest.approx((learned + 0.99) / 2)
    clock.now += 100 * HALF_LIFE_S
    assert health.availability("small") == pytest.approx(0.99)


@given(
    st.floats(0.01, 1.0),
    st.lists(st.tuples(st.booleans(), st.floats(0.0, 1e6))),
)
def test_availability_stays_a_share_whatever_happens(prior, calls):
    clock = Clock()
    health = Health({"m": prior}, RETRIES, clock=clock)
    for is_success, passed in calls:
        clock.now += passed
        if is_success:
            health.succeeded("m")
        else:
            health.failed("m", DOWN)
        assert 0.0 <= health.availability("m") <= 1.0


@given(st.lists(st.sampled_from(["ask", "succeed", "fail", "blame", "wait", "not_called"]), max_size=60))
def test_at_most_one_call_is_under_way_until_an_opened_circuit_closes(steps):
    clock = Clock()
    health = Health({"m": 1.0}, Retries(open_after=1, open_for_s=10.0), clock=clock)
    health.failed("m", DOWN)
    trial_at = None
    for step in steps:
        if step == "wait":
            clock.now += 6.0
        elif step == "ask":
            admitted = health.admits("m")
            is_closed = health.snapshot()["m"].state == "closed"
            assert is_closed or not admitted or trial_at is None or clock.now - trial_at >= 10.0
            trial_at = clock.now if admitted else trial_at
        elif trial_at is not None:
            {
                "succeed": lambda: health.succeeded("m"),
                "fail": lambda: health.failed("m", DOWN),
                "blame": lambda: health.failed("m", InvalidChat("x")),
                "not_called": lambda: health.not_called("m"),
            }[step]()
            trial_at = None


def test_of_many_threads_one_gets_the_trial(health, clock):
    fail(health)
    clock.now += 16
    barrier, admitted = threading.Barrier(16), []

    def ask():
        barrier.wait()
        admitted.append(health.admits("small"))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(admitted) == 1


def test_another_fleet_keeps_what_was_learned_of_the_models_that_stay(health):
    fail(health)
    health.failed("large", DOWN)
    learned = health.availability("small")
    health.refit({"small": 0.99, "new": 0.9})
    assert set(health.snapshot()) == {"small", "new"}
    assert (health.is_open("small"), health.availability("small")) == (True, learned)
    assert health.snapshot()["new"] == ModelHealth("closed", 0.9, 0)


def test_a_model_that_isnt_of_the_fleet_is_let_through(health):
    fail(health, "unknown")
    health.succeeded("unknown")
    health.not_called("unknown")
    assert (health.is_open("unknown"), health.admits("unknown"), health.availability("unknown")) == (False, True, 1.0)
