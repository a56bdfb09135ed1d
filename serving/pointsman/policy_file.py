"""A policy on disk: the JSON file that `pointsman target` writes and a router reads."""

import os
from pathlib import Path
from typing import Final

import msgspec

from pointsman.errors import InvalidFile
from pointsman.policy import Policy

_FORMAT: Final = 1
_MAX_BYTES: Final = 4 << 20


class _PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy on disk."""

    format: int
    policy: Policy


def policy_json(policy: Policy) -> bytes:
    """Return a policy as the contents of a policy file."""
    return msgspec.json.format(msgspec.json.encode(_PolicyFile(_FORMAT, policy)), indent=1)


def read_policy(path: str | os.PathLike[str]) -> Policy:
    """Return the policy of a file that `pointsman target` wrote.

    Raises:
        InvalidFile: it can't be read, or isn't a policy file of this format.
        InvalidInput: a value in it can't be used.
    """
    source = Path(path)
    try:
        data = source.read_bytes()[: _MAX_BYTES + 1]
    except OSError as error:
        raise InvalidFile(f"{source} can't be read: {error.strerror}.") from None
    if len(data) > _MAX_BYTES:
        raise InvalidFile(f"{source} is larger than {_MAX_BYTES >> 20} MB; expected a policy file.")
    try:
        file = msgspec.json.decode(data, type=_PolicyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        advice = "expected a file that pointsman target wrote"
        raise InvalidFile(f"{source} is no policy file: {error}; {advice}.") from None
    if file.format != _FORMAT:
        raise InvalidFile(f"{source} has policy format {file.format}; this release reads format {_FORMAT}.")
    return file.policy
