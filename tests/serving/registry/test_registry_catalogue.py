from datetime import date
from decimal import Decimal

import pytest

from pointsman.errors import RegistryError, UnknownModel
from pointsman.registry import Price, Tier, catalogue_prices, find_entry, find_price, nanousd_per_mtok

DAY = date(2026, 11, 21)


def test_the_catalogue_knows_two_thousand_models_most_of_them_priced():
    entries = catalogue_prices(DAY)
    assert len(entries) >= 2000
    assert sum(entry.price is not None for entry in entries) > 0.8 * len(entries)


def test_the_catalogue_is_read_once_per_process():
    assert catalogue_prices(DAY) is catalogue_prices(DAY)


def test_the_price_of_the_makers_own_offer_comes_before_resellers():
    assert find_entry("gpt-4o").provider == "openai"
    assert find_entry("claude-3-5-sonnet").provider == "anthropic"
    assert find_entry("grok-4.7").provider == "x-ai"  # also sold by providers of earlier names
    assert find_entry("o3-mini").provider == "openai"
    assert find_entry("GPT-4o") == find_entry("gpt-4o")


def test_gpt_4o_has_the_price_and_discount_its_maker_lists():
    price = find_price("gpt-4o", as_of=DAY)
    assert price.input_nanousd_per_mtok == nanousd_per_mtok("2.5")
    assert price.output_nanousd_per_mtok == nanousd_per_mtok(10)
    assert price.cached_read_nanousd_per_mtok == nanousd_per_mtok("1.25")


def test_the_price_started_last_counts_and_a_future_one_does_not():
    before, after = date(2025, 6, 9), date(2025, 6, 10)
    assert find_price("o3", "openai", before).input_nanousd_per_mtok == nanousd_per_mtok(10)
    assert find_price("o3", "openai", after).input_nanousd_per_mtok == nanousd_per_mtok(2)


def test_a_price_for_hours_of_the_day_is_left_out():
    assert find_price("deepseek-chat", "deepseek", DAY).input_nanousd_per_mtok == nanousd_per_mtok("0.135")


def test_a_tier_starts_one_token_above_the_sources_threshold():
    assert find_price("gemini-1.5-flash", "google", DAY).tiers == (
        Tier.usd_per_mtok(128_001, "0.15", "0.6", cached_read="0.0375"),
    )


def test_every_price_agrees_with_the_source_on_a_plain_request():
    from datetime import UTC, datetime

    from genai_prices import Usage
    from genai_prices.data_snapshot import get_snapshot

    noon = datetime(2026, 11, 21, 20, tzinfo=UTC)  # outside every peak hour
    by_key = {(entry.provider, entry.id): entry.price for entry in catalogue_prices(DAY)}
    checked = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            price = by_key[provider.id, model.id]
            source = model.get_prices(noon).__dict__
            if price is None or provider.id == "deepseek" or set(source) - {"input_mtok", "output_mtok"}:
                continue
            for n in (1000, 130_000, 300_000):
                expected = model.get_prices(noon).calc_price(Usage(input_tokens=n, output_tokens=500))["total_price"]
                assert abs(price.cost_nanousd(n, 500) - expected * 10**9) <= Decimal(1)
                checked += 1
    assert checked > 1000


def test_an_unknown_model_is_answered_with_the_closest_names():
    with pytest.raises(UnknownModel, match=r'No model "gpt-4oo" in the catalogue; did you mean .*gpt-4o'):
        find_price("gpt-4oo")
    with pytest.raises(UnknownModel, match=r"of anthropic.*sold by.*openai"):
        find_price("gpt-4o", "anthropic")
    with pytest.raises(UnknownModel, match="registry list --all"):
        find_price("%" * 100_000)


def test_a_model_not_priced_by_the_token_is_refused_not_free():
    with pytest.raises(RegistryError, match="without a price per token"):
        find_price("whisper-1", "openai")
    assert find_entry("whisper-1", "openai").price is None


def test_a_partial_batch_discount_counts_as_the_smallest():
    prices = {entry.id: entry.price for entry in catalogue_prices(DAY) if entry.provider in ("openai", "anthropic")}
    assert isinstance(prices["gpt-4o"], Price)
    assert prices["gpt-4o"].batch_percent == 100  # cached input keeps its rate in a batch
    assert prices["claude-opus-4-5"].batch_percent == 50
