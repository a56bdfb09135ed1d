"""Budgets from the command line, on a SQLite file."""

import json

import pytest

from pointsman.budget import GLOBAL
from pointsman.store import open_ledger
from pointsman.store.schema import HEAD

TEXT = "Write unit tests for the ISO date parser"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/pointsman.db"


@pytest.fixture
def budget(pointsman, url):
    return lambda verb, *words: pointsman("budget", verb, *words, "--database-url", url)


def limits(budget, *words):
    return {(line["scope"], line["window"]): line for line in json.loads(budget("list", "--json", *words).out)}


def test_the_default_rules_are_ten_dollars_a_day_in_three_tiers(budget):
    found = limits(budget)
    assert set(found) == {("global", "day"), *((f"tier:{name}", "day") for name in ("simple", "medium", "complex"))}
    assert found["global", "day"]["limit"] == 10**10


def test_a_limit_is_set_shown_and_remembered_with_its_reason(budget):
    code, out, err = budget("set", "user:ann", "--daily", "2.5", "--monthly", "20", "--reason", "trial")
    assert (code, err) == (0, "")
    assert "$2.50" in out
    assert "user:ann per day: trial." in budget("show", "user:ann").out
    assert "the budget of everyone, daily" in budget("show", "user:ann").out
    assert "user:ann" not in budget("show", "tier:simple").out
    budget("set", "user:ann", "--daily", "default")
    history = json.loads(budget("history", "--scope", "user:ann", "--json").out)
    assert [(one["window"], one["amount"], one["changed_by"], one["reason"]) for one in history] == [
        ("day", 2_500_000_000, "cli", "trial"),
        ("month", 20_000_000_000, "cli", "trial"),
        ("day", None, "cli", ""),
    ]
    assert "user:ann per day to the file's rule, by cli" in budget("history").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("global", "--daily", "-1"), "the limit of global per day is -1.0 USD; expected 0 to 1,000,000,000."),
        (("global", "--daily", "nan"), "the limit of global per day is nan; expected a finite number"),
        (("global", "--daily", "1e15"), "expected 0 to 1,000,000,000"),
        (("global", "--daily", "ten"), "--daily is 'ten'; expected dollars, such as 10, or \"default\"."),
        (("global",), "no limit is given; expected any of daily_usd, monthly_usd, total_usd."),
        (("global", "--daily", "1", "--currency", "EUR"), "is in 'EUR'; expected USD"),
        (("everyone", "--daily", "1"), "scope is 'everyone'; expected"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(budget, words, message):
    code, out, err = budget("set", *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert budget("history").out == ""


def test_rules_of_a_file_that_cannot_be_kept_are_refused_with_their_line(budget, tmp_path):
    rules = tmp_path / "budgets.yaml"
    rules.write_text("daily_usd: 5\nmonthly_usd: -5\n")
    code, out, err = budget("list", "--budgets", rules)
    assert (code, out) == (2, "")
    assert f"{rules}, line 2: monthly_usd is -5 USD" in err


def test_a_route_holds_money_and_refuses_where_none_is_left(pointsman, url, tmp_path):
    rules = tmp_path / "budgets.yaml"
    rules.write_text("daily_usd: 0.0012\ntiers: false\n")
    kept = ("--budgets", rules, "--database-url", url)
    decision = json.loads(pointsman("route", TEXT, *kept, "--tags", "user=ann", "--json").out)
    with open_ledger(url) as ledger:
        assert ledger.usage(GLOBAL, "day").held.nanousd == decision["held_nanousd"] > 0
    assert decision["tags"] == {"user": "ann"}
    code, out, err = pointsman("route", TEXT, *kept)
    assert (code, out) == (2, "")
    assert err.startswith("error: global may use $0.0012 per day: $0.00 is posted and $0.0")
    shown = pointsman("route", TEXT, "--database-url", url).out
    assert "send max_output_tokens 4,096" in shown.replace("\n", " ")


def test_a_batch_holds_for_every_task_until_nothing_is_left(pointsman, url, tmp_path, jsonl):
    rules = tmp_path / "budgets.yaml"
    rules.write_text("daily_usd: 0.003\ntiers: false\n")
    tasks = jsonl(*({"id": str(number), "text": TEXT} for number in range(20)))
    output, kept = tmp_path / "out.jsonl", ("--budgets", rules, "--database-url", url)
    code, out, _ = pointsman("batch", tasks, "--output", output, *kept)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    held = [line["held_nanousd"] for line in lines if "error" not in line]
    assert code == 1
    assert {line["error"]["code"] for line in lines if "error" in line} == {"budget_exceeded"}
    assert 0 < sum(held) <= 3_000_000
    assert "settled by the outcomes that are reported" in out
    with open_ledger(url) as ledger:
        assert ledger.usage(GLOBAL, "day").held.nanousd == sum(held)


def test_counters_that_disagree_are_found_and_put_right(budget, url):
    assert budget("reconcile") == (0, "Every counter agrees with the entries.\n", "")


def test_a_stopped_scope_goes_on_when_someone_has_looked(budget, url):
    with open_ledger(url) as ledger:
        ledger.freeze(GLOBAL, "the bill is wrong")
    assert "global is stopped: the bill is wrong" in budget("list").out
    assert budget("unfreeze", "global", "--reason", "price fixed") == (0, "global goes on.\n", "")
    assert budget("unfreeze", "global", "--reason", "again") == (0, "global wasn't stopped.\n", "")


def test_a_forecast_is_told_in_words(budget):
    lines = budget("forecast").out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("global per day: $0.00 of $10.00 is spent")


def test_the_database_is_upgraded_and_another_url_refused(pointsman, url):
    assert pointsman("db", "upgrade", "--database-url", url) == (0, f"The database is at revision {HEAD}.\n", "")
    code, out, err = pointsman("db", "upgrade", "--database-url", "mysql://root@host/db")
    assert (code, out) == (2, "")
    assert "expected sqlite:///pointsman.db or postgresql://user@host/database" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hold-for", "0", "--budgets", "default"), "--hold-for is 0; expected seconds, above 0 and at most 86,400."),
        (("--alert-webhook", "http://a"), "--alert-webhook tells of budgets, and none are kept; add --budgets."),
        (("--alert-webhook", "http://a", "--budgets", "default"), "the webhook's secret has 0 bytes"),
    ],
)
def test_a_server_that_cannot_keep_budgets_is_refused_before_it_listens(pointsman, url, words, message):
    more = ("--database-url", url) if "--budgets" in words else ()
    code, out, err = pointsman("serve", *words, *more)
    assert (code, out) == (2, "")
    assert message in err
