import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.access import Principal, RateLimiter, Rates
from pointsman.access.rates import Admission, Allowance, Standing, headers_of
from pointsman.errors import RateLimited


class Clock:
    def __init__(self, now=1000.25):
        self.now = now

    def __call__(self):
        return self.now


def key(requests=None, tokens=None, name="abcdefgh"):
    return Principal(role="member", key=name, rates=Rates(requests, tokens))


def admitted(limiter, principal, tokens=0):
    try:
        limiter.admit(principal, tokens)
    except RateLimited:
        return False
    return True


STEPS = st.lists(st.tuples(st.floats(0, 40), st.integers(0, 60)), max_size=60)


@given(STEPS, st.integers(1, 6), st.integers(1, 100))
def test_no_minute_wherever_it_begins_holds_more_than_the_limits(steps, requests, tokens):
    clock, let_in = Clock(), []
    limiter, principal = RateLimiter(clock), key(requests, tokens)
    for wait, asked in steps:
        clock.now += wait
        if admitted(limiter, principal, asked):
            let_in.append((clock.now, asked))
    for start, _ in let_in:
        within = [asked for at, asked in let_in if start <= at <= start + 60]
        assert len(within) <= requests
        assert sum(within) <= tokens


@given(STEPS, st.integers(1, 6), st.integers(60, 100))
def test_whoever_waits_as_long_as_was_said_is_let_in(steps, requests, tokens):
    clock = Clock()
    limiter, principal = RateLimiter(clock), key(requests, tokens)
    for wait, asked in steps:
        clock.now += wait
        try:
            limiter.admit(principal, asked)
        except RateLimited as refusal:
            assert 1 <= refusal.retry_after_s <= 61
            clock.now += refusal.retry_after_s
            limiter.admit(principal, asked)


@given(STEPS, st.integers(1, 6), st.integers(60, 100))
def test_nobody_is_told_to_wait_a_second_too_long(steps, requests, tokens):
    clock = Clock()
    limiter, principal = RateLimiter(clock), key(requests, tokens)
    for wait, asked in steps:
        clock.now += math.floor(wait)
        try:
            limiter.admit(principal, asked)
        except RateLimited as refusal:
            clock.now += refusal.retry_after_s - 1
            if refusal.retry_after_s > 1:
                assert not admitted(limiter, principal, asked)


@given(STEPS, st.integers(1, 6))
def test_a_request_is_refused_only_where_the_last_61_seconds_are_full(steps, requests):
    clock, let_in = Clock(), []
    limiter, principal = RateLimiter(clock), key(requests)
    for wait, _ in steps:
        clock.now += wait
        recent = sum(at > clock.now - 61 for at in let_in)
        if admitted(limiter, principal):
            let_in.append(clock.now)
        else:
            assert recent >= requests


def test_a_whole_minutes_worth_may_come_at_once_and_the_next_waits():
    clock = Clock(now=1000.25)
    limiter, principal = RateLimiter(clock), key(3)
    assert [admitted(limiter, principal) for _ in range(4)] == [True, True, True, False]
    with pytest.raises(RateLimited) as refusal:
        limiter.admit(principal)
    assert refusal.value.message == (
        "the key may use 3 requests a minute; 3 are used, and this asks for 1. Try again in 61 s."
    )
    assert (refusal.value.retry_after_s, refusal.value.field) == (61, "requests_per_minute")


def test_more_than_a_minute_allows_is_refused_with_word_that_waiting_is_in_vain():
    with pytest.raises(
        RateLimited, match=r"may use 100 tokens a minute; 0 are used, and this asks for 101. That is more"
    ):
        RateLimiter(Clock()).admit(key(tokens=100), 101)


def test_a_refused_request_counts_for_nothing():
    clock = Clock()
    limiter, principal = RateLimiter(clock), key(5, 100)
    limiter.admit(principal, 100)
    assert not admitted(limiter, principal, 1)
    assert limiter.standing(principal) == Standing(Allowance(5, 4, 60.75), Allowance(100, 0, 60.75))


def test_tokens_are_trued_up_and_down():
    clock = Clock(now=1000.0)
    limiter, principal = RateLimiter(clock), key(None, 100)
    first, second = limiter.admit(principal, 40), limiter.admit(principal, 40)
    clock.now += 10
    limiter.true_up(first, 10)
    assert limiter.standing(principal).tokens.remaining == 50
    limiter.true_up(second, 95)
    assert limiter.standing(principal).tokens.remaining == 0
    with pytest.raises(RateLimited) as refusal:
        limiter.admit(principal, 1)
    assert refusal.value.retry_after_s == 51
    clock.now += 51
    assert limiter.standing(principal).tokens == Allowance(100, 45, 10.0)
    clock.now += 10
    assert limiter.standing(principal).tokens == Allowance(100, 100, 0.0)


def test_what_a_request_is_expected_to_use_is_counted_once_it_is_known():
    clock = Clock(now=1000.0)
    limiter, principal = RateLimiter(clock), key(None, 100)
    admission = limiter.admit(principal, 1)
    clock.now += 5
    expected = limiter.expect(principal, admission, 60)
    assert expected == Admission("abcdefgh", 1005, 60)
    assert limiter.standing(principal).tokens == Allowance(100, 40, 61.0)
    with pytest.raises(RateLimited, match="60 are used, and this asks for 41"):
        limiter.expect(principal, expected, 101)
    assert limiter.standing(principal).tokens.remaining == 40
    limiter.true_up(expected, 30)
    assert limiter.standing(principal).tokens.remaining == 70
    assert limiter.expect(principal, limiter.admit(principal, 50), 10).tokens == 10
    assert limiter.standing(principal).tokens.remaining == 60


def test_a_stream_that_outlives_the_minute_gives_nothing_back_and_still_pays_for_more():
    clock = Clock(now=1000.0)
    limiter, principal = RateLimiter(clock), key(None, 100)
    admissions = [limiter.admit(principal, 30) for _ in range(2)]
    clock.now += 300
    limiter.true_up(admissions[0], 0)
    limiter.true_up(admissions[1], 50)
    assert limiter.standing(principal).tokens.remaining == 80


def test_keys_have_limits_of_their_own_and_callers_without_one_share_theirs():
    limiter = RateLimiter(Clock())
    assert admitted(limiter, key(1, name="a")) and admitted(limiter, key(1, name="b"))
    nobody = Principal(rates=Rates(1))
    assert [admitted(limiter, nobody), admitted(limiter, nobody)] == [True, False]


@pytest.mark.parametrize(("limit", "processes", "share"), [(100, 4, 25), (10, 4, 2), (3, 4, 1), (None, 4, 50)])
def test_each_of_several_processes_lets_in_its_share(limit, processes, share):
    limiter = RateLimiter(Clock(), processes=processes)
    counts = Counter(admitted(limiter, key(limit)) for _ in range(50))
    assert counts[True] == share


def test_keys_that_no_longer_ask_are_forgotten():
    clock = Clock()
    limiter = RateLimiter(clock)
    for number in range(10_000):
        limiter.admit(key(5, name=f"k{number}"))
    clock.now += 62
    limiter.admit(key(5))
    assert len(limiter._windows) == 1


def test_a_key_that_asks_without_end_is_remembered_by_the_second():
    clock = Clock()
    limiter, principal = RateLimiter(clock), key(10**6)
    for _ in range(5000):
        clock.now += 0.1
        limiter.admit(principal)
    assert len(limiter._windows["abcdefgh"].seconds) <= 61


def test_the_headers_are_those_of_openais_api():
    standing = Standing(Allowance(60, 59, 0.0125), Allowance(1000, 7, 61.0))
    assert headers_of(standing) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"59"),
        (b"x-ratelimit-reset-requests", b"13ms"),
        (b"x-ratelimit-limit-tokens", b"1000"),
        (b"x-ratelimit-remaining-tokens", b"7"),
        (b"x-ratelimit-reset-tokens", b"1m1s"),
    ]
    assert headers_of(Standing(None, None)) == []


def test_an_admission_says_what_was_counted():
    assert RateLimiter(Clock(now=7.9)).admit(key(None, 10), 4) == Admission("abcdefgh", 7, 4)
