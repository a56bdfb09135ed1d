import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["cascade.md", "evaluate.md"])
def test_the_code_of_the_page_runs_as_printed(page):
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)

    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})
