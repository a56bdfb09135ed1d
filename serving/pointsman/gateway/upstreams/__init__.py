"""Calls providers: bytes out, bytes in, each failure an `UpstreamError` that says whether money was spent."""

from pointsman.gateway.upstreams.answers import MAX_REPLY_BYTES, Answer, Stream
from pointsman.gateway.upstreams.upstreams import Upstreams

__all__ = ["MAX_REPLY_BYTES", "Answer", "Stream", "Upstreams"]
