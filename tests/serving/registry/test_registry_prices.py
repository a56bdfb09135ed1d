from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.errors import RegistryError
from pointsman.registry import FREE, Price, Tier, TokenUsage, nanousd_per_mtok

TIERED = Price(
    2_500_000_000,
    10_000_000_000,
    1_250_000_000,
    3_125_000_000,
    batch_percent=50,
    tiers=(Tier(5_000_000_000, 15_000_000_000, 2_500_000_000, 6_250_000_000, from_tokens=1001),),
)
counts = st.integers(0, 10**7)
amounts = st.integers(0, 10**12)


def test_a_whole_million_of_each_costs_the_stated_dollars():
    assert Price.usd_per_mtok("2.5", 10).cost_nanousd(1_000_000, 1_000_000) == 12_500_000_000


def test_a_price_finer_than_a_nano_usd_per_token_is_exact():
    # 0.0375 USD per million = 37.5 nano-USD per token: 2 tokens 75, 3 tokens 112.5, rounded up to 113.
    price = Price.usd_per_mtok(0.0375, "0.15")
    assert [price.cost_nanousd(n, 0) for n in (1, 2, 3)] == [38, 75, 113]
    # 3 x 37.5 + 1 x 150 = 262.5: rounded up once, not per part.
    assert price.cost_nanousd(3, 1) == 263


def test_cached_tokens_are_part_of_the_input_and_charged_once():
    # 1000 in all: 300 fresh x 2500 + 600 read x 1250 + 100 written x 3125 + 200 out x 10000
    expected = 750_000 + 750_000 + 312_500 + 2_000_000
    assert TIERED.cost_nanousd(1000, 200, cached_read_tokens=600, cached_write_tokens=100) == expected


def test_cached_tokens_without_a_rate_pay_the_input_rate():
    price = Price.usd_per_mtok(2, 8)
    assert price.cost_nanousd(1000, 0, cached_read_tokens=400, cached_write_tokens=600) == price.cost_nanousd(1000, 0)


def test_a_batch_pays_its_percent_of_the_whole():
    assert TIERED.cost_nanousd(1000, 200, is_batch=True) == (2_500_000 + 2_000_000) // 2
    assert Price.usd_per_mtok(2, 8).cost_nanousd(7, 1, is_batch=True) == 7 * 2000 + 8000


def test_a_tier_replaces_all_rates_from_its_first_token_on():
    assert TIERED.cost_nanousd(1000, 10) == 1000 * 2500 + 10 * 10_000
    assert TIERED.cost_nanousd(1001, 10) == 1001 * 5000 + 10 * 15_000
    assert TIERED.cost_nanousd(1001, 0, cached_read_tokens=1001) == 1001 * 2500


def test_rates_that_are_not_stated_fall_back_to_their_kind():
    # 100 cached for an hour at the rate of other writes, 3.125; 40 of the 50 written are reasoning at the output's, 10
    usage = TokenUsage(100, 50, cached_write_hour_tokens=100, reasoning_tokens=40)
    assert TIERED.bill_nanousd(usage) == 100 * 3125 + 50 * 10_000
    stated = replace(TIERED, cached_write_hour_nanousd_per_mtok=5_000_000_000, reasoning_nanousd_per_mtok=1_000_000)
    assert stated.bill_nanousd(usage) == 100 * 5000 + 10 * 10_000 + 40


def test_a_free_price_charges_nothing():
    assert FREE.is_free
    assert FREE.cost_nanousd(10**9, 10**9) == 0


@pytest.mark.parametrize(
    ("tokens", "cached", "field"),
    [((-1, 0), (0, 0), "input_tokens"), ((0, -1), (0, 0), "output_tokens"), ((5, 0), (-1, 0), "cached_read_tokens"),
     ((5, 0), (0, True), "cached_write_tokens"), ((5, 0), (3, 3), "input_tokens"), ((1.5, 0), (0, 0), "input_tokens")],
)  # fmt: skip
def test_impossible_counts_are_refused(tokens, cached, field):
    with pytest.raises(RegistryError) as refusal:
        TIERED.cost_nanousd(*tokens, cached_read_tokens=cached[0], cached_write_tokens=cached[1])
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("usd", "nanousd"),
    [(2.5, 2_500_000_000), ("0.0375", 37_500_000), (Decimal("0.000000001"), 1), (0.1, 10**8), (0, 0), ("1e-9", 1)],
)
def test_dollars_become_nano_usd_exactly(usd, nanousd):
    assert nanousd_per_mtok(usd) == nanousd


@pytest.mark.parametrize(
    "usd",
    [float("nan"), float("inf"), -1, -0.01, True, None, "two", "", [], "1e-10",
     pytest.param(10**5000, id="huge"), "1e999999999", "NaN", "sNaN",
     "1.0000000000000000000000000000000000000000000000000001", "1e-999999999"],
)  # fmt: skip
def test_what_is_no_amount_of_dollars_is_refused(usd):
    with pytest.raises(RegistryError, match=r"price\.input is"):
        nanousd_per_mtok(usd, "price.input")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Price(-1, 0),
        lambda: Price(1.5, 0),
        lambda: Price(None, 0),
        lambda: Price(1, 1, batch_percent=0),
        lambda: Price(1, 1, batch_percent=101),
        lambda: Tier(1, 1, from_tokens=0),
        lambda: Price(1, 1, tiers=(Tier(1, 1, from_tokens=9), Tier(1, 1, from_tokens=9))),
    ],
)
def test_a_price_that_makes_no_sense_is_refused(make):
    with pytest.raises(RegistryError):
        make()


@given(amounts, amounts, st.none() | amounts, counts, counts, counts, st.booleans(), st.integers(1, 100))
def test_more_tokens_never_cost_less(input_rate, output_rate, read_rate, n_in, n_out, more, is_batch, percent):
    price = Price(input_rate, output_rate, read_rate, batch_percent=percent)
    cost = price.cost_nanousd(n_in, n_out, is_batch=is_batch)
    assert cost <= price.cost_nanousd(n_in + more, n_out, is_batch=is_batch)
    assert cost <= price.cost_nanousd(n_in, n_out + more, is_batch=is_batch)
    assert price.cost_nanousd(n_in, n_out, is_batch=True) <= price.cost_nanousd(n_in, n_out)


@given(amounts, amounts, counts, counts)
def test_the_cost_is_the_exact_one_rounded_up(input_rate, output_rate, n_in, n_out):
    exact = Decimal(n_in * input_rate + n_out * output_rate) / 10**6
    assert 0 <= Price(input_rate, output_rate).cost_nanousd(n_in, n_out) - exact < 1


@given(st.integers(0, 10**12))
def test_printed_dollars_read_back_as_the_same_nano_usd(nanousd):
    assert nanousd_per_mtok(float(Decimal(nanousd) / 10**9)) == nanousd
