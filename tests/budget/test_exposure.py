"""Invoices worked by hand, and the law that no invoice exceeds what was held for it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import force_setattr

from pointsman.budget.exposure import Attempt, Exposure, exposure, invoice_nanousd, most_nanousd, prompt_bound
from pointsman.errors import InvalidTask, RegistryError
from pointsman.registry import FREE, ModelCard, Price, Tier, TokenUsage

USD = 10**9  # nano-USD
# In USD per million tokens: input 3, output 15, cached read 0.30, cached write 3.75, cached for an hour 6.
SONNET = Price(3 * USD, 15 * USD, 300_000_000, 3_750_000_000, 6 * USD)


def card(price: Price, *, context: int = 200_000, output: int = 8_192) -> ModelCard:
    return ModelCard(
        id="m", name="M", price=price, context_tokens=context, max_output_tokens=output, latency_ms=1, availability=1
    )


def test_an_invoice_with_a_cached_prompt():
    # 12,000 input tokens: 10,000 read from the cache, 1,500 written to it, 500 fresh. 800 output tokens.
    #    500 x 3.00 / 1M = 0.0015 USD
    # 10,000 x 0.30 / 1M = 0.0030
    #  1,500 x 3.75 / 1M = 0.005625
    #    800 x 15.0 / 1M = 0.0120
    #                sum   0.022125 USD = 22,125,000 nano-USD
    usage = TokenUsage(12_000, 800, cached_read_tokens=10_000, cached_write_tokens=1_500)
    assert invoice_nanousd(SONNET, usage) == 22_125_000


def test_an_invoice_with_tokens_cached_for_an_hour():
    # 2,000 cached for an hour x 6.00 / 1M = 0.012 USD; 1,000 for minutes x 3.75 / 1M = 0.00375; 10 fresh = 0.00003
    usage = TokenUsage(3_010, 0, cached_write_tokens=1_000, cached_write_hour_tokens=2_000)
    assert invoice_nanousd(SONNET, usage) == 12_000_000 + 3_750_000 + 30_000


def test_an_invoice_past_a_tier_pays_the_tier_for_every_token():
    # From 200,001 tokens on: input 6, output 22.5, cached read 0.6 USD per million, from the first token.
    price = Price(
        3 * USD, 15 * USD, 300_000_000, tiers=(Tier(6 * USD, 22_500_000_000, 600_000_000, from_tokens=200_001),)
    )
    # 200,000: 200,000 x 3 / 1M = 0.60, and 1,000 x 15 / 1M = 0.015
    assert invoice_nanousd(price, TokenUsage(200_000, 1_000)) == 615_000_000
    # 200,001, of which 100,000 cached: 100,001 x 6 / 1M = 0.600006, 100,000 x 0.6 / 1M = 0.06, 1,000 x 22.5 = 0.0225
    usage = TokenUsage(200_001, 1_000, cached_read_tokens=100_000)
    assert invoice_nanousd(price, usage) == 600_006_000 + 60_000_000 + 22_500_000


def test_an_invoice_of_a_batch_pays_half():
    # (10,000 x 3 + 2,000 x 15) / 1M = 0.06 USD; half of it 0.03
    price = Price(3 * USD, 15 * USD, batch_percent=50)
    assert invoice_nanousd(price, TokenUsage(10_000, 2_000), is_batch=True) == 30_000_000
    assert invoice_nanousd(price, TokenUsage(10_000, 2_000)) == 60_000_000


def test_an_invoice_with_reasoning_tokens_counts_them_once():
    # 1,000 in x 2 = 0.002; 3,000 out of which 2,500 are reasoning. At one rate, 8: 0.024.
    assert invoice_nanousd(Price(2 * USD, 8 * USD), TokenUsage(1_000, 3_000, reasoning_tokens=2_500)) == 26_000_000
    # With a rate of its own, 3: 500 x 8 = 0.004, 2,500 x 3 = 0.0075
    price = Price(2 * USD, 8 * USD, reasoning_nanousd_per_mtok=3 * USD)
    assert invoice_nanousd(price, TokenUsage(1_000, 3_000, reasoning_tokens=2_500)) == 13_500_000


def test_a_provider_that_states_less_than_its_tokens_cost_is_not_believed():
    usage = TokenUsage(1_000, 100)  # 0.003 + 0.0015
    assert invoice_nanousd(SONNET, usage, stated_nanousd=0) == 4_500_000
    assert invoice_nanousd(SONNET, usage, stated_nanousd=5_000_000) == 5_000_000
    with pytest.raises(InvalidTask, match="whole nano-USD from 0"):
        invoice_nanousd(SONNET, usage, stated_nanousd=-1)


def test_the_exposure_takes_every_prompt_token_at_its_dearest_kind():
    # 1,000 x 3.75 (all of it may be written to the cache) + 500 x 15
    held = exposure(card(SONNET), Attempt(1_000, 500))
    assert held == Exposure(3_750_000 + 7_500_000, 1_000, 500, 500)
    # 6 where the hour's cache is used
    hour = exposure(card(SONNET), Attempt(1_000, 500, caches_for_an_hour=True))
    assert hour.amount_nanousd == 6_000_000 + 7_500_000


@pytest.mark.parametrize(
    ("asked", "plan", "limit"),
    [(None, None, 4_096), (None, 500, 500), (2_000, 500, 500), (300, 500, 300), (50_000, None, 8_192),
     (None, 50_000, 8_192)],
)  # fmt: skip
def test_output_is_clamped_to_the_least_of_caller_plan_and_model(asked, plan, limit):
    held = exposure(card(SONNET), Attempt(10, asked), plan)
    assert (held.max_output_tokens, held.output_tokens) == (limit, limit)


def test_a_prompt_counts_as_the_context_at_most_and_each_answer_counts():
    held = exposure(card(SONNET, context=10_000), Attempt(40_000, 5_000, answers=3))
    # 10,000 x 3.75 + 3 x 5,000 x 15
    assert held == Exposure(37_500_000 + 225_000_000, 10_000, 15_000, 5_000)


def test_what_has_no_price_is_not_reserved():
    unpriced = card(SONNET)
    force_setattr(unpriced, "price", None)
    with pytest.raises(RegistryError, match="m has no price, so nothing can be reserved"):
        exposure(unpriced, Attempt(10))
    with pytest.raises(RegistryError, match="no price for tokens cached for an hour"):
        exposure(card(Price(3 * USD, 15 * USD)), Attempt(10, caches_for_an_hour=True))
    assert exposure(card(FREE), Attempt(10, caches_for_an_hour=True)).amount_nanousd == 0


@pytest.mark.parametrize(
    "make",
    [lambda: Attempt(-1), lambda: Attempt(1.5), lambda: Attempt(True), lambda: Attempt(1, 0), lambda: Attempt(1, 5, 0),
     lambda: Attempt(10**10)],
)  # fmt: skip
def test_impossible_attempts_are_refused(make):
    with pytest.raises(InvalidTask, match="expected a whole number"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: TokenUsage(-1, 0),
        lambda: TokenUsage(1, 0, 2),
        lambda: TokenUsage(1, 0, 0, 1, 1),
        lambda: TokenUsage(1, 1, 0, 0, 0, 2),
    ],
)
def test_impossible_usage_is_refused(make):
    with pytest.raises(RegistryError):
        make()


rates = st.integers(1, 10**11)
optional = st.none() | st.integers(0, 10**11)


@st.composite
def prices(draw):
    def kinds():
        return [draw(rates), draw(rates), *(draw(optional) for _ in range(4))]

    starts = sorted(draw(st.sets(st.integers(1, 30_000), max_size=3)))
    tiers = tuple(Tier(*kinds(), from_tokens=start) for start in starts)
    return Price(*kinds(), batch_percent=draw(st.integers(1, 100)), tiers=tiers)


@settings(deadline=None)
@given(prices(), st.integers(0, 40_000), st.integers(0, 20_000), st.booleans(), st.booleans(), st.data())
def test_no_invoice_exceeds_the_exposure(price, most_input, most_output, hour, is_batch, data):
    attempt = Attempt(most_input, caches_for_an_hour=hour, is_batch=is_batch)
    n_input = data.draw(st.integers(0, most_input))
    read = data.draw(st.integers(0, n_input))
    written = data.draw(st.integers(0, n_input - read))
    for_hour = data.draw(st.integers(0, n_input - read - written)) if hour else 0
    output = data.draw(st.integers(0, most_output))
    usage = TokenUsage(n_input, output, read, written, for_hour, data.draw(st.integers(0, output)))
    assert invoice_nanousd(price, usage, is_batch=is_batch) <= most_nanousd(price, attempt, most_output)


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4))
def test_the_prompt_bound_counts_at_least_every_character(texts):
    assert prompt_bound(texts) >= sum(map(len, texts)) + len(texts)
