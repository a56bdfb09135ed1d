from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.configuration import Findings, examine

START = """\
providers:
  openai: {base_url: "https://api.openai.com/v1", api_key: "${OPENAI_API_KEY}"}
models:
  gpt-4o-mini: {provider: openai}
  gpt-4o: {provider: openai, upstream_name: gpt-4o-2024-08-06}
routing: {strategy: cost-optimised, baseline: gpt-4o, confidence: 0.7}
budgets: {daily_usd: 10}
keys: {required: true}
database_url: "sqlite:///pointsman.db"
"""
MODELS = "models: {gpt-4o: {provider: openai}}\n"
PROVIDERS = 'providers: {openai: {api_key: "${OPENAI_API_KEY}"}}\n'
SECRET = "sk-very-secret"
ENVIRON = {"OPENAI_API_KEY": SECRET}


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., Findings]:
    """What is found in a text, under OPENAI_API_KEY and the variables given."""

    def find(text: str, **environ: str) -> Findings:
        path = tmp_path / "pointsman.yaml"
        path.write_text(text)
        return examine(path, {**ENVIRON, **environ})

    return find


@pytest.fixture
def mistakes(found: Callable[..., Findings], tmp_path: Path) -> Callable[..., list[str]]:
    """The mistakes in a text, without the file's directory."""
    return lambda text, **environ: [
        str(mistake).replace(f"{tmp_path}/", "") for mistake in found(text, **environ).mistakes
    ]


@pytest.fixture
def warnings(found: Callable[..., Findings], tmp_path: Path) -> Callable[..., list[str]]:
    """The warnings about a text, without the file's directory."""
    return lambda text, **environ: [
        str(warning).replace(f"{tmp_path}/", "") for warning in found(text, **environ).warnings
    ]
