"""Fields that would send a call elsewhere, bill it to someone else, or bill it beside its tokens: all refused."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.chat.shapes import word
from pointsman.errors import InvalidChat

CONNECTION_FIELDS: Final = frozenset(
    {
        "api_base",
        "base_url",
        "api_key",
        "organization",
        "user_config",
        "litellm_params",
        "extra_headers",
        "model_list",
        "fallbacks",
    }
)
"""Refused in the body, and anywhere in `extra_body` and `metadata`, which some clients and proxies unpack
(BerriAI/litellm#37053, #26996)."""

_REDIRECTING: Final = CONNECTION_FIELDS | {
    "models",  # OpenRouter: answers, and bills, with another model than the one held for
    "route",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "default_headers",
    "custom_llm_provider",
    "workspace_id",  # Anthropic: the workspace that pays
}
_BILLED_OTHERWISE: Final = frozenset({"web_search_options", "plugins", "mcp_servers", "audio"})
"""Ask for what is billed beside the tokens, or (OpenAI's `audio`: answers that speak) as tokens of another price."""
_DEARER: Final[Mapping[str, frozenset[str]]] = {
    "service_tier": frozenset({"priority", "fast", "scale"}),
    "speed": frozenset({"fast"}),
    "inference_geo": frozenset({"us"}),
}
"""Values that a provider bills at another price than the model card's, so that no hold would cover them."""

_NESTED: Final = ("extra_body", "metadata")


def refuse_redirects(body: Mapping[str, Any]) -> None:
    """Refuse a body with a field that redirects the call or its bill, or that no price card covers.

    Raises:
        InvalidChat: it has one; `field` is its path.

    """
    keys = body.keys()
    if not _REDIRECTING.isdisjoint(keys):
        raise _redirecting(sorted(_REDIRECTING & keys)[0])
    unpriced = next((field for field in _BILLED_OTHERWISE if body.get(field)), None)
    if unpriced:
        raise InvalidChat(
            f"{unpriced} is billed beside the tokens of text, which no budget here can hold; remove it.", field=unpriced
        )
    for field, dearer in _DEARER.items():
        value = body.get(field)
        if isinstance(value, str) and value in dearer:
            raise InvalidChat(
                f"{field} {word(value)} is billed at another price than the model's; remove it.", field=field
            )
    for field in _NESTED:
        if field in keys:
            _refuse_nested(body[field], field)


def _refuse_nested(root: object, path: str) -> None:
    stack = [(root, path)]
    while stack:
        value, path = stack.pop()
        if isinstance(value, dict):
            found = CONNECTION_FIELDS & value.keys()
            if found:
                raise _redirecting(f"{path}.{sorted(found)[0]}")
            stack += [(child, f"{path}.{key}") for key, child in value.items() if isinstance(child, dict | list)]
        elif isinstance(value, list):
            stack += [(child, f"{path}[{index}]") for index, child in enumerate(value)]


def _redirecting(path: str) -> InvalidChat:
    return InvalidChat(
        f"{path} is not accepted: where a call goes and who pays for it is set in the gateway's configuration only; "
        "remove it.",
        field=path,
    )
