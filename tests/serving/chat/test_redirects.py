import pytest

from pointsman.chat import read_chat
from pointsman.errors import InvalidChat

FIELDS = [
    "api_base",
    "base_url",
    "api_key",
    "organization",
    "user_config",
    "litellm_params",
    "extra_headers",
    "model_list",
    "fallbacks",
]
BODY = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("field", FIELDS)
def test_no_field_redirects_a_call_or_its_bill_wherever_it_hides(protocol, field):
    hidden = {field: "https://evil.example/sk-secret"}
    for asked, path in [
        (hidden, field),
        ({"extra_body": hidden}, f"extra_body.{field}"),
        ({"metadata": hidden}, f"metadata.{field}"),
        ({"metadata": {"a": [{}, {"b": hidden}]}}, f"metadata.a[1].b.{field}"),
    ]:
        with pytest.raises(InvalidChat) as refusal:
            read_chat(protocol, {**BODY, **asked})
        assert refusal.value.field == path
        assert "secret" not in refusal.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("models", ["gpt-5-pro"]),
        ("workspace_id", "w"),
        ("service_tier", "priority"),
        ("speed", "fast"),
        ("audio", {"voice": "ash", "format": "mp3"}),
        ("inference_geo", "us"),
        ("web_search_options", {"search_context_size": "high"}),
        ("mcp_servers", [{"url": "https://evil.example"}]),
    ],
)
def test_what_no_hold_covers_is_refused(field, value):
    with pytest.raises(InvalidChat) as refusal:
        read_chat("openai", {**BODY, field: value})
    assert refusal.value.field == field


def test_features_of_providers_pass():
    extra = {
        "top_k": 5,
        "service_tier": "auto",
        "metadata": {"team": "a", "route": "/b"},
        "provider": {"sort": "price"},
    }
    assert read_chat("openai", {**BODY, **extra}).body == {**BODY, **extra}


def test_the_depth_of_metadata_exhausts_no_stack():
    nested = {}
    for _ in range(5_000):
        nested = {"a": nested}
    assert read_chat("openai", {**BODY, "metadata": nested}).model == "auto"
