import copy

import pytest

from pointsman.errors import RegistryError
from pointsman.registry import FREE, Price, Tier, card_to_dict, parse_cards

CARD = {
    "id": "gpt-4o",
    "name": "GPT-4o",
    "provider": "openai",
    "price": {
        "input": 2.5,
        "output": 10,
        "cached_read": 1.25,
        "tiers": [{"from_tokens": 1000, "input": 5, "output": 20}],
    },
    "context_tokens": 128_000,
    "max_output_tokens": 16_384,
    "latency_ms": 1500,
    "availability": 0.99,
    "capabilities": ["vision", "tools"],
    "task_types": ["coding", "Code-Review", "code_generation"],
    "quality": 0.9,
    "kin": "gpt-4o",
    "kin_shift": 0.5,
    "is_prior_note": "a  prior\n",
    "tier": "standard",
}
REQUIRED = ("id", "name", "context_tokens", "max_output_tokens", "latency_ms", "availability")


def changed(**fields):
    return {**copy.deepcopy(CARD), **fields}


def refusal(entries, **options):
    with pytest.raises(RegistryError) as raised:
        parse_cards(entries, **options)
    return raised.value


def test_a_full_card_is_read_with_every_field_canonical():
    (card,) = parse_cards([CARD])
    tier = Tier.usd_per_mtok(1000, 5, 20)
    assert card.price == Price(2_500_000_000, 10_000_000_000, 1_250_000_000, tiers=(tier,))
    assert card.task_types == ("code_generation", "code_review")
    assert (card.capabilities, card.is_prior_note, card.is_prior) == (("vision", "tools"), "a prior", True)
    assert (card.latency_ms, card.tier, card.kin_shift) == (1500.0, "standard", 0.5)


def test_a_card_written_as_plain_data_reads_back_equal():
    cards = parse_cards([CARD, changed(id="free-one", price=None, free=True)], None)
    assert parse_cards([card_to_dict(card) for card in cards], None) == cards


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_named(field):
    entry = changed()
    del entry[field]
    error = refusal([CARD, entry])
    assert f"{field} is missing" in error.message
    assert error.message.startswith("Registry entry 2")
    assert error.field == f"models[1].{field}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 5), ("id", ""), ("id", "a b"), ("id", "a\x00"), ("name", None), ("name", "   "), ("name", "x" * 1001),
        ("provider", 1), ("context_tokens", 0), ("context_tokens", 1.5), ("context_tokens", True),
        ("context_tokens", "128k"), ("max_output_tokens", 128_001), ("latency_ms", 0), ("latency_ms", float("nan")),
        ("latency_ms", "fast"), ("availability", 0), ("availability", 1.01), ("availability", float("nan")),
        ("quality", -0.1), ("quality", 1.1), ("quality", True), ("kin", ["gpt-4o"]), ("kin_shift", 3.1),
        ("kin_shift", -4), ("kin_shift", float("nan")), ("tier", "gold"), ("tier", ["mini"]),
        ("capabilities", "vision"),
        ("capabilities", ["telepathy"]), ("capabilities", None), ("task_types", ["juggling"]), ("task_types", []),
        ("task_types", [1]), ("colour", "red"), pytest.param("context_tokens", 10**5000, id="huge"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_with_entry_and_field(field, value):
    error = refusal([changed(id="a"), changed(**{"id": "b", field: value})], known_price=None)
    assert error.message.startswith("Registry entry 2")
    assert field in error.message
    assert error.field == f"models[1].{field}"


@pytest.mark.parametrize(
    ("price", "field"),
    [
        (None, "price"),
        (5, "price"),
        ({}, "price.input"),
        ({"input": 1}, "price.output"),
        ({"input": 0, "output": 1}, "price.input"),
        ({"input": 0, "output": 0, "cached_read": 1}, "price.input"),
        ({"input": 1, "output": "1"}, "price.output"),
        ({"input": float("nan"), "output": 1}, "price.input"),
        ({"input": 1, "output": -1}, "price.output"),
        ({"input": 1, "output": True}, "price.output"),
        ({"input": 1, "output": 1, "batch_percent": 50.5}, "price.batch_percent"),
        ({"input": 1, "output": 1, "discount": 3}, "price.discount"),
        ({"input": 1, "output": 1, "tiers": 3}, "price.tiers"),
        ({"input": 1, "output": 1, "tiers": [{"from_tokens": 5, "input": 1}]}, "price.tiers[0].output"),
        ({"input": 1, "output": 1, "tiers": [{"from_tokens": 5, "input": 0, "output": 1}]}, "price.tiers[0].input"),
        ({"input": 1, "output": 1, "tiers": [{"input": 1, "output": 1}]}, "price.tiers"),
        ({"input": 1000.01, "output": 1}, "price.input"),
    ],
)
def test_a_wrong_price_is_refused_with_its_field(price, field):
    error = refusal([changed(price=price)], known_price=None)
    assert error.message.startswith('Registry entry 1 ("gpt-4o"): ')
    assert error.field == f"models[0].{field}"


def test_two_zero_prices_are_not_taken_as_free():
    assert "free: true" in refusal([changed(price={"input": 0, "output": 0})], known_price=None).message


def test_free_must_be_said_and_said_alone():
    assert parse_cards([changed(price=None, free=True)])[0].price == FREE
    assert refusal([changed(free=True)]).field == "models[0].free"
    assert refusal([changed(price=None, free="yes")]).field == "models[0].free"
    assert "never taken as free" in refusal([changed(price=None, free=False)]).message


def test_a_price_per_token_typed_as_millions_is_refused_and_the_unit_asked():
    error = refusal([changed(id="a"), changed(id="b"), changed(price={"input": 2.5, "output": 600_000})])
    assert error.message == (
        'Registry entry 3 ("gpt-4o"): price.output is 0.6 USD per token (600000 per million), above 1,000 USD per '
        "million tokens; did you mean per million tokens?"
    )


def test_a_price_a_thousand_times_off_the_catalogue_is_refused_either_way():
    def listed(model_id):
        return Price.usd_per_mtok(1, 1)

    low = refusal([changed(price={"input": 0.001, "output": 1})], known_price=listed)
    assert "1,000x below the catalogue's 1 USD" in low.message
    high = refusal([changed(price={"input": 1, "output": 1000})], known_price=listed)
    assert "1,000x above the catalogue's 1 USD" in high.message
    assert parse_cards([changed(price={"input": 0.00101, "output": 999})], listed)


def test_the_installed_catalogue_catches_a_price_per_thousand():
    assert refusal([changed(price={"input": 0.0025, "output": 0.01})]).field == "models[0].price.input"


def test_equal_ids_are_refused_naming_both_entries():
    error = refusal([changed(id="a"), CARD, CARD])
    assert "entries 2 and 3" in error.message
    assert error.field == "models[2].id"


@pytest.mark.parametrize("entries", [None, {}, "gpt-4o", 5])
def test_models_must_be_a_list(entries):
    assert refusal(entries).field == "models"


def test_an_entry_that_is_no_mapping_is_refused():
    assert refusal([["gpt-4o"]]).message.startswith("Registry entry 1: the entry is list")


def test_a_card_states_what_the_hours_cache_and_reasoning_cost():
    price = {"input": 3, "output": 15, "cached_write": 3.75, "cached_write_hour": 6, "reasoning": 0.5}
    (card,) = parse_cards([changed(price=price)])
    assert (card.price.cached_write_hour, card.price.reasoning) == (6_000_000_000, 500_000_000)
    assert card_to_dict(card)["price"] == price
    assert refusal([changed(price={**price, "reasoning": -1})]).field == "models[0].price.reasoning"
