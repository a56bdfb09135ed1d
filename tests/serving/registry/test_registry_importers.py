import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidFile, RegistryError
from pointsman.registry import Fleet, ModelCard, Price, Tier, import_seed_registry, load_fleet, parse_cards, write_fleet
from pointsman.types import CAPABILITIES, TASK_TYPES

SEED = {
    "id": "gpt-4o-mini",
    "name": "GPT-4o Mini",
    "capabilities": ["code_generation", "debugging", "documentation"],
    "costPer1kTokens": 0.00015,
    "performance": {"latency": 1000, "quality": 0.85},
    "availability": 0.99,
}

words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"]),
    min_size=1,
    max_size=12,
)
rates = st.integers(1, 1000 * 10**9)
cached = st.none() | st.integers(0, 1000 * 10**9)
tier_starts = st.lists(st.integers(1, 10**6), max_size=3, unique=True).map(sorted)


@st.composite
def prices(draw):
    if draw(st.booleans()):
        return Price(0, 0)
    tiers = tuple(
        Tier(draw(rates), draw(rates), draw(cached), draw(cached), from_tokens=start) for start in draw(tier_starts)
    )
    batch_percent = draw(st.integers(1, 100))
    return Price(draw(rates), draw(rates), draw(cached), draw(cached), batch_percent=batch_percent, tiers=tiers)


@st.composite
def cards(draw, model_id):
    context = draw(st.integers(1, 10**9))
    return ModelCard(
        id=model_id,
        name=draw(words),
        price=draw(prices()),
        context_tokens=context,
        max_output_tokens=draw(st.integers(1, context)),
        latency_ms=draw(st.floats(0, 1e9, exclude_min=True)),
        availability=draw(st.floats(0, 1, exclude_min=True)),
        provider=draw(st.none() | words),
        capabilities=tuple(draw(st.lists(st.sampled_from(CAPABILITIES), unique=True))),
        task_types=draw(st.none() | st.lists(st.sampled_from(TASK_TYPES), min_size=1, unique=True).map(tuple)),
        quality=draw(st.none() | st.floats(0, 1)),
        kin=draw(st.none() | words),
        kin_shift=draw(st.floats(-3, 3)),
        is_prior_note=draw(st.none() | words),
        tier=draw(st.sampled_from(["mini", "standard", "premium", None])),
    )


@st.composite
def fleets(draw):
    ids = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    baseline = draw(st.none() | st.sampled_from(ids))
    return Fleet(draw(words), tuple(draw(cards(name)) for name in ids), baseline, draw(st.none() | words))


@given(fleets(), st.sampled_from(["fleet.yaml", "fleet.json"]))
def test_a_written_fleet_reads_back_equal(tmp_path_factory, fleet, name):
    path = tmp_path_factory.mktemp("fleets") / name
    write_fleet(path, fleet)
    assert load_fleet(path) == fleet
    assert os.listdir(path.parent) == [name]


@pytest.mark.parametrize("name", ["default", "seeds", "current"])
def test_a_built_in_fleet_written_reads_back_equal(tmp_path, name):
    write_fleet(tmp_path / "copy.yaml", load_fleet(name))
    assert load_fleet(tmp_path / "copy.yaml") == load_fleet(name)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    with pytest.raises(InvalidFile, match="can't be written"):
        write_fleet(tmp_path / "absent" / "fleet.yaml", load_fleet("default"))
    (tmp_path / "fleet.yaml").mkdir()
    with pytest.raises(InvalidFile, match="can't be written"):
        write_fleet(tmp_path / "fleet.yaml", load_fleet("default"))
    assert os.listdir(tmp_path) == ["fleet.yaml"]


@pytest.mark.parametrize("wrap", [lambda entries: entries, lambda entries: {"models": entries}])
def test_the_seeds_shape_imports_as_it_is(wrap):
    (card,) = parse_cards(import_seed_registry(wrap([SEED])))
    assert card.price == Price.usd_per_mtok("0.15", "0.15")
    assert card.task_types == ("code_generation", "debugging", "documentation")
    assert (card.capabilities, card.latency_ms, card.quality, card.availability) == ((), 1000.0, 0.85, 0.99)
    assert card.context_tokens == 128_000  # the catalogue's
    assert card.is_prior


def test_capabilities_that_are_no_task_types_stay_capabilities():
    entry = {**SEED, "id": "my-own", "capabilities": ["vision", "Code Review"]}
    (card,) = parse_cards(import_seed_registry([entry]))
    assert (card.capabilities, card.task_types, card.context_tokens) == (("vision",), ("code_review",), 32_000)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"capabilities": ["telepathy"]}, "capabilities"),
        ({"capabilities": [5]}, "capabilities"),
        ({"capabilities": "vision"}, "capabilities"),
        ({"costPer1kTokens": "0.1"}, "costPer1kTokens"),
        ({"costPer1kTokens": None}, "costPer1kTokens"),
        ({"performance": {"latency": 1}}, "performance.quality"),
        ({"performance": 5}, "performance"),
        ({"price": 5}, "price"),
    ],
)
def test_what_the_seeds_shape_lacks_is_refused_with_entry_and_field(change, field):
    with pytest.raises(RegistryError) as refusal:
        import_seed_registry([SEED, {**SEED, **change}])
    assert refusal.value.message.startswith('Registry entry 2 ("gpt-4o-mini"): ')
    assert refusal.value.field == f"models[1].{field}"


def test_an_unknown_capability_is_answered_with_the_list():
    with pytest.raises(RegistryError, match=r"expected any of vision, tools, json_mode, code_generation"):
        import_seed_registry([{**SEED, "capabilities": ["telepathy"]}])


@pytest.mark.parametrize("data", [None, {}, 5, {"models": {}}, [5], [[]]])
def test_another_shape_is_refused(data):
    with pytest.raises(RegistryError):
        import_seed_registry(data)


@pytest.mark.parametrize("cost", [0, float("nan"), -1, float("inf"), 0.00000015])
def test_an_impossible_seed_price_is_refused_by_the_cards(cost):
    with pytest.raises(RegistryError, match=r"price\.input"):
        parse_cards(import_seed_registry(json.loads(json.dumps([{**SEED, "costPer1kTokens": cost}]))))
