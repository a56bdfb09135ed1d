"""Run the notebooks and write their pages to docs/notebooks, figures beside them: `make notebooks`."""

import argparse
import copy
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import MarkdownExporter
from nbformat import NotebookNode
from traitlets.config import Config

from pointsman.cli.files import write_whole

ROOT: Final = Path(__file__).resolve().parents[1]
NOTEBOOKS: Final = ROOT / "notebooks"
PAGES: Final = ROOT / "docs" / "notebooks"
TIMEOUT_SECONDS: Final = 1_800

_LINKS: Final = (
    (re.compile(r"(\]\(\d\d-[\w-]+)\.ipynb\)"), r"\1.md)"),
    (re.compile(r"\]\(\.\./(?!docs/)"), "](../../"),
    (re.compile(r"\]\(\.\./docs/"), "](../"),
)
"""Links of a notebook in notebooks/, as its page in docs/notebooks/ must have them."""

_KERNEL: Final = (
    "--IPKernelApp.log_level=40",
    "--InlineBackend.figure_formats={'svg'}",
    "--InlineBackend.print_figure_kwargs={'bbox_inches': 'tight', 'metadata': {'Date': None}}",
)
"""Errors only are logged; figures are SVG without a date, so that the same figures are the same files."""


def notebooks() -> list[Path]:
    """Return the notebooks, in reading order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def read_notebook(path: Path) -> NotebookNode:
    """Return a notebook as it lies in the repository."""
    return nbformat.read(path, as_version=4)


def run_notebook(notebook: NotebookNode, timeout_seconds: int = TIMEOUT_SECONDS) -> NotebookNode:
    """Run all cells in a kernel of its own, from the root of the repository; outputs are written into `notebook`.

    Raises:
        CellExecutionError: a cell raised; the message has it and its traceback.
        CellTimeoutError: a cell took longer than `timeout_seconds`.
    """
    client = NotebookClient(
        notebook,
        timeout=timeout_seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT)}},
        extra_arguments=list(_KERNEL),
    )
    return client.execute()


def page_of(notebook: NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook with its outputs as Markdown, and its figures by file name."""
    config = Config({"NbConvertBase": {"display_data_priority": ["image/svg+xml", "text/markdown", "text/plain"]}})
    exporter = MarkdownExporter(config=config)
    resources = {"unique_key": name, "output_files_dir": "figures"}
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.source = linked(cell.source) if cell.cell_type == "markdown" else cell.source
    body, resources = exporter.from_notebook_node(notebook, resources)
    figures = {Path(file).name: content for file, content in resources["outputs"].items()}
    note = f"<!-- Made from notebooks/{name}.ipynb by `make notebooks`; change it there. -->\n\n"
    return note + body.strip(), figures


def linked(text: str) -> str:
    """Return Markdown of a notebook with the links that its page needs: to other pages, and to files of the project."""
    for pattern, replacement in _LINKS:
        text = pattern.sub(replacement, text)
    return text


def sources(notebook: NotebookNode) -> Iterator[str]:
    """Yield what a page must hold of a notebook's cells, in order: text with links to pages, and fenced code."""
    for cell in notebook.cells:
        source = cell.source.strip()
        yield f"```python\n{source}\n```" if cell.cell_type == "code" else linked(source)


def write_page(path: Path) -> None:
    """Run one notebook and write its page and figures; figures that it no longer has are deleted."""
    page, figures = page_of(run_notebook(read_notebook(path)), path.stem)
    folder = PAGES / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in figures.items():
        write_whole(str(folder / name), [content.rstrip()])
    write_whole(str(PAGES / f"{path.stem}.md"), [page.encode()])
    for old in folder.glob(f"{path.stem}_*"):
        if old.name not in figures:
            old.unlink()


def main(words: Sequence[str] | None = None) -> int:
    """Write the pages of all notebooks, or of those named; return 0, or 1 where a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01-routing-accuracy (default: all)")
    wanted = parser.parse_args(words).names
    known = {path.stem: path for path in notebooks()}
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"no notebook {unknown[0]!r}; there are {', '.join(known)}")
    for name in wanted or known:
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        try:
            write_page(known[name])
        except (CellExecutionError, CellTimeoutError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
