"""Every block of the README that a reader can run is run.

Python blocks run each in a Python of its own. Of bash blocks those that call `pointsman` are run line by line, of
console blocks those that start with it. `<!-- not run: why -->` on the line before a block leaves it out.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pointsman.cli import main

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
NOT_RUN = re.compile(r"<!-- *not run(?P<why>.*?)-->")
SHELLS = ("bash", "console")
MAKES_FILES = ("printf", "echo", "cat", "mkdir")


class Block(NamedTuple):
    """A fenced block of a page: its line, language and code, and why it isn't run, None where it is."""

    line: int
    language: str
    code: str
    not_run: str | None


def blocks_of(page):
    found = []
    for match in FENCE.finditer(page):
        before = page[: match.start()].rstrip("\n").rpartition("\n")[2]
        mark = NOT_RUN.search(before)
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(line, match["language"], code, mark["why"].strip(" :") if mark else None))
    return found


def commands_of(block):
    """Return the commands of a shell block without prompts, comments and, in a console, without what was printed."""
    joined = block.code.replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if block.language == "console" and any(line.startswith("$ ") for line in lines):
        lines = [line for line in lines if line.startswith("$ ")]
    return [line.removeprefix("$ ") for line in lines]


def is_run(block):
    if block.not_run is not None:
        return False
    if block.language not in SHELLS:
        return block.language == "python"
    calls = [line.startswith("pointsman ") for line in commands_of(block)]
    return any(calls) if block.language == "bash" else calls[:1] == [True]


def run_block(block, folder):
    """Run a block in a folder, and say which line of it failed."""
    if block.language == "python":
        done = subprocess.run(
            [sys.executable, "-c", block.code], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    for command in commands_of(block):
        verb = command.split()[0]
        if verb == "pointsman":
            code = main(shlex.split(command, comments=True)[1:])
        else:
            assert verb in MAKES_FILES, f"can't run {command!r}; mark the block <!-- not run: why -->"
            code = subprocess.run(["bash", "-c", command], cwd=folder, check=False).returncode
        assert code == 0, f"{command!r} returned {code}"


BLOCKS = blocks_of(README.read_text(encoding="utf-8")) if README.exists() else []


def test_the_readme_has_code_of_each_kind_to_run():
    assert {"python", "bash"} <= {block.language for block in BLOCKS if is_run(block)}


@pytest.mark.parametrize("block", [*filter(is_run, BLOCKS)], ids=lambda block: f"line-{block.line}-{block.language}")
def test_a_block_of_the_readme_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_block(block, tmp_path)


def test_a_block_that_is_not_run_says_why():
    assert [block.line for block in BLOCKS if block.not_run == ""] == []


PAGE = """\
# Page

```python
x = 1
```
<!-- not run: it never ends -->
```bash
pointsman serve
```

<!-- not run -->

```console
pointsman serve
```

```console
$ pointsman --version
pointsman 0.1.0
$ pointsman route "a # b" \\
    --json  # said as JSON
{"model": "x"}
```

```bash
# first a file
printf '%s\\n' x > tasks.jsonl
pointsman batch tasks.jsonl
```

```console
make demo
```

1. A list
   ```python
   if True:
       y = 2
   ```

```json
{}
```

    ```python
    z = 3
    ```
"""


def test_the_harness_reads_every_block_of_a_page():
    assert [(block.line, block.language, block.not_run, is_run(block)) for block in blocks_of(PAGE)] == [
        (3, "python", None, True),
        (7, "bash", "it never ends", False),
        (13, "console", "", False),
        (17, "console", None, True),
        (25, "bash", None, True),
        (31, "console", None, False),
        (36, "python", None, True),
        (41, "json", None, False),
        (45, "python", None, True),
    ]
    codes = [block.code for block in blocks_of(PAGE) if block.language == "python"]
    assert codes == ["x = 1\n", "if True:\n    y = 2\n", "z = 3\n"]


def test_the_harness_takes_commands_without_prompts_output_and_comments():
    console, bash = blocks_of(PAGE)[3:5]
    assert commands_of(console)[0] == "pointsman --version"
    assert shlex.split(commands_of(console)[1], comments=True) == ["pointsman", "route", "a # b", "--json"]
    assert len(commands_of(console)) == 2
    assert commands_of(bash) == ["printf '%s\\n' x > tasks.jsonl", "pointsman batch tasks.jsonl"]


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "raise SystemExit(3)"),
        ("bash", "pointsman route x --profile slow"),
        ("bash", "cat missing\npointsman --version"),
        ("bash", "curl localhost\npointsman --version"),
    ],
)
def test_the_harness_fails_where_a_block_fails(language, code, tmp_path):
    with pytest.raises(AssertionError):
        run_block(Block(1, language, code, None), tmp_path)
