import re
from pathlib import Path

import pytest
import yaml

from pointsman.cli import main
from pointsman.configuration import read_configuration
from pointsman.settings import Provider, Upstream

CONFIG = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://mine.example.com/
      api_key: os.environ/AZURE_API_KEY
      api_version: "2024-02-01"
  - model_name: gpt-4o-mini
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, rpm: 60, organization: org-1}
  - model_name: my haiku
    litellm_params: {model: anthropic/claude-haiku-5-5, api_key: sk-ant-literal}
  - model_name: sonnet
    litellm_params: {model: claude-sonnet-5-5}
  - model_name: local
    litellm_params:
      model: openai/facebook/opt-125m
      api_base: http://10.0.0.5:4000/v1
      api_key: sk-local-literal
      input_cost_per_token: 0.0000001
      output_cost_per_token: 2e-7
    model_info: {max_input_tokens: 2048, max_output_tokens: 1024, base_model: openai/gpt-4o-mini, supports_vision: true}
  - model_name: flash
    litellm_params: {model: gemini/gemini-3.5-flash-lite, api_key: os.environ/GEMINI_API_KEY}
  - {model_name: unknown, litellm_params: {model: hosted_vllm/foo, api_base: "http://10.0.0.6/v1"}}
  - {model_name: embed, litellm_params: {model: openai/text-embedding-3-small}, model_info: {mode: embedding}}
  - {model_name: "anthropic/*", litellm_params: {model: "anthropic/*"}}
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}
  - {model_name: broken}
litellm_settings: {num_retries: 3, success_callback: [langfuse]}
router_settings: {routing_strategy: usage-based}
general_settings: {master_key: sk-master}
"""
ENVIRON = {
    "AZURE_API_KEY": "azure",
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
    "GEMINI_API_KEY": "gemini",
    "IMPORTED_ANTHROPIC_KEY_1": "literal-1",
    "IMPORTED_OPENAI_KEY_2": "literal-2",
}


@pytest.fixture
def imported(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    assert main(["registry", "import", "--litellm", "config.yaml", "--output", "pointsman.yaml"]) == 0
    return capsys.readouterr()


def test_what_is_imported_can_be_used(imported, monkeypatch, capsys):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().err == ""
    made = read_configuration("pointsman.yaml", ENVIRON)
    headers = {"OpenAI-Organization": "org-1"}
    assert dict(made.providers) == {
        "azure": Provider("azure", "https://mine.example.com", "azure", "litellm"),
        "openai": Provider("openai", "https://api.openai.com/v1", "openai", "openai", headers),
        "anthropic": Provider("anthropic", "https://api.anthropic.com", "literal-1", "anthropic"),
        "anthropic-2": Provider("anthropic-2", "https://api.anthropic.com", "anthropic", "anthropic"),
        "openai-2": Provider("openai-2", "http://10.0.0.5:4000/v1", "literal-2", "openai"),
        "gemini": Provider("gemini", None, "gemini", "litellm"),
    }
    assert dict(made.upstreams) == {
        "gpt-4o": Upstream("azure", "azure/gpt-4o-eu"),
        "gpt-4o-mini": Upstream("openai", "gpt-4o-mini"),
        "my-haiku": Upstream("anthropic", "claude-haiku-5-5"),
        "sonnet": Upstream("anthropic-2", "claude-sonnet-5-5"),
        "local": Upstream("openai-2", "facebook/opt-125m"),
        "flash": Upstream("gemini", "gemini/gemini-3.5-flash-lite"),
    }
    local = made.fleet.card("local")
    assert (local.price.input_nanousd_per_mtok, local.price.output_nanousd_per_mtok) == (100_000_000, 200_000_000)
    assert (local.context_tokens, local.max_output_tokens, local.capabilities) == (2048, 1024, ("vision",))
    assert (local.kin, made.keys.required) == ("gpt-4o-mini", True)


def test_what_could_not_be_carried_over_is_said(imported):
    assert imported.out == (
        "pointsman.yaml: 6 models imported. It needs: AZURE_API_KEY, OPENAI_API_KEY, IMPORTED_ANTHROPIC_KEY_1, "
        "ANTHROPIC_API_KEY, IMPORTED_OPENAI_KEY_2, GEMINI_API_KEY. "
        "Check it with: pointsman config check pointsman.yaml\n"
    )
    said = [re.sub(r"; state price:.*", "; state ...", line) for line in imported.err.splitlines()]
    assert said == [
        "warning: model_list entry 1 (gpt-4o): not carried over: litellm_params.api_version.",
        "warning: model_list entry 2 (gpt-4o-mini): not carried over: litellm_params.rpm.",
        "warning: model_list entry 3 (my haiku): is called my-haiku, since names have no spaces.",
        "warning: a key of anthropic stands in the file; export it as IMPORTED_ANTHROPIC_KEY_1.",
        "warning: a key of openai stands in the file; export it as IMPORTED_OPENAI_KEY_2.",
        "warning: model_list entry 7 (unknown): left out; models.unknown: no built-in fleet and no catalogue entry "
        "describes it; state ...",
        "warning: model_list entry 8 (embed): left out; its mode is embedding, and only chat is routed.",
        "warning: model_list entry 9 (anthropic/*): left out; a wildcard; list each model by its name.",
        "warning: model_list entry 10 (gpt-4o): left out; another deployment of a model that is imported already; a "
        "model is called at one place.",
        "warning: model_list entry 11: left out; it has no model_name, or no litellm_params.model.",
        "warning: litellm_settings.num_retries: not carried over; see retries.attempts.",
        "warning: litellm_settings.success_callback: not carried over.",
        "warning: router_settings.routing_strategy: not carried over; routing.strategy says how a model is chosen.",
        "warning: general_settings.master_key: not carried over; make keys with pointsman keys.",
    ]


def test_no_key_is_copied(imported):
    written = Path("pointsman.yaml").read_text() + imported.out + imported.err
    assert "literal" not in written
    assert "sk-master" not in written


def test_a_key_for_one_address_is_never_sent_to_another(imported):
    providers = yaml.safe_load(Path("pointsman.yaml").read_text())["providers"]
    addresses = {}
    for provider in providers.values():
        addresses.setdefault(provider["api_key"], set()).add(provider.get("base_url"))
    assert all(len(urls) == 1 for urls in addresses.values())


def test_an_import_never_replaces_a_file(imported, capsys):
    assert main(["registry", "import", "--litellm", "config.yaml", "--output", "pointsman.yaml"]) == 2
    assert capsys.readouterr().err == "error: pointsman.yaml exists already. Choose another --output.\n"


@pytest.mark.parametrize(
    "text",
    [
        "model_list: []\n",
        "[]\n",
        "model_list: [3, {}]\n",
        'model_list: [{model_name: a, litellm_params: {model: "*"}}]\n',
    ],
)
def test_a_file_without_models_is_refused(tmp_path, capsys, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert main(["registry", "import", "--litellm", str(path), "--output", str(tmp_path / "out.yaml")]) == 2
    said = capsys.readouterr().err
    assert "expected LiteLLM's proxy configuration" in said or "can be called" in said
    assert not (tmp_path / "out.yaml").exists()
