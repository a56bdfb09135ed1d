"""The code of the gateway's pages runs as printed; only the address is the test's, whose gateway asks for no key."""

import json
import re
from pathlib import Path

import pytest
from gateways import document
from provider_acts import Act

from pointsman.verification import SCRIPT_RUBRIC

DOCS = Path(__file__).parents[2] / "docs"
ADDRESS = "http://localhost:8000"


def blocks(page):
    found = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return found


CASES = [(page, number) for page in ("gateway.md", "migrating.md") for number in range(len(blocks(page)))]


@pytest.mark.parametrize(("page", "number"), CASES, ids=[f"{page} {number}" for page, number in CASES])
def test_a_block_runs_as_printed(gateway, provider, tmp_path, monkeypatch, capsys, page, number):
    provider.rule(
        Act(text=json.dumps({"scores": {one.name: 7 for one in SCRIPT_RUBRIC.criteria}})), containing="Rubric"
    )
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in-process"
    folder.mkdir()
    data = document(provider.url, f"sqlite:///{folder}/pointsman.db")
    Path("pointsman.yaml").write_text(json.dumps(data))
    code = blocks(page)[number].replace(ADDRESS, gateway.url).replace("pm-...", "sk-none")
    exec(compile(code, page, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()
    assert all(line.is_billed for line in provider.settled().invoice)
    assert provider.calls
