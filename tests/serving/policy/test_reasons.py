import pytest

from pointsman.policy import reason

CHEAP, DEAR = ("cheap", 0.81, 1_000_000), ("dear", 0.92, 4_000_000)


def said(chosen=CHEAP, strongest=DEAR, **words):
    given = {"strategy": "cost-optimised", "task_words": "simple testing", "is_measured": True, "excluded": 0}
    return reason(chosen, strongest, **(given | words))


def test_the_cheaper_choice_says_what_the_strongest_would_cost():
    assert said() == (
        "cheap is expected to do this simple testing task well with probability 0.81 for $0.0010; "
        "dear would reach 0.92 for 4x the price, which the gain isn't worth."
    )


def test_a_rival_that_costs_less_than_twice_is_told_in_dollars():
    assert said(strongest=("dear", 0.92, 1_500_000)).endswith(
        "; dear would reach 0.92 for $0.0015, which the gain isn't worth."
    )


def test_a_free_choice_is_compared_in_dollars():
    assert said(chosen=("free", 0.5, 0)) == (
        "free is expected to do this simple testing task well with probability 0.50 for $0.00; "
        "dear would reach 0.92 for $0.0040, which the gain isn't worth."
    )


@pytest.mark.parametrize("strategy", ["weighted", "quality-first"])
def test_only_the_cost_optimised_strategy_says_that_the_gain_is_not_worth_it(strategy):
    assert said(strategy=strategy).endswith("; dear would reach 0.92 for 4x the price.")


def test_the_strongest_itself_is_called_the_best_on_offer():
    assert said(chosen=DEAR) == (
        "dear is expected to do this simple testing task well with probability 0.92 for $0.0040, "
        "the best quality on offer."
    )


def test_a_stronger_rival_that_costs_no_more_is_told_without_a_price():
    assert said(strongest=("rival", 0.9, 900_000), strategy="weighted").endswith("for $0.0010; rival would reach 0.90.")


def test_a_prior_is_called_a_prior():
    assert said(is_measured=False).endswith(
        "isn't worth. Its ability is a prior: no outcomes of this model were learned from."
    )


@pytest.mark.parametrize(("excluded", "words"), [(1, "1 model was not able."), (3, "3 models were not able.")])
def test_excluded_models_are_counted(excluded, words):
    assert said(excluded=excluded).endswith(f"isn't worth. {words}")
