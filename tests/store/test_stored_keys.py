"""Keys and users in a real database: what is kept, what isn't, and who changed it."""

import os
import sqlite3
import stat
import subprocess
from datetime import timedelta

import pytest
from ledgers import NOON
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pointsman.access import KeyRing, KeyTerms, Principal, Rates, UserRecord
from pointsman.errors import InvalidConfig, InvalidInput, LedgerUnavailable, Unauthenticated, UnknownKey
from pointsman.store import AccessChange, open_keys, upgrade
from pointsman.store.database import database

SECRET = "the secret of this deployment"
TERMS = KeyTerms(
    user="ann", team="search", name="laptop", rates=Rates(60, 1000), expires=NOON + timedelta(days=1), role="member"
)


@pytest.fixture
def keys(url, clock):
    with open_keys(url, SECRET, clock=clock) as opened:
        yield opened


@pytest.fixture
def ring(keys, clock):
    return KeyRing(keys, keys.secret, now=clock, clock=lambda: clock.now.timestamp())


def counts(ring, token):
    ring.refresh()
    try:
        return ring.principal(token)
    except Unauthenticated:
        return None


def test_a_key_is_listed_as_it_was_made_and_counts_as_its_owner(keys, ring):
    issued = keys.create(TERMS, changed_by="eve", tenant="acme")
    key = issued.key
    assert keys.listed("acme") == [key]
    assert (key.id, key.tenant, key.user, key.team, key.role) == (issued.token[3:11], "acme", "ann", "search", "member")
    assert (key.name, key.requests_per_minute, key.tokens_per_minute) == ("laptop", 60, 1000)
    assert (key.created, key.expires, key.revoked, key.last_used) == (NOON, NOON + timedelta(days=1), None, None)
    expected = Principal("acme", "member", key.id, "ann", "search", Rates(60, 1000))
    assert counts(ring, issued.token) == expected


def test_a_revoked_key_is_listed_and_counts_no_more(keys, ring, clock):
    issued = keys.create(TERMS, changed_by="eve")
    clock.step(hours=1)
    revoked = keys.revoke(issued.key.id, changed_by="bob")
    clock.step(hours=1)
    assert revoked.revoked == NOON + timedelta(hours=1)
    assert keys.revoke(issued.key.id, changed_by="bob") == revoked
    assert keys.listed() == [revoked]
    assert counts(ring, issued.token) is None


def test_a_rotated_key_keeps_its_id_and_the_secret_before_counts_for_the_overlap(keys, ring, clock):
    before = keys.create(TERMS, changed_by="eve")
    after = keys.rotate(before.key.id, changed_by="eve", overlap=timedelta(hours=1))
    assert (after.key, after.token[:12]) == (before.key, before.token[:12])
    assert after.token != before.token
    assert counts(ring, before.token) == counts(ring, after.token) is not None
    clock.step(hours=1)
    assert counts(ring, before.token) is None
    at_once = keys.rotate(before.key.id, changed_by="eve")
    assert (counts(ring, after.token), counts(ring, at_once.token).key) == (None, before.key.id)


def test_a_revoked_key_isnt_rotated(keys):
    issued = keys.create(TERMS, changed_by="eve")
    keys.revoke(issued.key.id, changed_by="eve")
    with pytest.raises(InvalidInput, match="is revoked; make another"):
        keys.rotate(issued.key.id, changed_by="eve")


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
def test_an_overlap_has_its_bounds(keys, overlap):
    with pytest.raises(InvalidInput, match="expected 0 to 30 days"):
        keys.rotate("abcdefgh", changed_by="eve", overlap=overlap)


@pytest.mark.parametrize("key_id", ["abcdefgh", "", "x' OR '1'='1", "ABCDEFGH", "\x00", "a" * 5000])
def test_an_id_that_the_tenant_doesnt_have_is_unknown(keys, key_id):
    other = keys.create(TERMS, changed_by="eve", tenant="other")
    for unknown in (key_id, other.key.id):
        with pytest.raises(UnknownKey):
            keys.revoke(unknown, changed_by="eve")
        with pytest.raises(UnknownKey):
            keys.rotate(unknown, changed_by="eve")
    assert keys.listed("other") == [other.key]


def test_users_give_their_keys_a_team_and_bound_their_role(keys, ring):
    issued = keys.create(KeyTerms(user="ann", role="admin"), changed_by="eve")
    assert (counts(ring, issued.token).role, counts(ring, issued.token).team) == ("admin", None)
    assert keys.set_user("ann", team="search", role="member", changed_by="eve") == UserRecord("ann", "search", "member")
    assert (counts(ring, issued.token).role, counts(ring, issued.token).team) == ("member", "search")
    keys.set_user("ann", team=None, role="read-only", changed_by="eve")
    keys.set_user("ann", team="other", role="admin", changed_by="eve", tenant="other")
    assert (counts(ring, issued.token).role, counts(ring, issued.token).team) == ("read-only", None)
    assert keys.users() == [UserRecord("ann", None, "read-only")]
    assert keys.users("nobody") == []


def test_a_key_with_a_team_of_its_own_keeps_it(keys, ring):
    issued = keys.create(KeyTerms(user="ann", team="night"), changed_by="eve")
    keys.set_user("ann", team="search", role="admin", changed_by="eve")
    assert (counts(ring, issued.token).team, counts(ring, issued.token).role) == ("night", "member")


def test_the_history_says_who_changed_what_and_when(keys, clock):
    issued = keys.create(KeyTerms(user="ann"), changed_by="eve")
    clock.step(minutes=1)
    keys.rotate(issued.key.id, changed_by="bob")
    keys.set_user("ann", team="search", role="member", changed_by="eve")
    keys.revoke(issued.key.id, changed_by="bob")
    keys.revoke(issued.key.id, changed_by="bob")
    made, then = '{"user": "ann", "role": "member"}', clock.now
    assert keys.history() == [
        AccessChange(1, "default", "created", issued.key.id, NOON, "eve", made),
        AccessChange(2, "default", "rotated", issued.key.id, then, "bob", ""),
        AccessChange(3, "default", "user", "ann", then, "eve", '{"team": "search", "role": "member"}'),
        AccessChange(4, "default", "revoked", issued.key.id, then, "bob", ""),
    ]
    assert keys.history(after=3) == keys.history()[3:]
    assert keys.history("other") == []


@pytest.mark.parametrize("statement", ["UPDATE access_changes SET changed_by = 'x'", "DELETE FROM access_changes"])
def test_the_history_cannot_be_rewritten(url, keys, statement):
    keys.create(TERMS, changed_by="eve")
    found = database(url)
    with pytest.raises(DBAPIError, match="append-only"), found.administering.begin() as connection:
        connection.execute(text(statement))
    found.dispose()
    assert [change.changed_by for change in keys.history()] == ["eve"]


def test_the_last_day_of_use_is_stored(keys, ring):
    issued = keys.create(TERMS, changed_by="eve")
    assert counts(ring, issued.token)
    ring.refresh()
    assert [key.last_used for key in keys.listed()] == [NOON.date()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": ""}, "user is ''; expected 1 to 200 printable characters"),
        ({"team": "a\nb"}, "team is 'a"),
        ({"name": "x" * 201}, "name is "),
        ({"user": " ann"}, "without spaces around them"),
        ({"role": "root"}, "role is 'root'; expected one of admin, member, read-only"),
        ({"rates": Rates(0)}, "requests_per_minute is 0; expected a whole number from 1 on"),
        ({"rates": Rates(None, 10**13)}, "tokens_per_minute is"),
        ({"expires": NOON.replace(tzinfo=None)}, "expected a moment with its time zone"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        KeyTerms(**change)


def test_an_expiry_that_has_passed_and_a_tenant_without_a_name_are_refused(keys):
    with pytest.raises(InvalidInput, match="expected a moment still to come"):
        keys.create(KeyTerms(expires=NOON), changed_by="eve")
    with pytest.raises(InvalidInput, match="tenant is ''"):
        keys.create(KeyTerms(), changed_by="eve", tenant="")
    with pytest.raises(InvalidInput, match="changed_by is ''"):
        keys.create(KeyTerms(), changed_by="")
    assert (keys.listed(), keys.history()) == ([], [])


def dumped(url, cluster_dump):
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            found = "\n".join(connection.iterdump())
        connection.close()
        return found
    return cluster_dump(url)


def pg_dump(url):
    bindir = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
    return subprocess.run([f"{bindir}/pg_dump", url], capture_output=True, text=True, check=True).stdout


def test_no_key_and_no_secret_is_in_a_dump_of_the_database_or_in_any_repr(url, keys, ring):
    first = keys.create(TERMS, changed_by="eve")
    tokens = [first.token, keys.rotate(first.key.id, changed_by="eve", overlap=timedelta(hours=1)).token]
    dump = dumped(url, pg_dump)
    assert first.key.id in dump
    shown = dump + repr(keys.listed()) + repr(keys.usable()) + repr(first) + repr(keys) + repr(keys.history())
    for hidden in (*(token[12:] for token in tokens), *tokens, SECRET, SECRET.encode().hex()):
        assert hidden not in shown
    assert all(counts(ring, token) for token in tokens)


def test_with_sqlite_a_secret_is_made_beside_the_file_for_its_owner_alone(tmp_path, clock):
    url = f"sqlite:///{tmp_path}/pm.db"
    with open_keys(url, clock=clock) as keys:
        issued, secret = keys.create(TERMS, changed_by="eve"), keys.secret
    path = tmp_path / "pm.db.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(secret) == 64
    with open_keys(url, clock=clock) as again:
        assert again.secret == secret
        assert counts(KeyRing(again, again.secret, now=clock, clock=lambda: 0.0), issued.token)
    assert sorted(one.name for one in tmp_path.iterdir() if "secret" in one.name) == ["pm.db.secret"]


def test_a_secret_that_others_may_read_or_that_is_too_short_is_refused(tmp_path):
    url, path = f"sqlite:///{tmp_path}/pm.db", tmp_path / "pm.db.secret"
    open_keys(url).close()
    os.chmod(path, 0o644)
    with pytest.raises(InvalidConfig, match=f"others may read it. Run: chmod 600 {path}"):
        open_keys(url)
    os.chmod(path, 0o600)
    path.write_text("hunter2")
    with pytest.raises(InvalidConfig, match="has 7 bytes; expected at least 16") as refusal:
        open_keys(url)
    assert "hunter2" not in str(refusal.value)
    path.write_bytes(b"\xff" * 32)
    with pytest.raises(InvalidConfig, match="can't be used: not text"):
        open_keys(url)


def test_postgresql_without_a_secret_is_refused_with_what_to_do(cluster):
    url = cluster.database("empty")
    with pytest.raises(InvalidConfig, match=r"need a secret that every process knows.*POINTSMAN_KEY_SECRET"):
        open_keys(url)


def test_a_postgresql_without_the_tables_is_refused(cluster):
    url = cluster.database()
    with pytest.raises(LedgerUnavailable, match="Run: pointsman db upgrade"):
        open_keys(url, SECRET)
    upgrade(url)
    open_keys(url, SECRET).close()


def test_a_change_that_is_committed_late_is_seen_though_its_number_is_lower(cluster, clock):
    """Numbers are given when a change is written, not when it is committed."""
    url = cluster.database("empty")
    with open_keys(url, SECRET, clock=clock) as keys:
        ring = KeyRing(keys, keys.secret, now=clock, clock=lambda: 0.0)
        issued, late = keys.create(TERMS, changed_by="eve"), database(url)
        with late.administering.connect() as connection, connection.begin():
            add = "INSERT INTO access_changes (tenant, kind, subject, at_us, changed_by, detail)"
            connection.execute(text(f"{add} VALUES ('default', 'revoked', '', 0, 'bob', '')"))
            keys.create(TERMS, changed_by="eve")
            assert counts(ring, issued.token)
            connection.execute(text(f"UPDATE keys SET revoked_us = 1 WHERE key_id = '{issued.key.id}'"))
        late.dispose()
        assert counts(ring, issued.token) is None


def test_a_database_that_is_gone_is_said_to_be(tmp_path, clock):
    keys = open_keys(f"sqlite:///{tmp_path}/pm.db", SECRET, clock=clock)
    keys.close()
    (tmp_path / "pm.db").unlink()
    with pytest.raises(LedgerUnavailable):
        keys.changes()
    keys.close()
