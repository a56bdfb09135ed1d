import pytest

from pointsman import errors
from pointsman.errors import HTTP_STATUS, MissingExtra, PointsmanError, http_status

CODES_AND_STATUSES = {
    "PointsmanError": ("error", 500),
    "InvalidInput": ("invalid_input", 422),
    "InvalidTask": ("invalid_task", 422),
    "InvalidFile": ("invalid_file", 422),
    "InvalidOutcomes": ("invalid_outcomes", 422),
    "InvalidBudget": ("invalid_budget", 422),
    "InvalidBill": ("invalid_bill", 422),
    "InvalidConfig": ("invalid_config", 422),
    "InvalidChat": ("invalid_request", 400),
    "RegistryError": ("invalid_registry", 422),
    "UnknownModel": ("unknown_model", 404),
    "BundleError": ("invalid_bundle", 503),
    "NoEligibleModel": ("no_eligible_model", 422),
    "BudgetTooSmall": ("budget_too_small", 402),
    "LedgerError": ("ledger", 500),
    "BudgetExceeded": ("budget_exceeded", 402),
    "FrozenScope": ("frozen_scope", 402),
    "HoldConflict": ("hold_conflict", 409),
    "UnknownHold": ("unknown_hold", 404),
    "LedgerUnavailable": ("ledger_unavailable", 503),
    "AccessError": ("access", 500),
    "Unauthenticated": ("unauthenticated", 401),
    "Forbidden": ("forbidden", 403),
    "UnknownKey": ("unknown_key", 404),
    "RateLimited": ("rate_limited", 429),
    "Overloaded": ("overloaded", 503),
    "NotCached": ("not_cached", 504),
    "UpstreamError": ("upstream", 502),
    "UpstreamTimeout": ("upstream_timeout", 504),
    "ParityError": ("parity", 500),
    "MissingExtra": ("missing_extra", 500),
}


def error_classes():
    return {
        name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
    }


def raised(kind):
    return kind("Tracking", "train") if kind is MissingExtra else kind("what came", field="place")


def test_every_error_is_a_pointsman_error_with_its_code_and_status():
    found = {name: (kind.code, http_status(raised(kind))) for name, kind in error_classes().items()}
    assert found == CODES_AND_STATUSES
    assert all(issubclass(kind, PointsmanError) for kind in error_classes().values())


def test_the_drawn_tree_shows_every_error_under_its_parent():
    parents = {}
    above = {0: "PointsmanError"}
    for line in errors.__doc__.splitlines()[3:]:
        depth, name = len(line) - len(line.lstrip("│├└─ ")), line.lstrip("│├└─ ").split()[0]
        parents[name] = above[depth // 4 - 1]
        above[depth // 4] = name
    actual = {name: kind.__base__.__name__ for name, kind in error_classes().items() if kind is not PointsmanError}
    assert parents == actual


def test_a_subclass_without_a_status_of_its_own_takes_its_parents():
    kind = type("LimitReached", (errors.BudgetTooSmall,), {})
    assert kind not in HTTP_STATUS
    assert http_status(kind("x")) == 402


@pytest.mark.parametrize("kind", [kind for kind in error_classes().values() if kind is not MissingExtra])
def test_an_error_carries_its_message_and_field(kind):
    error = raised(kind)
    assert (str(error), error.message, error.field) == ("what came", "what came", "place")
    assert kind("what came").field is None


def test_a_missing_extra_names_the_command_that_installs_it():
    assert str(MissingExtra("Tracking", "train")) == (
        'Tracking needs the extra "train". Install it with: pip install "pointsman[train]"'
    )
