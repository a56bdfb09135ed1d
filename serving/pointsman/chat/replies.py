"""Read a provider's whole answer, and say it in the other protocol."""

from typing import Any

import msgspec

from pointsman.chat.answers import answer_of, anthropic_body, no_answer, openai_body
from pointsman.chat.decoding import decoded_json
from pointsman.chat.words import Protocol, Reply


def read_reply(protocol: Protocol, body: bytes) -> Reply:
    """Return the answer in a provider's whole body; its usage is None where it can't be true.

    Raises:
        UpstreamError: the body isn't an answer; the message says what it is, without repeating it.

    """
    return answer_of(protocol, decoded(body)).reply


def translated_reply(body: bytes, source: Protocol, target: Protocol, model: str, *, created_s: int = 0) -> bytes:
    """Return a whole answer in the protocol of the caller; unchanged where that is the provider's.

    `model` is the name that the caller is told, `created_s` the second (since 1970) that OpenAI's shape states.

    Raises:
        UpstreamError: the body isn't an answer.

    """
    if source == target:
        return body
    answer = answer_of(source, decoded(body))
    return msgspec.json.encode(
        openai_body(answer, model, created_s) if target == "openai" else anthropic_body(answer, model)
    )


def decoded(body: bytes) -> Any:
    """Return a provider's body as JSON.

    Raises:
        UpstreamError: it is empty, HTML, or something else that isn't JSON.

    """
    try:
        return decoded_json(body)
    except ValueError:
        start = body[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start:
            raise no_answer("an empty body") from None
        raise no_answer("HTML" if start.startswith(b"<") else "a body that isn't JSON") from None
