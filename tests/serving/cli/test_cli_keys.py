import json
import os
import stat

import pytest


@pytest.fixture
def keys(pointsman, tmp_path, monkeypatch):
    """Run one sub-verb on one database: keys("create", "--user", "ann")."""
    monkeypatch.delenv("POINTSMAN_KEY_SECRET", raising=False)
    return lambda *words: pointsman("keys", *words, "--database-url", f"sqlite:///{tmp_path}/pm.db")


def made(keys, *words):
    return json.loads(keys("create", *words, "--json").out)


def test_a_key_is_printed_once_and_alone(keys, tmp_path):
    code, out, err = keys("create", "--user", "ann", "--role", "admin", "--name", "laptop", "--expires-days", "30")
    token = out.strip()
    assert (code, len(token), token[:3], out.count("\n")) == (0, 55, "pm-", 1)
    assert err == f"This is the only time that the key is shown. Its id, for limits and logs: {token[3:11]}\n"
    listed = keys("list").out
    assert all(word in listed for word in (token[3:11], "laptop", "ann", "admin", "until 20"))
    assert token[12:] not in listed + keys("list", "--json").out + keys("history").out
    assert stat.S_IMODE(os.stat(tmp_path / "pm.db.secret").st_mode) == 0o600


def test_the_terms_of_a_key_are_those_of_its_options(keys):
    words = ("--team", "search", "--requests-per-minute", "60", "--tokens-per-minute", "1000", "--tenant", "acme")
    key = made(keys, "--user", "ann", *words)["key"]
    told = {name: key[name] for name in ("tenant", "user", "team", "role", "requests_per_minute", "tokens_per_minute")}
    assert told == {
        "tenant": "acme",
        "user": "ann",
        "team": "search",
        "role": "member",
        "requests_per_minute": 60,
        "tokens_per_minute": 1000,
    }
    assert json.loads(keys("list", "--json").out) == []
    assert json.loads(keys("list", "--json", "--tenant", "acme").out) == [key]


def test_a_key_is_rotated_and_revoked(keys):
    first = made(keys)
    key_id = first["key"]["id"]
    rotated = keys("rotate", key_id, "--overlap-s", "60").out.strip()
    assert (rotated[:12], rotated != first["token"]) == (first["token"][:12], True)
    assert keys("revoke", key_id).out == f"The key {key_id} is revoked; servers refuse it within a second.\n"
    assert "revoked" in keys("list").out
    assert keys("rotate", key_id) == (2, "", f"error: the key {key_id} is revoked; make another.\n")
    kinds = [change["kind"] for change in json.loads(keys("history", "--json").out)]
    assert kinds == ["created", "rotated", "revoked"]


def test_a_user_is_put_into_a_team(keys):
    told = "ann is in the team search; its keys may do at most what the role member may.\n"
    assert keys("user", "ann", "--team", "search") == (0, told, "")
    assert keys("users").out == "ann: member, team search\n"
    assert json.loads(keys("users", "--json").out) == [{"user": "ann", "team": "search", "role": "member"}]
    assert keys("user", "ann", "--role", "read-only").out.startswith("ann is in no team; ")
    assert keys("users").out == "ann: read-only, no team\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("revoke", "abcdefgh"), "there is no key with the id 'abcdefgh'; list them with: pointsman keys list"),
        (("create", "--expires-days", "0"), "expires_days is 0; expected above 0, up to 36,500."),
        (("create", "--expires-days", "nan"), "expires_days is nan; expected above 0"),
        (("create", "--user", ""), "user is ''; expected 1 to 200 printable characters"),
        (("create", "--requests-per-minute", "0"), "requests_per_minute is 0; expected a whole number from 1 on."),
        (("rotate", "abcdefgh", "--overlap-s", "-1"), "--overlap-s is -1; expected seconds from 0 on."),
        (("user", "", "--team", "x"), "user is ''"),
        (("create", "--tenant", ""), "tenant is ''"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_was_expected(keys, words, message):
    code, out, err = keys(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")


def test_the_secret_of_the_environment_is_used_and_no_file_is_made(keys, monkeypatch, tmp_path):
    monkeypatch.setenv("POINTSMAN_KEY_SECRET", "0123456789abcdef0123456789abcdef")
    assert keys("create").code == 0
    assert not (tmp_path / "pm.db.secret").exists()
    monkeypatch.setenv("POINTSMAN_KEY_SECRET", "short")
    code, _, err = keys("create")
    assert (code, "has 5 bytes; expected at least 16" in err) == (2, True)
