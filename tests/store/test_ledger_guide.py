"""The example of docs/ledger.md runs as it is written."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "ledger.md"


def test_the_example_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    exec(compile(block, str(GUIDE), "exec"), {})
    assert capsys.readouterr().out == "Amount(nanousd=1900000, input_tokens=0, output_tokens=0)\n"
    assert (tmp_path / "pointsman.db").exists()
