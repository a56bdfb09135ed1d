import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.access import ACCESS_ROLES, ANONYMOUS, Principal, check_reach, payers
from pointsman.access.roles import CALLING, is_open, lesser, reaches, rule_of
from pointsman.errors import Forbidden

ANN = Principal(tenant="acme", role="member", key="abcdefgh", user="ann", team="search")
SERVICE = Principal(tenant="acme", role="admin", key="abcdefgh")
READER = Principal(role="read-only", key="abcdefgh")
ROLES = st.sampled_from(ACCESS_ROLES)


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/v1/budgets", "read-only"),
        ("GET", "/v1/stats/cost", "read-only"),
        ("GET", "/stats", "read-only"),
        ("GET", "/metrics", "read-only"),
        ("POST", "/v1/route", "member"),
        ("POST", "/route", "member"),
        ("POST", "/v1/chat/completions", "member"),
        ("POST", "/v1/messages", "member"),
        ("PUT", "/v1/budgets/user:ann", "admin"),
        ("DELETE", "/v1/keys/abcdefgh", "admin"),
        ("POST", "/v1/keys", "admin"),
        ("DELETE", "/v1/cache", "admin"),
        ("POST", "/reset", "admin"),
        ("POST", "/v1/budgets", None),
        ("GET", "/v1/nothing", None),
        ("GET", "/v1/v1/stats", None),
        ("GET", "/v1stats", None),
        ("GET", "//v1/stats", None),
        ("get", "/v1/stats", None),
    ],
)
def test_the_table_says_the_least_role(method, path, least):
    assert rule_of(method, path) == least


def test_what_calls_models_has_a_rule_each():
    assert {rule_of("POST", subject) for subject in CALLING} == {"member"}


@given(ROLES, ROLES)
def test_roles_are_in_one_order(one, other):
    assert reaches(one, other) or reaches(other, one)
    assert reaches(one, lesser(one, other)) and reaches(other, lesser(one, other))
    assert (reaches(one, other) and reaches(other, one)) == (one == other)


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "X"]), st.text(max_size=30).map("/{}".format))
def test_whoever_reaches_an_address_is_joined_by_every_higher_role(method, path):
    def may(role):
        try:
            check_reach(Principal(role=role), method, path)
        except Forbidden:
            return False
        return True

    allowed = [may(role) for role in ("read-only", "member", "admin")]
    assert allowed == sorted(allowed)
    assert allowed[-1]


def test_a_refusal_names_the_role_that_it_takes_and_the_one_there_is():
    with pytest.raises(Forbidden) as refusal:
        check_reach(READER, "POST", "/v1/route")
    assert refusal.value.message == (
        "POST /v1/route takes the role member; the key abcdefgh has the role read-only. "
        "Ask an admin for a key that may."
    )
    with pytest.raises(Forbidden, match="takes the role admin, as does every address that doesn't exist; the key"):
        check_reach(ANN, "GET", "/v1/nothing")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/docs", "/openapi.json"])
def test_whether_the_server_lives_is_open_to_be_read(path):
    assert is_open("GET", path)
    assert not is_open("POST", path)


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/livez/", "/livez/../v1/keys", ""])
def test_nothing_else_is_open(path):
    assert not is_open("GET", path)


def test_a_key_says_who_pays_and_the_caller_the_rest():
    stated = {"project": "site", "agent": "crawler", "session": "7", "user": "ann"}
    assert payers(ANN, stated) == {**stated, "team": "search", "key": "abcdefgh"}
    assert payers(ANN, {"tenant": "acme"}) == {"user": "ann", "team": "search", "key": "abcdefgh"}


@pytest.mark.parametrize("kind", ["tenant", "user", "team", "key"])
def test_a_member_cannot_let_another_pay(kind):
    with pytest.raises(Forbidden) as refusal:
        payers(ANN, {kind: "bob"})
    assert refusal.value.field == f"tags.{kind}"
    assert "the key abcdefgh says who pays" in refusal.value.message


def test_an_admins_key_without_a_user_may_name_one_and_nothing_else():
    assert payers(SERVICE, {"user": "bob"}) == {"user": "bob", "key": "abcdefgh"}
    for kind in ("tenant", "team", "key"):
        with pytest.raises(Forbidden):
            payers(SERVICE, {kind: "bob"})
    with pytest.raises(Forbidden):
        payers(Principal(role="member", key="abcdefgh"), {"user": "bob"})


@given(st.dictionaries(st.sampled_from(["tenant", "team", "user", "key", "project", "agent"]), st.text(max_size=5)))
def test_whatever_is_stated_the_payers_of_a_key_are_its_own(stated):
    try:
        found = payers(ANN, stated)
    except Forbidden:
        return
    assert {kind: found.get(kind) for kind in ("team", "user", "key")} == ANN.tags()
    assert "tenant" not in found


def test_without_keys_all_is_as_stated():
    assert payers(ANONYMOUS, {"user": "bob", "team": "x"}) == {"user": "bob", "team": "x"}
