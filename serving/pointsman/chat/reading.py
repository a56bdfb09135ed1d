"""Read a chat request of either protocol."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from pointsman.chat.anthropic_request import read_anthropic
from pointsman.chat.openai_request import read_openai
from pointsman.chat.redirects import refuse_redirects
from pointsman.chat.shapes import wrong
from pointsman.chat.words import Chat, Protocol

_READERS: Final[Mapping[Protocol, Callable[[Mapping[str, Any]], Chat]]] = {
    "openai": read_openai,
    "anthropic": read_anthropic,
}


def whole_chat(chat: Chat) -> Chat:
    """Return the same chat as one whose answer is to come in one piece."""
    if not chat.is_stream:
        return chat
    body = {name: value for name, value in chat.body.items() if name not in ("stream", "stream_options")}
    return msgspec.structs.replace(chat, body=body, is_stream=False, wants_usage=False)


def read_chat(protocol: Protocol, body: object) -> Chat:
    """Return the chat that a request's body (decoded JSON) asks for.

    Fields that the protocol doesn't name stay in the body, since providers have features of their own.

    Raises:
        InvalidChat: the body is malformed, or has a field that would redirect the call or its bill; `field` is the
            path of what is wrong ("messages[2].content"), and the message never repeats what the caller wrote.

    """
    if not isinstance(body, dict):
        raise wrong("body", body, "a JSON object")
    refuse_redirects(body)
    return _READERS[protocol](body)
