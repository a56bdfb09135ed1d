"""Going live by steps: a share of the callers is routed, each always or never."""

from gateways import running_gateway
from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.rollout import is_in


def asked_by(user):
    return {"model": "auto", "user": user, "messages": [{"role": "user", "content": "Say hello in French"}]}


def served(gateway, user):
    answer = gateway.post("/v1/chat/completions", asked_by(user))
    assert answer.status_code == 200, answer.text
    return answer.headers["x-pointsman-model"]


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_who_is_in_a_share_is_in_every_greater_one(caller, one, other):
    less, more = sorted((one, other))
    assert not is_in(less, caller) or is_in(more, caller)
    assert is_in(1.0, caller)
    assert not is_in(0.0, caller)


def test_a_share_holds_about_as_many_callers_as_it_says():
    assert 450 < sum(is_in(0.25, f"user {number}") for number in range(2000)) < 550


def test_callers_outside_of_the_rollout_get_the_baseline_and_always_the_same(provider, tmp_path):
    routing = {"baseline": "gpt-4o", "profile": "fast", "strategy": "cost-aggressive", "confidence": "off"}
    with running_gateway(tmp_path, provider.url, routing={**routing, "rollout": 0.5}) as gateway:
        users = [f"user {number}" for number in range(12)]
        first = {user: served(gateway, user) for user in users}
        assert {user: model == "gpt-4o" for user, model in first.items()} == {
            user: not is_in(0.5, f"default\0{user}") for user in users
        }
        assert {user: served(gateway, user) for user in users} == first


def test_a_rollout_of_nothing_is_the_way_back(provider, tmp_path):
    routing = {"baseline": "gpt-4o", "profile": "fast", "rollout": 0}
    with running_gateway(tmp_path, provider.url, routing=routing) as gateway:
        assert {served(gateway, f"user {number}") for number in range(4)} == {"gpt-4o"}
