import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidTask
from pointsman.money import MAX_USD, NANO, format_usd, nanousd, usd


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [(0, 0), (1, NANO), (0.1, 100_000_000), (2.5e-9, 2), (3.5e-9, 4), (1e-10, 0), (12.5, 12_500_000_000), (-0.0, 0)],
)
def test_dollars_are_rounded_half_to_even_to_nano_usd(dollars, expected):
    amount = nanousd(dollars)
    assert (amount, type(amount)) == (expected, int)


@pytest.mark.parametrize("dollars", [float("nan"), float("inf"), -float("inf"), True, None, "1", 1j])
def test_an_amount_that_is_no_finite_number_is_refused_by_the_name_of_its_field(dollars):
    with pytest.raises(InvalidTask) as refusal:
        nanousd(dollars, field="limit_usd")
    assert refusal.value.field == "limit_usd"
    assert refusal.value.message == f"limit_usd is {dollars!r}; expected a finite number of dollars, such as 0.05."


@pytest.mark.parametrize("dollars", [-1e-12, -5, MAX_USD + 1, 1e300])
def test_an_amount_out_of_range_is_refused(dollars):
    with pytest.raises(InvalidTask, match=r"^budget_usd is .* USD; expected 0 to 1,000,000,000\.$"):
        nanousd(dollars)


@given(st.integers(0, 10**15))
def test_nano_usd_survive_the_way_over_dollars(amount):
    assert nanousd(usd(amount)) == amount


@given(st.floats(0, MAX_USD), st.floats(0, MAX_USD))
def test_more_dollars_are_never_fewer_nano_usd(one, other):
    assert nanousd(min(one, other)) <= nanousd(max(one, other))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (12_500_000_000, "$12.50"),
        (3_100_000, "$0.0031"),
        (420, "$0.00000042"),
        (0, "$0.00"),
        (1, "$0.000000001"),
        (12, "$0.000000012"),
        (NANO, "$1.00"),
        (500_000_000, "$0.50"),
        (50_000_000, "$0.050"),
        (30_367_711, "$0.030"),
        (1_234_567_890_000, "$1,234.57"),
        (999_999_999, "$1.00"),
    ],
)
def test_an_amount_is_shown_with_as_many_digits_as_it_needs(amount, text):
    assert format_usd(amount) == text


@given(st.integers(1, 10**15))
def test_a_shown_amount_is_within_half_of_its_last_digit_and_five_percent(amount):
    shown = float(format_usd(amount).removeprefix("$").replace(",", ""))
    assert shown == pytest.approx(usd(amount), rel=0.05)
