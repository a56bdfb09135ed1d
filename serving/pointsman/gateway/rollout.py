"""Who is routed while a rollout goes on: a share of the callers, each always or never."""

from hashlib import blake2b
from typing import Final

import msgspec

from pointsman.conversation import conversation_key
from pointsman.gateway.asked import AUTO, Asked
from pointsman.gateway.parts import Parts

_SPAN: Final = 2**64


def rolled_out(asked: Asked, parts: Parts) -> Asked:
    """Return the request as it goes on: outside of the rollout, whoever asks for routing gets the baseline."""
    if parts.rollout >= 1 or asked.chat.model not in AUTO or is_in(parts.rollout, caller_of(asked)):
        return asked
    return msgspec.structs.replace(asked, baseline=parts.fleet.baseline)


def is_in(share: float, caller: str) -> bool:
    """Return whether a caller is in the share: the same for ever, and with a greater share too."""
    digest = blake2b(f"rollout\0{caller}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _SPAN


def caller_of(asked: Asked) -> str:
    """Return who asks, as narrowly as it is known: the end user, the key's user, the key, the conversation."""
    who, chat = asked.who, asked.chat
    known = chat.end_user or who.user or who.key
    return f"{who.tenant}\0{known}" if known else conversation_key(who.tenant, chat, asked.wishes.conversation)
