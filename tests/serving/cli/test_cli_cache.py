import json

import pytest


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/cache.db"


def test_seeds_are_kept_counted_and_cleared(pointsman, jsonl, url):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is the exit?"}]
    path = jsonl({"prompt": "How do I leave?", "answer": "By the door."}, {"messages": messages, "answer": "Left."})
    assert pointsman("cache", "seed", path, "--database-url", url) == (
        0,
        "2 questions have an answer beforehand.\n",
        "",
    )
    code, out, _ = pointsman("cache", "stats", "--database-url", url)
    assert (code, out) == (0, "4 answers; no lookups yet: 0 exact, 0 semantic, 0 missed.\nSaved 0 tokens and $0.00.\n")
    found = json.loads(pointsman("cache", "stats", "--json", "--database-url", url).out)
    assert found == {
        "entries": 4,
        "exact_hits": 0,
        "semantic_hits": 0,
        "misses": 0,
        "hit_rate": None,
        "tokens_saved": 0,
        "saved_nanousd": 0,
    }
    assert pointsman("cache", "clear", "--tenant", "other", "--database-url", url).out == "0 answers forgotten.\n"
    assert pointsman("cache", "clear", "--database-url", url).out == "4 answers forgotten.\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prompt": "a"}, "line 2: answer is NoneType; expected text."),
        ({"prompt": "", "answer": "b"}, "line 2: prompt is empty; expected text."),
        ({"answer": "b"}, "line 2 needs prompt or messages, and not both"),
        ({"prompt": "a", "answer": "b", "tenant": "c"}, "line 2 has the unknown field 'tenant'"),
        ({"messages": [{"role": "assistant", "content": "a"}], "answer": "b"}, "expected one user turn"),
        (["a", "b"], "line 2 is list; expected an object"),
    ],
)
def test_a_seed_that_cant_be_used_is_named_by_its_line_and_none_is_kept(pointsman, jsonl, url, line, message):
    path = jsonl({"prompt": "How do I leave?", "answer": "By the door."}, line)
    code, out, err = pointsman("cache", "seed", path, "--database-url", url)
    assert (code, out) == (2, "")
    assert message in err
    assert pointsman("cache", "stats", "--database-url", url).out.startswith("0 answers")
