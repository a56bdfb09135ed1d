import pytest

from pointsman.access import KeyTerms
from pointsman.http import create_app
from pointsman.http.guard import open_gate
from pointsman.settings import KeySettings, RequestLimits
from pointsman.store import open_keys


@pytest.fixture
def keys(tmp_path):
    with open_keys(f"sqlite:///{tmp_path}/pm.db") as opened:
        yield opened


@pytest.fixture
def gate(keys):
    return open_gate(keys, KeySettings(required=True), RequestLimits())


@pytest.fixture
def app(router, gate, keys):
    return create_app(router, gate=gate, keys=keys)


@pytest.fixture
def admin(keys, gate):
    """Return the key of an admin of the tenant "acme"."""
    issued = keys.create(KeyTerms(role="admin", name="first"), changed_by="cli", tenant="acme")
    gate.ring.refresh()
    return issued


@pytest.fixture
def ask(app, call, gate, admin):
    def send(method, path, data=None, token=admin.token):
        body = {} if data is None else {"json": data}
        response = call(app, method, path, headers={"Authorization": f"Bearer {token}"}, **body)
        gate.ring.refresh()
        return response

    return send


def test_an_admin_makes_a_key_of_its_tenant_which_counts_at_once_and_is_shown_once(ask, admin):
    made = ask("POST", "/v1/keys", {"user": "ann", "team": "search", "name": "laptop", "requests_per_minute": 60})
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    token, key = made.json()["token"], made.json()["key"]
    assert (key["id"], key["tenant"], key["user"], key["team"], key["role"]) == (
        *(token[3:11], "acme", "ann", "search", "member"),
    )
    assert ask("POST", "/v1/route", {"text": "x"}, token=token).status_code == 200
    listed = ask("GET", "/v1/keys")
    assert [one["id"] for one in listed.json()["keys"]] == [admin.key.id, key["id"]]
    assert token[12:] not in listed.text


def test_a_key_is_rotated_and_revoked(ask):
    made = ask("POST", "/v1/keys", {}).json()
    path = f"/v1/keys/{made['key']['id']}"
    rotated = ask("POST", f"{path}/rotate")
    assert (rotated.status_code, rotated.headers["cache-control"]) == (200, "no-store")
    assert rotated.json()["key"]["id"] == made["key"]["id"]
    tokens = [made["token"], rotated.json()["token"]]
    assert [ask("GET", "/v1/models", token=token).status_code for token in tokens] == [401, 200]
    overlapping = ask("POST", f"{path}/rotate", {"overlap_s": 60}).json()["token"]
    assert [ask("GET", "/v1/models", token=token).status_code for token in (tokens[1], overlapping)] == [200, 200]
    revoked = ask("DELETE", path)
    assert (revoked.status_code, revoked.json()["revoked"] is None) == (200, False)
    assert ask("GET", "/v1/models", token=overlapping).status_code == 401


def test_an_admin_ends_and_sees_no_key_and_no_user_of_another_tenant(ask, keys):
    other = keys.create(KeyTerms(user="bob"), changed_by="cli", tenant="other")
    keys.set_user("bob", team=None, role="member", changed_by="cli", tenant="other")
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        refused = ask(method, f"/v1/keys/{other.key.id}{path}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_key")
    assert other.key.id not in ask("GET", "/v1/keys").text
    assert ask("GET", "/v1/users").json() == {"users": []}
    assert keys.listed("other") == [other.key]


def test_a_user_is_put_into_a_team(ask, keys, admin):
    record = {"user": "ann", "team": "search", "role": "read-only"}
    assert ask("PUT", "/v1/users", record).json() == record
    assert ask("GET", "/v1/users").json() == {"users": [record]}
    token = ask("POST", "/v1/keys", {"user": "ann", "role": "admin"}).json()["token"]
    assert ask("GET", "/v1/keys", token=token).status_code == 403
    assert keys.history("acme")[-1].changed_by == f"key:{admin.key.id}"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/v1/keys", {"role": "root"}, "role"),
        ("POST", "/v1/keys", {"user": 7}, "user"),
        ("POST", "/v1/keys", {"tenant": "other"}, "tenant"),
        ("POST", "/v1/keys", {"expires_days": 0}, "expires_days"),
        ("POST", "/v1/keys", {"expires_days": 1e9}, "expires_days"),
        ("POST", "/v1/keys", {"requests_per_minute": 0}, "requests_per_minute"),
        ("POST", "/v1/keys", {"tokens_per_minute": 1.5}, "tokens_per_minute"),
        ("POST", "/v1/keys/abcdefgh/rotate", {"overlap_s": -1}, "overlap_s"),
        ("POST", "/v1/keys/abcdefgh/rotate", {"overlap_s": 1e200}, "overlap_s"),
        ("PUT", "/v1/users", {"team": "search"}, "user"),
        ("PUT", "/v1/users", {"user": ""}, "user"),
        ("PUT", "/v1/users", {"user": "ann", "role": ""}, "role"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_field(ask, method, path, body, field):
    refused = ask(method, path, body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)


def test_where_no_key_is_required_keys_are_still_managed_with_one(router, keys, call):
    gate = open_gate(keys, KeySettings(required=False), RequestLimits())
    app = create_app(router, gate=gate, keys=keys)
    refused = call(app, "POST", "/v1/keys", json={"role": "admin"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "pointsman keys create --role admin" in refused.json()["error"]["message"]
    assert call(app, "GET", "/v1/keys").status_code == 403


def test_without_a_database_there_are_no_routes_of_keys(router, call):
    assert call(create_app(router), "GET", "/v1/keys").status_code == 404


def test_the_document_describes_keys_and_users(ask):
    document = ask("GET", "/openapi.json").json()
    assert {"/v1/keys", "/v1/keys/{id}", "/v1/keys/{id}/rotate", "/v1/users"} <= set(document["paths"])
    schemas = document["components"]["schemas"]
    assert set(schemas["KeyRequest"]["properties"]) == {
        *("user", "team", "role", "name", "expires_days", "requests_per_minute", "tokens_per_minute"),
    }
    text = str(document["paths"])
    for name in ("KeyList", "IssuedKey", "UserList", "UserRecord", "KeyRecord", "RotationRequest", "UserRequest"):
        assert f"#/components/schemas/{name}" in text
        assert name in schemas


def test_the_examples_of_the_document_are_accepted(ask):
    paths = ask("GET", "/openapi.json").json()["paths"]
    made = ask("POST", "/v1/keys", {}).json()["key"]["id"]
    count = 0
    for path, method in (("/v1/keys", "post"), ("/v1/keys/{id}/rotate", "post"), ("/v1/users", "put")):
        content = paths[path][method]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            assert ask(method.upper(), path.replace("{id}", made), example["value"]).status_code == 200
            count += 1
    assert count == 4
