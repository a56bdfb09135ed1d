"""The verbs that read the log, and those that keep it."""

import csv
import io
import itertools
import json
import threading
from datetime import timedelta

import msgspec
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON, Clock
from log_lines import LOGS, line, logged

from pointsman.events import Attempt
from pointsman.http import create_app
from pointsman.insight import exported, period
from pointsman.insight.export import CSV_COLUMNS, defused, restored
from pointsman.settings import PrivacySettings
from pointsman.store import open_ledger, open_log

NUMBERS = itertools.count()
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
EVENTS = [
    line(1, cost_nanousd=2_000_000, baseline="gpt-4o", baseline_nanousd=9_000_000, latency_ms=5.0, cache="miss",
         tags={"user": "ann", "room": "4b"}, attempts=(Attempt("mini", "answered"),), features=(1.0, 2.0)),
    line(2, 30, cost_nanousd=1_000_000, model="=cmd|' /C calc'!A0", tags={"user": "@bob"}, text="-1+1\r\n\"x\";y"),
]  # fmt: skip


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/log.db"
    with open_log(url, clock=Clock(), privacy=PrivacySettings(text="full")) as log:
        logged(log, "default", EVENTS)
    return url


@pytest.fixture(scope="module")
def shared_log(tmp_path_factory):
    with open_log(f"sqlite:///{tmp_path_factory.mktemp('laws')}/log.db", clock=Clock(), flush_s=0.001) as opened:
        yield opened


def test_stats_prints_the_figures_and_the_savings(pointsman, url):
    code, out, err = pointsman("stats", "--database-url", url, "--until", "2026-11-21T12:00")
    assert (code, err) == (0, "")
    assert "requests               2" in out
    assert "=cmd|' /C calc'!A0 50.0%, mini 50.0%" in out
    assert "Saved $0.0070 (77.8%) of $0.0090 against gpt-4o" in out
    assert "Projected for a day from the one day seen: $0.0070 saved." in out


def test_stats_as_json_has_every_figure(pointsman, url):
    found = json.loads(pointsman("stats", "--database-url", url, "--json").out)
    assert found["statistics"]["cost_nanousd"] == 3_000_000
    assert found["savings"]["saved_nanousd"] == 7_000_000


def test_stats_of_an_empty_log_are_no_error(pointsman, tmp_path):
    code, out, _ = pointsman("stats", "--database-url", f"sqlite:///{tmp_path}/new.db")
    assert code == 0
    assert "Savings: unknown, no routed answer has a baseline." in out


def test_cost_is_shown_by_what_is_asked_for(pointsman, url):
    code, out, _ = pointsman("cost", "--database-url", url, "--by", "user")
    assert code == 0
    assert [row.split()[:3] for row in out.splitlines() if "$" in row][:3] == [
        ["ann", "1", "$0.0020"],
        ["@bob", "1", "$0.0010"],
        ["total", "2", "$0.0030"],
    ]
    found = json.loads(pointsman("cost", "--database-url", url, "--by", "day", "--json").out)
    assert [one["name"] for one in found["costs"]["lines"]] == ["2026-11-20", "2026-11-21"]
    code, _, err = pointsman("cost", "--database-url", url, "--by", "colour")
    assert (code, err[:48]) == (2, "error: by is 'colour'; expected one of model, ty")


def test_an_exported_file_is_whole(pointsman, url, tmp_path):
    path = tmp_path / "log.json"
    assert pointsman("export", "json", "--database-url", url, "--output", path).code == 0
    found = json.loads(path.read_text())
    assert [one["event"]["decision_id"] for one in found] == ["default-0", "default-1"]
    assert found[0]["event"]["features"] == [1.0, 2.0]
    assert found[0]["event"]["attempts"] == [{"model": "mini", "end": "answered"}]


def test_an_export_that_cannot_be_written_leaves_what_was_there(pointsman, url, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("of yesterday")
    code, _, err = pointsman("export", "csv", "--database-url", url, "--output", path, "--since", "soon")
    assert (code, err[:24]) == (2, "error: since is 'soon'; ")
    assert path.read_text() == "of yesterday"
    assert pointsman("export", "csv", "--database-url", url, "--output", tmp_path / "no" / "log.csv").code == 2


def test_no_cell_of_a_table_is_a_formula_and_the_texts_are_restored(pointsman, url):
    out = pointsman("export", "csv", "--database-url", url).out
    header, first, second = csv.reader(io.StringIO(out, newline=""))
    assert tuple(header) == CSV_COLUMNS
    row = dict(zip(header, second, strict=True))
    assert row["model"] == "'=cmd|' /C calc'!A0"
    assert row["user"] == "'@bob"
    assert row["text"] == '\'-1+1\r\n"x";y'
    assert restored(row["text"]) == EVENTS[1].text
    assert not [cell for cell in (*first, *second) if cell.startswith(DANGEROUS)]
    assert dict(zip(header, first, strict=True))["other_tags"] == '{"room":"4b"}'


@given(st.text())
def test_a_defused_cell_is_harmless_and_restored(cell):
    assert not defused(cell).startswith(DANGEROUS)
    assert restored(defused(cell)) == cell


@given(events=LOGS)
def test_a_table_read_back_is_the_log(shared_log, events):
    tenant = f"t{next(NUMBERS)}"
    own = logged(shared_log, tenant, events)
    span = period(shared_log, tenant, since=NOON - timedelta(days=20))
    table = b"\n".join(exported(shared_log, span, "csv")).decode()
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    for name in ("cost_nanousd", "baseline_nanousd", "input_tokens", "status", "at_us"):
        assert [row[name] for row in rows] == [shown(getattr(event, name)) for event in own]
    for name in ("model", "key", "complexity", "decision_id"):
        assert [restored(row[name]) for row in rows] == [shown(getattr(event, name)) for event in own]
    found = msgspec.json.decode(b"\n".join(exported(shared_log, span, "json")))
    assert [msgspec.convert(one["event"], type(EVENTS[0])) for one in found] == own


def shown(value):
    return "" if value is None else str(value)


def test_a_reset_leaves_a_mark_and_the_log(pointsman, url):
    code, out, _ = pointsman("reset", "--database-url", url, "--reason", "a new fleet")
    assert code == 0
    assert out.startswith("Statistics of default begin at 20")
    with open_log(url) as log:
        assert log.since() is not None
        assert len(log.events()) == 2


def test_a_user_is_erased_and_old_lines_are_deleted(pointsman, url):
    code, out, _ = pointsman("privacy", "erase", "--user", "ann", "--database-url", url)
    assert (code, out) == (0, "1 lines of the log are no longer about this user. The ledger keeps who paid.\n")
    code, out, _ = pointsman("privacy", "expire", "--days", "0", "--database-url", url)
    assert code == 0
    with open_log(url) as log:
        assert [
            found.event.at_us for found in log.events() if found.event.at_us < log.opened_at.timestamp() * 1e6
        ] == []
    code, _, err = pointsman("privacy", "expire", "--days", "-1", "--database-url", url)
    assert (code, err) == (2, "error: --days is -1; expected days from 0 to a million.\n")


def test_redaction_is_shown_on_a_text(pointsman):
    code, out, _ = pointsman("privacy", "redact", stdin=b"Mail ann@example.com the key sk-abcdefghijklmnopqrstuv")
    assert (code, out) == (0, "Mail [EMAIL] the key [SECRET]")


def test_status_without_a_server_asks_the_database(pointsman, url):
    code, out, _ = pointsman("status", "--database-url", url)
    assert code == 0
    assert "health: status ok, requests 0" in out
    assert "global per day: $10.00 of $10.00 left" in out


def test_status_of_a_server_is_what_it_answers(pointsman, router, url):
    app = create_app(router, log=open_log(url))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        code, out, err = pointsman("status", "--url", f"http://127.0.0.1:{port}/", "--json")
    finally:
        server.should_exit = True
        thread.join()
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["server"]["fleet"], found["health"]["status"], found["budgets"]) == ("default", "ok", None)


def test_status_of_no_server_says_so(pointsman):
    code, _, err = pointsman("status", "--url", "http://127.0.0.1:9")
    assert code == 2
    assert "doesn't answer as Pointsman does" in err
    assert pointsman("status", "--url", "file:///etc/passwd").code == 2


def test_a_file_that_is_a_ledger_too_serves_both(pointsman, url):
    open_ledger(url).close()
    assert pointsman("budget", "list", "--database-url", url).code == 0
    assert pointsman("stats", "--database-url", url).code == 0
