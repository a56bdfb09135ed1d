from datetime import UTC, datetime

import pytest

from pointsman.gateway.answers import Answers
from pointsman.http import create_app
from pointsman.settings import CacheSettings

SEEDS = {"seeds": [{"prompt": "How do I leave?", "answer": "By the door."}]}
EMPTY = {
    "entries": 0,
    "exact_hits": 0,
    "semantic_hits": 0,
    "misses": 0,
    "hit_rate": None,
    "tokens_saved": 0,
    "saved_nanousd": 0,
}


@pytest.fixture
def caching(router):
    answers = Answers(
        None, CacheSettings(enabled=True), None, clock=lambda: datetime(2026, 11, 21, tzinfo=UTC), sync_every_s=None
    )
    return create_app(router, answers=answers)


def test_answers_given_beforehand_are_counted_and_cleared(caching, call):
    assert call(caching, "GET", "/v1/cache").json() == EMPTY
    assert call(caching, "POST", "/v1/cache/seed", json=SEEDS).json() == {"seeded": 1}
    assert call(caching, "GET", "/v1/cache").json() == EMPTY | {"entries": 2}
    assert call(caching, "DELETE", "/v1/cache").json() == {"cleared": 2}
    assert call(caching, "GET", "/v1/cache").json() == EMPTY


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "seeds is missing or empty"),
        ({"seeds": []}, "seeds is missing or empty"),
        ({"seeds": [*SEEDS["seeds"], {"prompt": "a"}]}, "seeds[1]: answer is NoneType; expected text."),
    ],
)
def test_seeds_that_cant_be_used_are_refused_and_none_is_kept(caching, call, body, message):
    refused = call(caching, "POST", "/v1/cache/seed", json=body)
    assert refused.status_code == 422
    assert message in refused.json()["error"]["message"]
    assert call(caching, "GET", "/v1/cache").json() == EMPTY


def test_the_routes_are_documented_where_they_are_and_absent_without_a_cache(caching, app, call):
    document = call(caching, "GET", "/openapi.json").json()
    assert set(document["paths"]["/v1/cache"]) == {"get", "delete"}
    named = {"CacheStatistics", "CacheCleared", "CacheSeeded", "SeedRequest"}
    assert named <= set(document["components"]["schemas"])
    assert call(app, "GET", "/v1/cache").status_code == 404
