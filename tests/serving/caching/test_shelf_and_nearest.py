"""The entries in memory beside a plain model of them."""

import numpy as np
from cachedchats import answer
from hypothesis import given
from hypothesis import strategies as st

from pointsman.caching.nearest import Neighbourhood, unit
from pointsman.caching.shelf import Shelf
from pointsman.caching.words import Entry

STEPS = st.lists(st.tuples(st.sampled_from(["add", "get", "remove"]), st.integers(0, 6)), max_size=60)


def entry(number, tenant="a", size=1):
    return Entry(tenant, bytes([number]), answer("x" * size))


@given(STEPS)
def test_a_shelf_is_a_list_by_last_use_that_loses_its_head(steps):
    shelf, model = Shelf(3), []
    for step, number in steps:
        if step == "add":
            model = [one for one in model if one != number] + [number]
            model = model[-3:]
            shelf.add(entry(number))
        elif step == "get":
            found = shelf.get("a", bytes([number]))
            assert (found is not None) == (number in model)
            if found is not None:
                model = [one for one in model if one != number] + [number]
        else:
            shelf.remove("a", bytes([number]))
            model = [one for one in model if one != number]
        assert [one.digest[0] for one in shelf.of("a")] == model
        assert len(shelf) == shelf.count(None) == len(model)


def test_a_flood_of_one_tenant_takes_nothing_from_another():
    shelf = Shelf(10)
    shelf.add(entry(0, "quiet"))
    for number in range(100):
        shelf.add(entry(number, "loud"))
    assert (shelf.count("quiet"), shelf.count("loud")) == (1, 9)


def test_answers_together_stay_below_the_bytes():
    shelf = Shelf(100, max_bytes=1000)
    for number in range(50):
        shelf.add(entry(number, size=100))
    assert [one.digest[0] for one in shelf.of(None)] == list(range(40, 50))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=80), st.integers(0, 2**32 - 1))
def test_the_nearest_are_those_of_a_full_search(steps, seed):
    rng = np.random.default_rng(seed)
    vectors = [unit(rng.normal(size=6)) for _ in range(31)]
    near, model = Neighbourhood(most=12), {}
    for is_added, number in steps:
        digest = bytes([number])
        if is_added:
            if digest not in model and len(model) == 12:
                del model[next(iter(model))]
            model.setdefault(digest, vectors[number])
            near.add(digest, vectors[number])
        else:
            model.pop(digest, None)
            near.remove(digest)
    wanted = unit(rng.normal(size=6))
    found = near.nearest(wanted, at_least=0.1, most=5)
    by_hand = sorted(((float(vector @ wanted), digest) for digest, vector in model.items()), reverse=True)
    expected = [cosine for cosine, _ in by_hand if cosine >= 0.1][:5]
    np.testing.assert_allclose([cosine for _, cosine in found], expected, rtol=1e-5)
    assert len(near) == len(model)


def test_an_embedding_of_zeros_is_near_nothing():
    near = Neighbourhood()
    near.add(b"a", unit(np.zeros(4)))
    assert near.nearest(unit(np.ones(4)), at_least=0.5, most=1) == []
