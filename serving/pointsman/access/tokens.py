"""What a key looks like, and what of it is stored.

A key is "pm-", 8 characters that name it, "-" and 43 characters of secret (32 random bytes). The name is no secret: it
stands in logs, budgets and messages. The whole key is shown once; what is stored is its HMAC-SHA-256 under the
deployment's secret, so that a copy of the database opens nothing, and without the secret can't be guessed at.
"""

import base64
import hmac
import re
from collections.abc import Callable
from typing import Final

from pointsman.errors import InvalidConfig

PREFIX: Final = "pm-"
ID_CHARACTERS: Final = 8
TOKEN_CHARACTERS: Final = len(PREFIX) + ID_CHARACTERS + 1 + 43
LEAST_SECRET_BYTES: Final = 16
_ID_END: Final = len(PREFIX) + ID_CHARACTERS
_ID: Final = re.compile(f"[a-z2-7]{{{ID_CHARACTERS}}}")

RandomBytes = Callable[[int], bytes]
"""Such as `secrets.token_bytes`."""


def new_token(random_bytes: RandomBytes) -> str:
    """Return a key that nobody has yet."""
    return token_of(base64.b32encode(random_bytes(5)).decode().lower(), random_bytes)


def token_of(key_id: str, random_bytes: RandomBytes) -> str:
    """Return a key of that id with a fresh secret."""
    secret = base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")
    return f"{PREFIX}{key_id}-{secret}"


def id_of(token: str) -> str:
    """Return the id in a key; of a text that is none, whatever stands there."""
    return token[len(PREFIX) : _ID_END]


def is_id(text: str) -> bool:
    """Whether a text has the form of a key's id."""
    return _ID.fullmatch(text) is not None


def digest_of(secret: bytes, token: str) -> bytes:
    """Return what is stored of a key: 32 bytes."""
    return hmac.digest(secret, token.encode("utf-8", "surrogatepass"), "sha256")


def fingerprint_of(secret: bytes) -> str:
    """Return 8 hexadecimal characters that tell secrets apart, so that keys stored under another one are noticed."""
    return hmac.digest(secret, b"pointsman: which secret is this", "sha256")[:4].hex()


def secret_bytes(text: str) -> bytes:
    """Return the secret of a setting or a file.

    Raises:
        InvalidConfig: fewer than `LEAST_SECRET_BYTES` bytes; the message doesn't repeat them.
    """
    secret = text.strip().encode()
    if len(secret) < LEAST_SECRET_BYTES:
        raise InvalidConfig(
            f"the secret under which keys are stored has {len(secret)} bytes; expected at least "
            f"{LEAST_SECRET_BYTES}. Make one with: openssl rand -hex 32",
            field="keys.secret",
        )
    return secret
