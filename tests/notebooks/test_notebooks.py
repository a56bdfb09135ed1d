"""Every notebook runs on `datasets/` alone, uses the public API, lies in git without outputs, and has a fresh page."""

import ast
import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("01-routing-accuracy", "02-cost-and-quality", "03-calibration-and-drift", "04-bring-your-own-outcomes")
OURS = ("pointsman", "pointsman_training")
LIBRARIES = {"IPython", "matplotlib", "numpy", "pyarrow"}
SECONDS = 180


def script():
    """Return `scripts/notebooks.py` as a module."""
    spec = importlib.util.spec_from_file_location("notebooks_script", ROOT / "scripts" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages():
    return script()


def notebook_of(pages, name):
    return pages.read_notebook(pages.NOTEBOOKS / f"{name}.ipynb")


def code_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def is_library(module):
    top = module.split(".")[0]
    return top in LIBRARIES or top in sys.stdlib_module_names


def imported(code):
    """Return the modules and names that code imports, as (module, name); name is None for a whole module."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "." * node.level, alias.name) for alias in node.names]
    return found


def private(code):
    """Return what code must not touch: modules of others, names that start with an underscore."""
    wrong = []
    for module, name in imported(code):
        parts = [*module.split("."), *([name] if name else [])]
        if parts[0] not in OURS and not is_library(module):
            wrong.append(module)
        elif any(part.startswith("_") for part in parts):
            wrong.append(".".join(parts))
    attributes = [node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
    return wrong + [name for name in attributes if name.startswith("_")]


def undocumented(code):
    """Return the functions and classes of ours that code imports and that have no docstring."""
    taken = [
        (module, getattr(importlib.import_module(module), name))
        for module, name in imported(code)
        if name and module.split(".")[0] in OURS
    ]
    return [f"{module}.{value.__name__}" for module, value in taken if callable(value) and not value.__doc__]


def test_the_notebooks_are_those_that_this_file_tests(pages):
    assert tuple(path.stem for path in pages.notebooks()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_lies_in_git_without_outputs(pages, name):
    cells = [cell for cell in notebook_of(pages, name).cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_with_a_title_and_explains_before_every_figure(pages, name):
    cells = notebook_of(pages, name).cells
    assert cells[0].source.startswith("# ")
    drawn = [place for place, cell in enumerate(cells) if cell.cell_type == "code" and "plt.show()" in cell.source]
    assert drawn
    assert [place for place in drawn if cells[place - 1].cell_type != "markdown"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_imports_the_public_api_only(pages, name):
    code = code_of(notebook_of(pages, name))
    assert private(code) == []
    assert undocumented(code) == []


def test_the_check_of_imports_finds_what_is_private():
    assert private("import os, torch\nfrom pointsman._x import y\nfrom pointsman.money import _z\nbundle._secret") == [
        "torch",
        "pointsman._x.y",
        "pointsman.money._z",
        "_secret",
    ]
    assert private("from pointsman import Router\nimport numpy as np\nimport matplotlib.pyplot as plt") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(pages, name, monkeypatch):
    monkeypatch.setenv("POINTSMAN_NOTEBOOK_QUICK", "1")
    notebook = pages.run_notebook(notebook_of(pages, name), SECONDS)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_cells_of_its_notebook(pages, name):
    page = (pages.PAGES / f"{name}.md").read_text(encoding="utf-8")
    place = 0
    for source in pages.sources(notebook_of(pages, name)):
        found = page.find(source, place)
        assert found >= 0, f"docs/notebooks/{name}.md is stale, run `make notebooks NAMES={name}`: it lacks\n{source}"
        place = found + len(source)
    assert page.count("```python\n") == sum(cell.cell_type == "code" for cell in notebook_of(pages, name).cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_its_figures_and_no_others_lie_beside_it(pages, name):
    page = (pages.PAGES / f"{name}.md").read_text(encoding="utf-8")
    figures = {path.name for path in (pages.PAGES / "figures").glob(f"{name}_*")}
    assert figures == {part.partition(")")[0] for part in page.split("](figures/")[1:]}
    assert figures


def test_links_between_notebooks_become_links_between_pages(pages):
    text = "[a](04-bring-your-own-outcomes.ipynb), [b](../docs/gate.md), [c](../datasets/README.md)"
    assert pages.linked(text) == "[a](04-bring-your-own-outcomes.md), [b](../gate.md), [c](../../datasets/README.md)"
