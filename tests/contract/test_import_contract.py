import json
import subprocess
import sys

import pytest

import pointsman

HEAVY = (
    *("torch", "sklearn", "mlflow", "fastapi", "uvicorn", "sqlalchemy", "onnx", "pandas", "joblib", "pydantic"),
    *("scipy", "pyarrow", "skl2onnx", "sentence_transformers", "transformers", "httpx", "prometheus_client"),
    *("starlette", "rich", "pointsman_training", "alembic", "psycopg"),
)
PUBLIC_NAMES = [
    "Candidate",
    "Complexity",
    "Constraints",
    "Decision",
    "Fleet",
    "Outcome",
    "PointsmanError",
    "Policy",
    "Router",
    "SpendPlan",
    "Task",
    "Treasury",
    "Weights",
    "load_fleet",
    "open_treasury",
    "plan_spend",
]


def loaded_after(code):
    """Return which heavy modules a fresh interpreter has loaded after running the code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_import_loads_nothing_heavy():
    assert loaded_after("import pointsman") == []


def test_a_decision_loads_nothing_heavy_either():
    code = "from pointsman import Router; Router.load().route_many(['Fix the login bug', 'Prove the lemma'])"
    assert loaded_after(code) == []


@pytest.mark.parametrize("verb", ["route", "batch", "predict", "registry", "bundle"])
def test_the_help_of_a_verb_loads_nothing_of_training_or_the_server(verb):
    code = f"from pointsman.cli import main; main(['{verb}', '--help'])"
    assert [name for name in loaded_after(code) if name != "rich"] == []


def test_the_public_names_are_these():
    assert pointsman.__all__ == PUBLIC_NAMES
    assert all(getattr(pointsman, name).__module__.startswith("pointsman.") for name in PUBLIC_NAMES)


def test_a_star_import_brings_the_public_names_only():
    namespace = {}
    exec("from pointsman import *", namespace)
    assert sorted(set(namespace) - {"__builtins__"}) == sorted(PUBLIC_NAMES)


def test_the_version_is_that_of_the_project(root):
    assert f'version = "{pointsman.__version__}"' in (root / "pyproject.toml").read_text(encoding="utf-8")
