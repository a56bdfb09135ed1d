from pathlib import Path
from types import MappingProxyType

import pytest

from pointsman.budget import Scope
from pointsman.budget.parsing import load_rules, parse_rules
from pointsman.budget.rules import PRO_PLAN, Caps, Plan, Rules, Tiers
from pointsman.errors import InvalidBudget, InvalidFile

USD = 10**9
WHOLE = """\
# what we may spend
budgets:
  currency: USD
  daily_usd: 20
  monthly_usd: 300.5
  total_usd: unlimited
  request_usd: 0.25
  task_types: {architecture: 5, Debugging: 10%}
  tiers: {simple: 20%, medium: 8, complex: 30%}
  borrowing: {after: 75%}
  each:
    user: {daily_usd: 1, plan: free}
    tenant: {monthly_usd: 100}
  named:
    user:ann: {daily_usd: 3, plan: gold}
    team:search: {monthly_usd: 50}
  plans:
    free: {monthly_input_tokens: 9, monthly_output_tokens: unlimited}
    gold: {max_output_tokens: 8000, rollover: 0%}
  default_plan: free
  alerts: [95%, 50%]
"""


def written(tmp_path, text, name="budgets.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_says_everything(tmp_path):
    gold = Plan("gold", max_output_tokens=8000, rollover_percent=0)
    assert load_rules(written(tmp_path, WHOLE)) == Rules(
        everyone=Caps(20 * USD, 300_500_000_000),
        request_nanousd=250_000_000,
        task_types=MappingProxyType({"architecture": 5 * USD, "debugging": 2 * USD}),
        tiers=Tiers(MappingProxyType({"simple": 4 * USD, "medium": 8 * USD, "complex": 6 * USD}), 75),
        each=MappingProxyType({"user": Caps(daily=USD, plan="free"), "tenant": Caps(monthly=100 * USD)}),
        named=MappingProxyType(
            {Scope("user", "ann"): Caps(daily=3 * USD, plan="gold"), Scope("team", "search"): Caps(monthly=50 * USD)}
        ),
        plans=MappingProxyType({"free": Plan("free", monthly_input_tokens=9), "pro": PRO_PLAN, "gold": gold}),
        default_plan="free",
        alert_percents=(50, 95),
    )


def test_nothing_said_is_the_default(tmp_path):
    assert parse_rules(None) == parse_rules({}) == load_rules(written(tmp_path, "budgets: {}\n")) == Rules()


def test_a_section_and_a_file_of_its_own_say_the_same(tmp_path):
    alone = written(tmp_path, "daily_usd: 5\n", "alone.yaml")
    section = written(tmp_path, "other: 1\nbudgets:\n  daily_usd: 5\n", "section.yaml")
    json = written(tmp_path, '{"daily_usd": 5}', "alone.json")
    assert load_rules(alone) == load_rules(section) == load_rules(json)
    assert load_rules(alone).tiers.nanousd == {"simple": USD, "medium": 2_500_000_000, "complex": 1_500_000_000}


def test_what_is_unlimited_has_no_tiers_unless_they_are_in_dollars():
    assert parse_rules({"daily_usd": "unlimited"}).tiers is None
    own = parse_rules({"daily_usd": "unlimited", "tiers": {"simple": 1, "medium": 2, "complex": 3}})
    assert (own.everyone.daily, sum(own.tiers.nanousd.values())) == (None, 6 * USD)
    assert own.tiers.borrow_after_percent is None  # no limit of the day would catch two tiers that borrow at once
    assert parse_rules({"tiers": False}).tiers is None
    assert parse_rules({"borrowing": False}).tiers.borrow_after_percent is None


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("daily_usd: 20", "daily_usd: -5", 4, "daily_usd is -5 USD; expected 0 to 1,000,000,000"),
        ("daily_usd: 20", "daily_usd: .nan", 4, "daily_usd is nan; expected a finite number of dollars"),
        ("daily_usd: 20", "daily_usd: .inf", 4, "daily_usd is inf; expected a finite number of dollars"),
        ("daily_usd: 20", "daily_usd: 1e12", 4, "daily_usd is"),
        ("daily_usd: 20", "daily_usd:", 4, 'daily_usd is None; expected a number of dollars, such as 10, or "unlim'),
        ("daily_usd: 20", "daily_usd: true", 4, "daily_usd is True; expected a finite number of dollars"),
        ("daily_usd: 20", "daily_usd: 20 EUR", 4, "daily_usd is '20 EUR'; expected a finite number of dollars"),
        ("daily_usd: 20", "dayly_usd: 20", 4, "dayly_usd is no known field; expected any of currency, daily_usd"),
        ("currency: USD", "currency: EUR", 3, "currency is 'EUR'; expected USD; convert the amounts"),
        ("simple: 20%", "simple: 120%", 9, "tiers.simple is '120%'; expected a whole percent from"),
        ("simple: 20%", "simple: 90%", 9, "tiers add up to $32.00, more than daily_usd, $20.00; lower one of them"),
        ("simple: 20%, ", "", 9, "tiers lacks simple; state all of simple, medium, complex"),
        ("simple: 20%", "easy: 20%", 9, "tiers.easy is no known field"),
        ("after: 75%", "after: 0.75", 10, "borrowing.after is 0.75; expected a whole percent"),
        ("Debugging: 10%", "debuging: 10%", 8, "task_types.debuging: type is 'debuging'; expected one of"),
        ("architecture: 5", "debugging: 5", 8, "task_types.Debugging is the type debugging, which has a limit already"),
        ("user: {daily_usd: 1", "usr: {daily_usd: 1", 12, "each.usr is no known field; expected any of tenant, team"),
        ("user: {daily_usd: 1", "user: {daily_usd: x", 12, "each.user.daily_usd is 'x'; expected a finite number"),
        ("tenant: {monthly_usd", "tenant: {plan: free, monthly_usd", 13, "each.tenant.plan is no known field"),
        ("user:ann:", "ann:", 15, "named.ann"),
        ("team:search:", "tier:simple:", 16, "named.tier:simple is 'tier:simple'; expected"),
        ("plan: gold", "plan: silver", 15, "named.user:ann.plan is 'silver'; expected one of free, pro, gold"),
        ("tokens: 9", "tokens: 9.5", 18, "plans.free.monthly_input_tokens is 9.5; expected a whole number of tokens"),
        ("tokens: 8000", "tokens: -1", 19, "plans.gold.max_output_tokens is -1; expected a whole number of tokens"),
        ("rollover: 0%", "rollover: 101%", 19, "plans.gold.rollover is '101%'; expected a whole percent"),
        ("default_plan: free", "default_plan: 3", 20, "default_plan is 3; expected one of free, pro, gold"),
        ("alerts: [95%, 50%]", "alerts: 95%", 21, "alerts is '95%'; expected a list of percents"),
        ("[95%, 50%]", "[0%]", 21, "an alert is set at 0 %; expected a whole number from 1 to 100"),
        ("total_usd: unlimited", "total_usd: 0.0000000000000001", 0, None),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, line, says):
    assert old in WHOLE
    path = written(tmp_path, WHOLE.replace(old, new, 1))
    if says is None:
        assert load_rules(path).everyone.total == 0
        return
    with pytest.raises(InvalidBudget) as refusal:
        load_rules(path)
    assert refusal.value.message.startswith(f"{path}, line {line}: ")
    assert says in refusal.value.message


def test_a_rule_given_twice_is_refused_with_both_lines(tmp_path):
    with pytest.raises(InvalidFile, match=r"line 2: the key 'daily_usd' stands already on line 1; keep one"):
        load_rules(written(tmp_path, "daily_usd: 5\ndaily_usd: 6\n"))


@pytest.mark.parametrize("text", ["- 1\n", "budgets: [1]\n", "5\n"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(InvalidBudget, match=r"line 1: the budget is .*; expected a mapping of fields"):
        load_rules(written(tmp_path, text))


def test_the_example_in_the_docs_is_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "budgets.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    rules = load_rules(written(tmp_path, example))
    assert (rules.tiers, rules.plans, rules.alert_percents) == (Rules().tiers, Rules().plans, Rules().alert_percents)
    assert rules.caps(Scope("user", "ann")) == Caps(daily=3 * USD, plan="pro")
