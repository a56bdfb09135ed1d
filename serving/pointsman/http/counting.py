"""How long a prompt is, as Anthropic's clients ask before they send it."""

from collections.abc import Mapping

import msgspec
from fastapi import APIRouter, Request, Response

from pointsman.chat import input_estimate, read_chat
from pointsman.errors import PointsmanError
from pointsman.http.bodies import decode, json_response, read_body
from pointsman.http.metrics import Metrics
from pointsman.http.operations import operation
from pointsman.http.refusals import refusal


class TokenCount(msgspec.Struct, frozen=True):
    """The tokens of a prompt, estimated: a quarter of the bytes of its texts and tools, and 800 an image."""

    input_tokens: int


def counting_api(metrics: Metrics) -> APIRouter:
    """Return the route that counts tokens."""
    api = APIRouter(tags=["chats"])

    @api.post(
        "/v1/messages/count_tokens",
        openapi_extra=operation("TokenCount", body="CountRequest", refusals=(400, 413, 422)),
    )
    async def count_tokens(request: Request) -> Response:
        """Estimate the tokens of a prompt in Anthropic's shape, without asking a provider.

        The models of a fleet count differently, and which one will be chosen isn't known: this is what routing expects,
        not what will be billed.
        """
        try:
            return json_response(msgspec.json.encode(token_count(decode(await read_body(request)))))
        except PointsmanError as error:
            metrics.refused(error.code)
            return refusal(request.url.path, error)

    return api


def token_count(data: object) -> TokenCount:
    """Return the tokens of a request of Anthropic's Messages API; `max_tokens` may be left out.

    Raises:
        InvalidChat: it is no such request.
    """
    chat = read_chat("anthropic", {"max_tokens": 1, **data} if isinstance(data, Mapping) else data)
    return TokenCount(max(1, input_estimate(chat)))
