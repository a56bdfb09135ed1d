from pathlib import Path

import pytest

from pointsman.cli import main

from .conftest import SECRET, START


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def test_what_init_writes_is_right_once_its_variable_is_set(capsys, monkeypatch):
    assert main(["init"]) == 0
    assert "pointsman.yaml written." in capsys.readouterr().out
    assert main(["config", "check"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out == (
        "pointsman.yaml can be used.\n"
        "providers:\n"
        "  openai: https://api.openai.com/v1, protocol openai, with a key\n"
        "models (USD per million tokens, input and output):\n"
        "  gpt-4o-mini: $0.15 and $0.60, at openai\n"
        "  gpt-4o: $2.50 and $10.00, at openai as gpt-4o-2024-08-06, the baseline\n"
        "routing: cost-optimised, escalation below 0.7, profile auto, the bundle that comes along\n"
        "budgets: $10.00 a day\n"
        "on: keys, trimming\n"
        "off: cache, semantic cache, predicted output limits, concise answers, cascade\n"
        "stored of texts: none\n"
        "server: 127.0.0.1 port 8000, 1 worker\n"
        "database: sqlite:///pointsman.db\n"
    )
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["config", "check"]) == 2
    assert capsys.readouterr().err == (
        "error: pointsman.yaml, line 7: providers.openai.api_key needs the variable OPENAI_API_KEY, which is not set; "
        "export OPENAI_API_KEY=..., or write ${OPENAI_API_KEY:-default}.\n"
    )


def test_what_init_has_in_comments_is_right_too(capsys, monkeypatch):
    main(["init"])
    text = Path("pointsman.yaml").read_text()
    for line in text.splitlines():
        bare = line.strip().removeprefix("# ")
        if line.strip().startswith("# ") and ": " in bare and not line.startswith("# Pointsman"):
            text = text.replace(line, line.replace("# ", "", 1)) if not line.startswith('# "') else text
    text = text.replace("  #            availability", "               availability")
    Path("pointsman.yaml").write_text(text)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert (main(["config", "check"]), capsys.readouterr().err) == (0, "")


def test_init_never_replaces_a_file_unless_told_to(capsys):
    Path("conf").mkdir()
    target = Path("conf/pointsman.yaml")
    target.write_text("mine")
    assert main(["init", "conf"]) == 2
    assert capsys.readouterr().err == (
        "error: conf/pointsman.yaml exists already. Keep it, or replace it with --force.\n"
    )
    assert target.read_text() == "mine"
    assert main(["init", "conf", "--force"]) == 0
    assert target.read_text().startswith("# Pointsman's configuration.")


def test_init_makes_the_directory_and_names_one_it_cannot(capsys):
    assert main(["init", "a/b"]) == 0
    assert main(["init", "a/b/pointsman.yaml"]) == 2
    assert "error: a/b/pointsman.yaml can't be a directory: File exists.\n" in capsys.readouterr().err


def test_check_names_every_mistake_and_exits_with_2(capsys):
    Path("bad.yaml").write_text(START + "cache: {enabled: 1}\nserver: {prot: 3}\n")
    assert main(["config", "check", "bad.yaml"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "error: bad.yaml, line 10: cache.enabled is 1; expected true or false.\n"
        "error: bad.yaml, line 11: server.prot is no known setting; did you mean port?\n",
    )


def test_check_shows_no_secret(capsys):
    database = f"postgresql://ann:{SECRET}@db/pm?password={SECRET}"
    Path("pointsman.yaml").write_text(
        START.replace("sqlite:///pointsman.db", database).replace("true}", f"true, secret: {SECRET}}}")
    )
    assert main(["config", "check"]) == 0
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert "database: postgresql://ann:***@db/pm\n" in said.out


def test_check_warns_and_exits_with_0(capsys, monkeypatch):
    monkeypatch.setenv("POINTSMAN_CACHE_TTL", "1")
    Path("pointsman.yaml").write_text(START)
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().err == (
        "warning: POINTSMAN_CACHE_TTL: no setting has this variable; did you mean POINTSMAN_CACHE_TTL_DAYS?\n"
    )
