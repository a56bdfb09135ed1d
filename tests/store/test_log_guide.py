"""The example of docs/log.md runs as it is written, and its table names the columns that there are."""

import re
from pathlib import Path

from pointsman.store.tables import LOG

GUIDE = Path(__file__).parents[2] / "docs" / "log.md"


def test_the_example_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    exec(compile(block, str(GUIDE), "exec"), {})
    assert capsys.readouterr().out == "['gpt-4o-mini']\n"


def test_the_guide_names_every_column_and_no_other():
    rows = GUIDE.read_text().split("## What is stored")[1].split("## Text")[0]
    named = [
        name for row in re.findall(r"^\| (`.*?) \|", rows, flags=re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(named) == sorted(column.name for column in LOG.columns)
