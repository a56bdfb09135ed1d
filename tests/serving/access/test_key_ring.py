import logging
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pointsman.access import KeyRing, Principal, Rates
from pointsman.access.tokens import digest_of, new_token
from pointsman.errors import LedgerUnavailable, Unauthenticated

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = b"the secret of this deployment"

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal_of(ring, token):
    with pytest.raises(Unauthenticated) as refusal:
        ring.principal(token)
    return refusal.value.message


def test_a_key_names_whose_it_is(ring, token):
    assert ring.principal(token) == Principal(role="member", key=token[3:11], user="ann")


@SHARED
@given(data=st.data())
def test_no_altered_key_is_ever_accepted(ring, token, data):
    place = data.draw(st.integers(0, len(token)))
    length = data.draw(st.integers(0, 3))
    other = data.draw(st.text(st.one_of(st.sampled_from(string.ascii_letters + "-_="), st.characters()), max_size=3))
    altered = token[:place] + other + token[place + length :]
    assume(altered != token)
    refusal_of(ring, altered)


@pytest.mark.parametrize("end", ["A", " ", "=", "\n", "\0", "A" * 10_000])
def test_a_key_with_something_after_it_is_another(ring, token, end):
    refusal_of(ring, token + end)


@SHARED
@given(st.text(max_size=200))
def test_no_text_that_is_no_key_is_accepted(ring, text):
    refusal_of(ring, text)


def test_every_refusal_has_the_same_words_and_repeats_nothing(shelf, ring, token):
    expired, other = (new_token(lambda count, n=n: bytes([n]) * count) for n in (7, 8))
    shelf.put(expired, expires=NOON - timedelta(seconds=1))
    ring.refresh()
    tried = (expired, other, token[:-1] + "A", "", "sk-1234", "pm-")
    messages = {refusal_of(ring, one) for one in tried}
    assert len(messages) == 1
    assert not any(one[3:11] in messages.pop() for one in (expired, other) if messages)


def test_a_key_whose_digest_is_all_zero_bytes_opens_nothing_for_those_without_one(shelf, ring):
    """A key before its first rotation has no digest from before: nothing equals that."""
    token = new_token(lambda count: bytes(count))
    shelf.put(token, previous_until=NOON + timedelta(days=1))
    ring.refresh()
    refusal_of(ring, token[:-1] + "B")


def test_an_expiry_counts_to_the_moment(shelf, ring, token):
    ending = new_token(lambda count: b"\7" * count)
    shelf.put(ending, expires=NOON + timedelta(seconds=5))
    ring.refresh()
    shelf.seconds += 4.999
    assert ring.principal(ending).key == ending[3:11]
    shelf.seconds += 0.001
    refusal_of(ring, ending)


def test_the_secret_before_a_rotation_counts_for_its_overlap(shelf, ring):
    before, after = (new_token(lambda count, n=n: bytes([9] * 5 if count == 5 else [n] * count)) for n in (1, 2))
    shelf.put(after, previous=digest_of(SECRET, before), previous_until=NOON + timedelta(seconds=10))
    ring.refresh()
    assert ring.principal(before) == ring.principal(after)
    shelf.seconds += 10
    assert ring.principal(after).key == after[3:11]
    refusal_of(ring, before)


def test_what_is_revoked_stops_counting_at_the_next_refresh(shelf, ring, token):
    shelf.stored.clear()
    shelf.count += 1
    assert ring.principal(token)
    assert ring.refresh()
    refusal_of(ring, token)


def test_keys_are_read_again_only_where_they_were_changed(shelf, ring, token):
    reads = shelf.reads
    assert [ring.refresh() for _ in range(3)] == [False, False, False]
    assert shelf.reads == reads


def test_a_database_gone_for_a_minute_closes_the_ring_and_its_return_opens_it(shelf, ring, token):
    shelf.is_gone = True
    shelf.seconds += 60
    with pytest.raises(LedgerUnavailable):
        ring.refresh()
    assert ring.principal(token)
    shelf.seconds += 0.001
    with pytest.raises(LedgerUnavailable, match="couldn't be read from the database for a minute"):
        ring.principal(token)
    shelf.is_gone = False
    ring.refresh()
    assert ring.principal(token)


def test_a_ring_that_was_never_read_accepts_nothing(shelf, token):
    with pytest.raises(LedgerUnavailable):
        KeyRing(shelf, SECRET, now=shelf.now, clock=lambda: shelf.seconds).principal(token)


def test_a_key_without_rates_has_the_servers(shelf, token):
    own = new_token(lambda count: b"\7" * count)
    shelf.put(own, principal=Principal(role="member", key=own[3:11], rates=Rates(requests_per_minute=5)))
    ring = KeyRing(shelf, SECRET, now=shelf.now, clock=lambda: shelf.seconds, defaults=Rates(60, 1000))
    ring.refresh()
    assert ring.principal(token).rates == Rates(60, 1000)
    assert ring.principal(own).rates == Rates(5, 1000)


def test_the_last_day_of_use_is_kept_once_a_day(shelf, ring, token):
    ring.principal(token)
    ring.principal(token)
    ring.refresh()
    ring.principal(token)
    ring.refresh()
    assert shelf.used == [({token[3:11]}, NOON.date())]
    shelf.seconds += 86_400
    ring.refresh()
    ring.principal(token)
    ring.refresh()
    assert shelf.used[1:] == [({token[3:11]}, NOON.date() + timedelta(days=1))]


def test_keys_stored_under_another_secret_are_told_of_and_refused(shelf, ring, caplog):
    foreign = new_token(lambda count: b"\7" * count)
    shelf.put(foreign, secret=b"the secret of another deployment")
    with caplog.at_level(logging.ERROR, logger="pointsman.access"):
        ring.refresh()
    assert "1 of 1 keys were stored under another secret" in caplog.text
    refusal_of(ring, foreign)


def test_nothing_that_a_ring_says_of_itself_has_a_secret(shelf, ring, token, caplog):
    shown = repr(ring) + repr(ring._keys) + repr(shelf.stored) + caplog.text
    assert token[12:] not in shown
    assert repr(digest_of(SECRET, token)) not in shown
    assert repr(SECRET) not in shown
